/** What the constructors of steps check about handlers, as types: compile errors that name the mistake. */
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { NextStep } from "../../NextStep.ts"
import type { StateSchema } from "./state.ts"

/** Any effect. The constructors complain if it succeeds with anything but a `NextStep`. */
export type AnyEffect = Effect.Effect<unknown, unknown, unknown>

type IsAny<A> = 0 extends 1 & A ? true : false

type AnyNextStep = NextStep<unknown, unknown, unknown>
type NextState<Out> = Out extends NextStep<infer S, infer _E, infer _R> ? S : never
export type CommitError<Out> = Out extends NextStep<infer _S, infer E, infer _R> ? E : never
export type CommitServices<Out> = Out extends NextStep<infer _S, infer _E, infer R> ? R : never

type Tag<S> = S extends { readonly _tag: infer T extends string } ? T : never

/** The type of an option that goes with a schedule's absence only. */
export type EitherRetry<Retry, A> = [Retry] extends [undefined] ? A
  : "give either `retry`, or `retryLimit` and `retryDelay`"

/** The type of `transactional`. */
export type EitherCommit<AsyncCommit> = true extends AsyncCommit
  ? false | "a transactional step always waits for the disk: give either `transactional` or `asyncCommit`"
  : boolean

/** A compile error for a `commit`, as far as its type shows that there is one; or `unknown`. */
export type CheckCommit<AsyncCommit, Handled> = true extends AsyncCommit ? IsAny<Handled> extends true ? unknown
  : [CommitError<Effect.Success<Handled>> | CommitServices<Effect.Success<Handled>>] extends [never] ? unknown
  : { readonly handler: "a `commit` always waits for the disk: leave out `asyncCommit`" }
  : unknown

/** What errors are called in messages. */
type ErrorName<E> = E extends { readonly _tag: infer T extends string } ? T : "Error"

/** A compile error that names what is wrong with a schedule, or `unknown`. */
export type CheckRetry<Retry, Handled> = IsAny<Handled> extends true ? unknown
  : Retry extends Schedule.Schedule<infer _O, infer Input, infer E, infer R>
    ? [E] extends [never]
      ? [R] extends [never] ? CheckInput<Input, Effect.Error<Handled> | CommitError<Effect.Success<Handled>>>
      : "this schedule needs services: provide them before"
    : `this schedule may fail with "${ErrorName<E>}": handle that before`
  : Schedule.Schedule<unknown, never>

type CheckInput<Input, E> = [E] extends [Input] ? unknown
  : `this schedule takes no "${ErrorName<Exclude<E, Input>>}", with which the handler may fail: widen its input`

/**
 * A compile error that names what a handler returns and may not, or `unknown`. `Who` is what the message calls the
 * handler: `step`, or `transition on "Approved"`.
 */
export type CheckHandler<Who extends string, Next extends ReadonlyArray<StateSchema>, Handled> = IsAny<Handled> extends
  true ? unknown : CheckResult<Who, Next, Effect.Success<Handled>>

type CheckResult<Who extends string, Next extends ReadonlyArray<StateSchema>, Out> = IsAny<Out> extends true
  ? { readonly handler: ResultError<never> }
  : [Out] extends [AnyNextStep] ? CheckMove<Who, Next, NextState<Out>>
  : { readonly handler: ResultError<Tag<Exclude<Out, AnyNextStep>>> }

type CheckMove<Who extends string, Next extends ReadonlyArray<StateSchema>, To> = IsAny<To> extends true
  ? { readonly handler: "this handler moves to a state of type `any`" }
  : [To] extends [Next[number]["Type"]] ? unknown
  : { readonly handler: MoveError<Who, Next, To, Exclude<Tag<To>, Next[number]["Type"]["_tag"]>> }

type MoveError<Who extends string, Next extends ReadonlyArray<StateSchema>, To, Undeclared extends string> =
  [Tag<To>] extends [never] ? "this handler moves to a state of unknown type"
    : Next extends readonly [] ? `this last ${Who} moves to "${Tag<To>}": add it to \`next\`, or return NextStep.none`
    : [Undeclared] extends [never] ? DifferenceOf<Who, Exclude<To, Next[number]["Type"]>, Next[number]["Type"]>
    : `this ${Who} moves to "${Undeclared}", which is not in its \`next\``

/** Names the fields that differ, too. */
type DifferenceOf<Who extends string, To, States> = To extends { readonly _tag: infer T extends string }
  ? `this ${Who} moves to a "${T}" that differs from the state of that tag in \`next\`${FieldsOf<
    To,
    Extract<States, { readonly _tag: T }>
  >}`
  : never
type FieldsOf<To, State> = DifferentKey<To, State> extends infer K extends string
  ? [K] extends [never] ? "" : `: look at its \`${K}\``
  : ""
type DifferentKey<To, State> = {
  [K in keyof State]-?: To extends { readonly [_ in K]: State[K] } ? never : K
}[keyof State]

type ResultError<State extends string> = [State] extends [never]
  ? "this handler's effect must succeed with a NextStep: NextStep.none, now, delay or at"
  : `this handler's effect succeeds with a "${State}" itself, not with a NextStep: return NextStep.now of it`
