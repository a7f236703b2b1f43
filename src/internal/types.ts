/** The shapes that several modules share: what every state, and every schema of a state, has. */
import type * as Schema from "effect/Schema"

/** A decoded state. */
export interface Tagged {
  readonly _tag: string
}

/** The schema of a state: any whose decoded side has a `_tag`. No `Codec`, for which TypeScript's errors are long. */
export interface StateSchema extends Schema.Top {
  readonly Type: Tagged
  readonly Encoded: any
  readonly DecodingServices: any
  readonly EncodingServices: any
}
