/** The shapes that several modules share: what every state, and every schema of a state, has. */
import type * as Schema from "effect/Schema"

/** A decoded state. */
export interface Tagged {
  readonly _tag: string
}

/** The schema of a state: any codec whose decoded side has a `_tag`. */
export type StateSchema = Schema.Codec<Tagged, any, any, any>
