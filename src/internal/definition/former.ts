/** Former states: what rows may still hold, and the function that turns it into a state of today. */
import { hasProperty, isFunction } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { Tagged } from "../../NextStep.ts"
import { TaskDefinitionError } from "../../TaskError.ts"
import type { Duplicates, SchemaTag, StateSchema } from "./state.ts"
import { tagOf } from "./tag.ts"

// ---------------------------------------------------------------------------------------------------------------
// At run time
// ---------------------------------------------------------------------------------------------------------------

/** A former state without its public types. */
export interface FormerDefinition {
  readonly tag: string
  readonly state: StateSchema
  /** Returns the state that it became, or an Effect of it. */
  readonly migrate: (old: Tagged) => unknown
}

const fail = (message: string): never => {
  throw new TaskDefinitionError({ message })
}

const identity = (_: never): never => _

export const makeFormer = (state: StateSchema, migrate: FormerDefinition["migrate"]): FormerDefinition => {
  const tag = tagOf(state, "A former state")
  if (!isFunction(migrate)) fail(`Step.former of "${tag}" needs a function that returns what the state became`)
  const definition: FormerDefinition = { tag, state, migrate }
  return Object.assign(definition, { "~effect-pg-task/Step/Former": { _To: identity, _R: identity } })
}

const isFormer = (u: unknown): u is FormerDefinition => hasProperty(u, "~effect-pg-task/Step/Former")

/** The former states of the step with this tag. Whether each of them ends in its state, only the compiler knows. */
export const formersOf = (tag: string, from: ReadonlyArray<unknown> = []): ReadonlyArray<FormerDefinition> => {
  if (!Array.isArray(from) || !from.every(isFormer)) {
    return fail(`Step "${tag}": \`from\` must be an array of former states, each made with Step.former`)
  }
  const tags = from.map((former) => former.tag)
  if (tags.includes(tag)) {
    fail(
      `Step "${tag}": a former state has the tag of the state: change its schema with a decoding default in place of it`
    )
  }
  const twice = tags.find((tag, index) => tags.indexOf(tag) !== index)
  if (twice !== undefined) fail(`Step "${tag}": two of its former states have the tag "${twice}"`)
  return from
}

// ---------------------------------------------------------------------------------------------------------------
// Types that Step and Task share
// ---------------------------------------------------------------------------------------------------------------

/**
 * A state that rows may still hold, and what becomes of it: `To` is the state of the step, or a younger former state.
 * `R` are the services of the function that turns one into the other.
 */
export interface Former<out Old extends StateSchema, out To, out R> {
  readonly "~effect-pg-task/Step/Former": {
    readonly _To: (_: never) => To
    readonly _R: (_: never) => R
  }
  /** The `_tag` that rows hold. */
  readonly tag: Old["Type"]["_tag"]
  /** The schema of what they hold. */
  readonly state: Old
}

/** Any former state, for constraints, or any one that needs no services but `R`. */
export interface AnyFormer<out R = unknown> {
  readonly "~effect-pg-task/Step/Former": {
    readonly _To: (_: never) => Tagged
    readonly _R: (_: never) => R | Scope.Scope
  }
  readonly tag: string
  readonly state: StateSchema<R>
}

type To<F> = F extends { readonly "~effect-pg-task/Step/Former": { readonly _To: (_: never) => infer T } } ? T : never
type Needs<F> = F extends { readonly "~effect-pg-task/Step/Former": { readonly _R: (_: never) => infer R } } ? R : never
type Type<F> = F extends { readonly state: infer S extends StateSchema } ? S["Type"] : never

/** The tags of former states, or of steps, as far as the compiler knows them. */
export type FormerTag<F> = F extends { readonly tag: infer T extends string } ? string extends T ? never : T : never

/** What a worker must provide to decode former states, and to turn them into the step's state. */
export type FormerServices<F> =
  | Exclude<Needs<F>, Scope.Scope>
  | (F extends { readonly state: infer S extends StateSchema } ? S["DecodingServices"] : never)

type TagOf<S> = S extends { readonly _tag: infer T extends string } ? T : never

/** What the former state `Tag` becomes. */
type After<F, Tag> = F extends { readonly tag: infer T } ? T extends Tag ? TagOf<To<F>> : never : never

/** Never if each path from this former state ends in the step's state; true if one goes round. */
type GoesRound<Froms, Tag, Seen = never> = Tag extends unknown
  ? Tag extends Seen ? true : GoesRound<Froms, After<Froms, Tag>, Seen | Tag>
  : never

