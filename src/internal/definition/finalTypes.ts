/** What the compiler knows of final states: for `Task.ts`. */
import type { Duplicates, SchemaTag, StateSchema } from "./state.ts"

/** The schemas of the final states among steps. */
export type FinalOf<S> = S extends { readonly final: true; readonly state: infer St extends StateSchema } ? St : never

/** The schemas of all other states: by default a task may begin in each of them. */
export type NotFinalOf<S> = S extends { readonly final: true } ? never
  : S extends { readonly state: infer St extends StateSchema } ? St
  : never

/** What is wrong with a step that is final and was not declared so, or the other way round. `never` if nothing is. */
export type FinalityOf<S, Finals extends string> = S extends { readonly tag: infer T extends string }
  ? S extends { readonly final: true } ? T extends Finals ? never
    : `"${T}" is not declared as a final state: move it from \`states\` to \`final\``
  : T extends Finals ? `"${T}" is declared as a final state: make it with Step.final`
  : never
  : never

export type CheckFinality<Mistake> = [Mistake] extends [never] ? unknown : Mistake

/** The tags of schemas, where `Duplicates` finds them. */
export type Tagged<Schemas extends ReadonlyArray<StateSchema>> = {
  readonly [I in keyof Schemas]: { readonly tag: SchemaTag<Schemas[I]> }
}

export type TwiceDeclared<T extends string> = [T] extends [never] ? unknown
  : `two states of this task have the tag "${T}"`

/** Compile errors that name final states which are declared twice, each at its state, or `unknown`. */
export type CheckFinals<Finals extends ReadonlyArray<StateSchema>, States extends ReadonlyArray<StateSchema>> =
  [Duplicates<Tagged<Finals>, "tag"> | Extract<SchemaTag<Finals[number]>, SchemaTag<States[number]>>] extends [never]
    ? unknown
    : {
      readonly final?:
        | {
          readonly [I in keyof Finals]: FinalTwice<
            Extract<SchemaTag<Finals[I]>, SchemaTag<States[number]>>,
            Extract<SchemaTag<Finals[I]>, Duplicates<Tagged<Finals>, "tag">>
          >
        }
        | undefined
    }

type FinalTwice<AlsoState extends string, Twice extends string> = [AlsoState] extends [never] ? TwiceDeclared<Twice>
  : `"${AlsoState}" is among \`states\`, too: a final state has no step there`
