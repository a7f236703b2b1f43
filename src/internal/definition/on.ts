/** What a waiting state waits for, as types. Step.ts exports them. */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { AnyEffect, CheckHandler, CheckRetry, CommitError, CommitServices, EitherRetry } from "./handlerChecks.ts"
import type { TaskChildGoneError } from "../../TaskError.ts"
import type { CheckHolds, Results } from "./childTypes.ts"
import type { Duplicates, SchemaTag, StateSchema } from "./state.ts"

/**
 * What a step may do with its state, or a waiting state with one of the things that it waits for: see {@link wait}.
 * `Args` are the arguments of the handler.
 */
export interface TransitionOptions<
  Next extends ReadonlyArray<StateSchema>,
  Args extends ReadonlyArray<unknown>,
  Handled,
  Retry,
  Transactional = boolean
> {
  /** The states that it may move to. Default none: the task ends with it. */
  readonly next?: Next | undefined
  /** RETRY_LIMIT: retries after the first try. Default 0. */
  readonly retryLimit?: EitherRetry<Retry, number> | undefined
  /** RETRY_DELAY: the wait before each retry. Default 1 second. */
  readonly retryDelay?: EitherRetry<Retry, Duration.Input> | undefined
  /**
   * In place of `retryLimit` and `retryDelay`: any schedule. Its input is the error of the handler or of `commit`. When
   * it ends, the task is parked with its error. Other failures (a defect, a next state that doesn't fit its schema, a
   * transaction that Postgres refused) follow the schedule, too. But if the schedule reads its input, they park the
   * task.
   */
  readonly retry?: Retry & CheckRetry<Retry, Handled> | undefined
  /**
   * Runs the handler in one database transaction with the transition: what it writes through `SqlClient` (tasks it
   * enqueues and signals it sends, too) and the task's move to the next step are committed together, or not at all. The
   * step's scope is closed in the transaction, too. Default false.
   */
  readonly transactional?: Transactional | undefined
  /** Does the work, and says where the task goes from here. */
  readonly handler: (...args: Args) => Handled
}

/**
 * One thing that a waiting state waits for, and what happens then. `Tag` is the signal's tag, or `$timeout`.
 */
export interface On<
  out Tag extends string,
  out Signal extends StateSchema,
  out Next extends StateSchema,
  out E,
  out R
> {
  readonly "~effect-pg-task/Step/On": {
    readonly _E: (_: never) => E
    readonly _R: (_: never) => R
  }
  readonly tag: Tag
  /** The schema of the signal; undefined for the timeout. */
  readonly signal: Signal | undefined
  /** The schemas of the states it may move to. */
  readonly next: ReadonlyArray<Next>
}

/**
 * Any {@link On}, for constraints.
 */
export interface AnyOn {
  readonly "~effect-pg-task/Step/On": {
    readonly _E: (_: never) => unknown
    readonly _R: (_: never) => unknown
  }
  readonly tag: string
  readonly signal: StateSchema | undefined
  readonly next: ReadonlyArray<StateSchema>
}

export type OnError<O> = O extends { readonly "~effect-pg-task/Step/On": { readonly _E: (_: never) => infer E } } ? E
  : never
export type OnServices<O> = O extends { readonly "~effect-pg-task/Step/On": { readonly _R: (_: never) => infer R } } ? R
  : never
export type OnNext<O> = O extends { readonly next: ReadonlyArray<infer N extends StateSchema> } ? N : never

type DecodingServices<S> = S extends { readonly DecodingServices: infer R } ? R : never

/**
 * Says what happens when a signal comes (`on(Signal, options)`), or when none has come in time (`on.timeout`). The
 * options are those of {@link make}: each of them has its own retries.
 */
export interface WaitBuilder<in out State extends StateSchema> {
  <
    Signal extends StateSchema,
    const Next extends ReadonlyArray<StateSchema> = readonly [],
    Handled extends AnyEffect = any,
    Retry = undefined
  >(
    signal: Signal,
    options:
      & TransitionOptions<Next, [state: State["Type"], signal: Signal["Type"]], Handled, Retry>
      & CheckHandler<`transition on "${SchemaTag<Signal>}"`, Next, Handled>
  ): On<
    SchemaTag<Signal>,
    Signal,
    Next[number],
    Effect.Error<Handled> | CommitError<Effect.Success<Handled>>,
    Effect.Services<Handled> | CommitServices<Effect.Success<Handled>> | DecodingServices<Signal>
  >
  /**
   * When no signal has come in time: `after` a duration, or at a moment. It begins when the task comes into the state,
   * by Postgres's clock. A signal that is there when a worker takes the task goes first.
   */
  readonly timeout: <
    const Next extends ReadonlyArray<StateSchema> = readonly [],
    Handled extends AnyEffect = any,
    Retry = undefined
  >(
    after: Duration.Input | ((state: State["Type"]) => Duration.Input | DateTime.DateTime),
    options:
      & TransitionOptions<Next, [state: State["Type"]], Handled, Retry>
      & CheckHandler<"timeout", Next, Handled>
  ) => On<
    "$timeout",
    never,
    Next[number],
    Effect.Error<Handled> | CommitError<Effect.Success<Handled>>,
    Effect.Services<Handled> | CommitServices<Effect.Success<Handled>>
  >
  /**
   * When all children in the fields of the state have ended in a final state: at once if there are none. A parked child
   * is waited for. If a child is gone, because it was cancelled or ended with `NextStep.none`, the step fails with a
   * `TaskChildGoneError`.
   */
  readonly children: OnChildren<State, "all", "$children">
  /** When all children in the fields of the state have ended, are parked or are gone. */
  readonly settled: OnChildren<State, "settled", "$settled">
}

/**
 * What happens when the children of a state have ended. The handler gets the state, and what the children came to, under
 * the names of the fields that hold them.
 */
interface OnChildren<in out State extends StateSchema, Mode extends string, Tag extends string> {
  <
    const Next extends ReadonlyArray<StateSchema> = readonly [],
    Handled extends AnyEffect = any,
    Retry = undefined
  >(
    options:
      & TransitionOptions<Next, [state: State["Type"], results: Results<State["Type"], Mode>], Handled, Retry>
      & CheckHolds<State>
      & CheckHandler<"transition on children", Next, Handled>
  ): On<
    Tag,
    never,
    Next[number],
    Effect.Error<Handled> | CommitError<Effect.Success<Handled>> | (Mode extends "all" ? TaskChildGoneError : never),
    Effect.Services<Handled> | CommitServices<Effect.Success<Handled>>
  >
}

/** Compile errors that name what is wrong with a wait, each at its place, or `unknown`. */
export type CheckOns<Ons extends ReadonlyArray<AnyOn>> = Ons extends readonly [] ? "this state waits for nothing"
  : [Duplicates<Ons, "tag">] extends [never]
    ? ["$children" | "$settled"] extends [Literal<Ons[number]["tag"]>]
      ? { readonly [I in keyof Ons]: OnTwice<Ons[I]["tag"] & ("$children" | "$settled")> }
    : unknown
  : { readonly [I in keyof Ons]: OnTwice<Ons[I]["tag"] & Duplicates<Ons, "tag">> }

/** In an array that is no tuple, tags are any strings. */
type Literal<T extends string> = string extends T ? never : T

type OnTwice<T extends string> = [T] extends [never] ? unknown
  : T extends "$timeout" ? "two timeouts in one state"
  : T extends "$children" | "$settled" ? "two handlers for the children of one state"
  : `two handlers for the signal "${T}"`
