/**
 * Types that several modules share. Public modules export them, because the types of users' code must be able to name
 * them.
 */
import type * as Schema from "effect/Schema"
import type { Tagged } from "../../NextStep.ts"

/**
 * The schema of a state: any schema whose decoded side has a `_tag`. `R` is what it may need to decode and to encode.
 * It is no `Codec`, because TypeScript's errors would be longer.
 */
export interface StateSchema<out R = unknown> extends Schema.Top {
  readonly Type: Tagged
  readonly DecodingServices: R
  readonly EncodingServices: R
}

/** The tag of a state's schema. */
export type SchemaTag<S> = S extends { readonly Type: { readonly _tag: infer T extends string } } ? T : never

type ValueOf<Item, Key extends string> = Item extends { readonly [_ in Key]: infer V extends string }
  ? string extends V ? never : V
  : never

type IsUnion<A, B = A> = A extends unknown ? [B] extends [A] ? false : true : never

/**
 * Maps each value of `Key` to itself if several elements of the tuple have it: then its `I` is a union of indexes.
 * There is no recursion over the tuple, because TypeScript would stop at 1,000 elements.
 */
type Repeated<Items extends ReadonlyArray<unknown>, Key extends string> = {
  readonly [I in keyof Items & `${number}` as ValueOf<Items[I], Key>]: IsUnion<I> extends true ? ValueOf<Items[I], Key>
    : never
}

export type Duplicates<Items extends ReadonlyArray<unknown>, Key extends string> = number extends Items["length"] ?
  never
  : Items["length"] extends 1 ? never
  : Repeated<Items, Key>[keyof Repeated<Items, Key>]