/**
 * Compile errors that name what is wrong with a step's former states, each at its former state, or `unknown`. `Context`
 * is the service that only handlers have.
 */
export type CheckFrom<State extends StateSchema, Froms extends ReadonlyArray<AnyFormer>, Context> = Froms extends
  readonly [] ? unknown
  : {
    readonly from?: {
      readonly [I in keyof Froms]: CheckFormer<State, Froms, Froms[I], Context>
    }
  }

type CheckFormer<State extends StateSchema, Froms extends ReadonlyArray<AnyFormer>, F, Context> = FormerTag<F> extends
  SchemaTag<State> ? `the former state "${FormerTag<
    F
  >}" has the tag of the state: change its schema with a decoding default in place of it`
  : [Extract<FormerTag<F>, Duplicates<Froms, "tag">>] extends [never]
    ? [Extract<Needs<F>, Context>] extends [never] ? CheckTo<State, Froms[number], F>
    : `the former state "${FormerTag<F>}" uses Step.Context, which only handlers have`
  : `two former states of this step have the tag "${FormerTag<F>}"`

/**
 * The same for final states. Whoever asks for a result decodes it, and has no services for former states.
 */
export type CheckFinalFrom<State extends StateSchema, Froms extends ReadonlyArray<AnyFormer>, Context> =
  & CheckFrom<State, Froms, Context>
  & (Froms extends readonly [] ? unknown : {
    readonly from?: {
      readonly [I in keyof Froms]: [FormerServices<Froms[I]>] extends [never] ? unknown
        : `the former state "${FormerTag<Froms[I]>}" needs services, which those who read the result don't have`
    }
  })

type CheckTo<State extends StateSchema, All, F> = [To<F>] extends [State["Type"] | Type<All>]
  ? [GoesRound<All, FormerTag<F>>] extends [never] ? unknown
  : `the former state "${FormerTag<F>}" goes round: it never becomes "${SchemaTag<State>}"`
  : `the former state "${FormerTag<F>}" becomes ${Quoted<
    TagOf<Exclude<To<F>, State["Type"] | Type<All>>>
  >}, which is neither "${SchemaTag<State>}" nor a former state of this step`

type Quoted<Tag extends string> = string extends Tag ? "a state of unknown tag" : `a "${Tag}"`

/** The former states of steps. */
type FormersOf<S> = S extends { readonly from: ReadonlyArray<infer F> } ? F : never

type IsUnion<A, B = A> = A extends unknown ? [B] extends [A] ? false : true : never

/** Maps each former tag to itself if several steps have it: then its `I` is a union of indexes. */
type Repeated<Steps extends ReadonlyArray<unknown>> = {
  readonly [I in keyof Steps & `${number}` as FormerTag<FormersOf<Steps[I]>>]: IsUnion<I> extends true
    ? FormerTag<FormersOf<Steps[I]>>
    : never
}

type NextTag<S> = S extends { readonly next: ReadonlyArray<infer N> } ? SchemaTag<N> : never

/** Compile errors that name what is wrong with the former states of a task, each at its step. Never: nothing is. */
export type CheckFormers<Steps extends ReadonlyArray<unknown>> = [FormerTag<FormersOf<Steps[number]>>] extends [never] ?
  never
  : [FormerMistake<Steps, Steps[number]>] extends [never] ? never
  : { readonly [I in keyof Steps]: OrUnknown<FormerMistake<Steps, Steps[I]>> }

type OrUnknown<Message> = [Message] extends [never] ? unknown : Message

type FormerMistake<Steps extends ReadonlyArray<unknown>, S> = S extends unknown
  ? [FormerTag<FormersOf<S>> & FormerTag<Steps[number]>] extends [never]
    ? [FormerTag<FormersOf<S>> & Repeated<Steps>[keyof Repeated<Steps>]] extends [never]
      ? [NextTag<S> & FormerTag<FormersOf<Steps[number]>>] extends [never] ? never
      : `step "${FormerTag<S>}" moves to the former state "${
        & NextTag<S>
        & FormerTag<FormersOf<Steps[number]>>}": move to what it became`
    : `"${FormerTag<FormersOf<S>> & Repeated<Steps>[keyof Repeated<Steps>]}" is a former state of two steps`
  : `"${FormerTag<FormersOf<S>> & FormerTag<Steps[number]>}" is a former state of step "${FormerTag<
    S
  >}", and the state of another step`
  : never
