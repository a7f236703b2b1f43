/**
 * A step: a state, the states it may move to, what happens when it fails, and the handler that does the work.
 *
 * @since 0.1.0
 */
import * as EffectContext from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type {
  AnyEffect,
  CheckHandler,
  CheckRetry,
  CommitError,
  CommitServices,
  EitherRetry
} from "./internal/definition/handlerChecks.ts"
import { makeStep } from "./internal/definition/step.ts"
import type { Duplicates, StateSchema } from "./internal/definition/state.ts"
import { makeWait } from "./internal/definition/wait.ts"
import type { TaskId } from "./TaskId.ts"

/**
 * The type id of every `Step`.
 *
 * @category type ids
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-pg-task/Step"

/**
 * The type of {@link TypeId}.
 *
 * @category type ids
 * @since 0.1.0
 */
export type TypeId = "~effect-pg-task/Step"

/**
 * The type id of every {@link On}.
 *
 * @category type ids
 * @since 0.1.0
 */
export const OnTypeId: OnTypeId = "~effect-pg-task/On"

/**
 * The type of {@link OnTypeId}.
 *
 * @category type ids
 * @since 0.1.0
 */
export type OnTypeId = "~effect-pg-task/On"

export type {
  /**
   * The schema of a state: any schema whose decoded side has a `_tag`. `R` is what it may need to decode and to
   * encode.
   *
   * @category models
   * @since 0.1.0
   */
  StateSchema
}

/**
 * A step. `State` is the schema of its state, `Next` those of the states it may move to, `E` and `R` the errors and
 * services of its handler.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step<in out State extends StateSchema, out Next extends StateSchema, out E, out R> {
  readonly [TypeId]: {
    readonly _E: (_: never) => E
    readonly _R: (_: never) => R
  }
  /** The `_tag` of its state. */
  readonly tag: State["Type"]["_tag"]
  /** The schema of its state. */
  readonly state: State
  /** The schemas of the states it may move to. Empty for a final step. */
  readonly next: ReadonlyArray<Next>
  /** RETRY_LIMIT, or undefined when a `retry` schedule rules. */
  readonly retryLimit: number | undefined
  /** RETRY_DELAY, or undefined when a `retry` schedule rules. */
  readonly retryDelay: Duration.Duration | undefined
  /** Whether the handler runs in one transaction with the transition. */
  readonly transactional: boolean
}

/**
 * Any step, for constraints, or any step that needs no services but `R`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any<out R = unknown> {
  readonly [TypeId]: {
    readonly _E: (_: never) => unknown
    readonly _R: (_: never) => R | Scope.Scope | Context
  }
  readonly tag: string
  readonly state: StateSchema<R>
  readonly next: ReadonlyArray<StateSchema<R>>
  readonly retryLimit: number | undefined
  readonly retryDelay: Duration.Duration | undefined
  readonly transactional: boolean
}

/**
 * The state a step runs on.
 *
 * @category utility types
 * @since 0.1.0
 */
export type State<S> = S extends { readonly state: infer St extends StateSchema } ? St["Type"] : never

/**
 * The errors of a step's handler.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Error<S> = S extends { readonly [TypeId]: { readonly _E: (_: never) => infer E } } ? E : never

/**
 * What a worker must provide to run a step: the services of its handler, and those that its schemas need to decode
 * its state and to encode the next one. `Scope` and {@link Context} come from the worker.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Services<S> = S extends {
  readonly [TypeId]: { readonly _R: (_: never) => infer R }
  readonly state: infer St extends StateSchema
  readonly next: ReadonlyArray<infer Next>
} ? Exclude<R, Scope.Scope | Context> | St["DecodingServices"] | EncodingServices<Next>
  : never

/** The services that a schema needs to encode. */
type EncodingServices<St> = St extends { readonly EncodingServices: infer R } ? R : never

/**
 * What a handler can find out about its attempt: `yield* Step.Context`.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Step } from "effect-pg-task"
 *
 * export const charge = Effect.gen(function*() {
 *   const { idempotencyKey } = yield* Step.Context
 *   // hand the key to the payment provider: a second try of this step won't charge twice
 *   return idempotencyKey
 * })
 * ```
 * @category services
 * @since 0.1.0
 */
export class Context extends EffectContext.Service<Context, {
  /** The task's id. */
  readonly id: TaskId
  /** The task's name. */
  readonly task: string
  /** The `_tag` of the state. */
  readonly step: string
  /** Which try of this step this is: 1 for the first. Tries that a shutdown or a crash cut short don't count. */
  readonly attempt: number
  /**
   * The same in all tries of this step, also after a crash. Different for every other step of any task, also for the
   * next round of a loop.
   */
  readonly idempotencyKey: string
}>()("effect-pg-task/Step/Context") {}

/**
 * Options of {@link make}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<State extends StateSchema, Next extends ReadonlyArray<StateSchema>, Handled, Retry>
  extends TransitionOptions<Next, [state: State["Type"]], Handled, Retry>
{}

/**
 * What a step may do with its state, or a waiting state with one of the things that it waits for: see {@link wait}.
 * `Args` are the arguments of the handler.
 *
 * @category options
 * @since 0.1.0
 */
export interface TransitionOptions<
  Next extends ReadonlyArray<StateSchema>,
  Args extends ReadonlyArray<unknown>,
  Handled,
  Retry
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
  readonly transactional?: boolean | undefined
  /** Does the work, and says where the task goes from here. */
  readonly handler: (...args: Args) => Handled
}

/**
 * Makes a step. The types of everything are inferred.
 *
 * Throws a `TaskDefinitionError` (a compile error in TypeScript, where it can be) when the state's schema has no
 * literal `_tag`, when `retryLimit` is no whole number of 0 or more, or when both `retry` and `retryLimit` or
 * `retryDelay` are given.
 *
 * @example
 * ```ts
 * import { Effect, FileSystem, Schema } from "effect"
 * import { NextStep, Step } from "effect-pg-task"
 *
 * class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * export const readName = Step.make(ReadName, {
 *   next: [SayHello],
 *   retryLimit: 5,
 *   handler: Effect.fnUntraced(function*({ filename }) {
 *     const fs = yield* FileSystem.FileSystem
 *     return NextStep.now(new SayHello({ name: yield* fs.readFileString(filename) }))
 *   })
 * })
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  State extends StateSchema,
  const Next extends ReadonlyArray<StateSchema> = readonly [],
  // After another mistake TypeScript infers nothing about the handler: then there is nothing to check.
  Handled extends AnyEffect = any,
  Retry = undefined
>(
  state: State,
  options: Options<State, Next, Handled, Retry> & CheckHandler<"step", Next, Handled>
): Step<
  State,
  Next[number],
  Effect.Error<Handled> | CommitError<Effect.Success<Handled>>,
  Effect.Services<Handled> | CommitServices<Effect.Success<Handled>>
> => makeStep(state, options as never) as never

/**
 * One thing that a waiting state waits for, and what happens then. `Tag` is the signal's tag, or `$timeout`.
 *
 * @category models
 * @since 0.1.0
 */
export interface On<out Tag extends string, out Signal extends StateSchema, out Next extends StateSchema, out E, out R> {
  readonly [OnTypeId]: {
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
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyOn {
  readonly [OnTypeId]: {
    readonly _E: (_: never) => unknown
    readonly _R: (_: never) => unknown
  }
  readonly tag: string
  readonly signal: StateSchema | undefined
  readonly next: ReadonlyArray<StateSchema>
}

/**
 * The step of a waiting state: see {@link wait}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wait<in out State extends StateSchema, out Ons extends AnyOn>
  extends Step<State, OnNext<Ons>, OnError<Ons>, OnServices<Ons>>
{
  /** What the state waits for. */
  readonly on: ReadonlyArray<Ons>
}

type OnError<O> = O extends { readonly [OnTypeId]: { readonly _E: (_: never) => infer E } } ? E : never
type OnServices<O> = O extends { readonly [OnTypeId]: { readonly _R: (_: never) => infer R } } ? R : never
type OnNext<O> = O extends { readonly next: ReadonlyArray<infer N extends StateSchema> } ? N : never

type DecodingServices<S> = S extends { readonly DecodingServices: infer R } ? R : never
type SchemaTag<S> = S extends { readonly Type: { readonly _tag: infer T extends string } } ? T : never

/**
 * Says what happens when a signal comes (`on(Signal, options)`), or when none has come in time (`on.timeout`). The
 * options are those of {@link make}: each of them has its own retries.
 *
 * @category models
 * @since 0.1.0
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
}

/** Compile errors that name what is wrong with a wait, each at its place, or `unknown`. */
type CheckOns<Ons extends ReadonlyArray<AnyOn>> = Ons extends readonly [] ? "this state waits for nothing"
  : [Duplicates<Ons, "tag">] extends [never] ? unknown
  : { readonly [I in keyof Ons]: OnTwice<Ons[I]["tag"] & Duplicates<Ons, "tag">> }

type OnTwice<T extends string> = [T] extends [never] ? unknown
  : T extends "$timeout" ? "two timeouts in one state"
  : `two handlers for the signal "${T}"`

/**
 * Makes the step of a state that waits: for signals, for a time, or for what comes first. While it waits, its row is at
 * rest, and no worker looks at it.
 *
 * Signals come from `Order.signal(id, …)`, from SQL (`pg_task_signal`), or from the command line. They are kept in the
 * row. One that comes early waits until its state is reached. The signals that a state waits for are taken in the order
 * in which they were committed, one for each time that the task is in the state. A signal leaves the row in the same
 * write as the task's move: while its handler is retried it stays, and each try sees the same one.
 *
 * Throws a `TaskDefinitionError` (a compile error in TypeScript, where it can be) when there is nothing to wait for,
 * when two handlers are for one signal, and for what {@link make} throws.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step } from "effect-pg-task"
 *
 * class AwaitApproval extends Schema.TaggedClass<AwaitApproval>()("AwaitApproval", { order: Schema.String }) {}
 * class Pack extends Schema.TaggedClass<Pack>()("Pack", { order: Schema.String, by: Schema.String }) {}
 * class Approved extends Schema.TaggedClass<Approved>()("Approved", { by: Schema.String }) {}
 *
 * export const awaitApproval = Step.wait(AwaitApproval, (on) => [
 *   on(Approved, {
 *     next: [Pack],
 *     handler: ({ order }, { by }) => Effect.succeed(NextStep.now(new Pack({ order, by })))
 *   }),
 *   on.timeout("3 days", {
 *     handler: ({ order }) => Effect.as(Effect.log(`nobody approved ${order}`), NextStep.none)
 *   })
 * ])
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const wait = <State extends StateSchema, const Ons extends ReadonlyArray<AnyOn>>(
  state: State,
  build: (on: WaitBuilder<State>) => Ons & CheckOns<Ons>
): Wait<State, Ons[number]> => makeWait(state, build as never) as never

/**
 * Tells whether a value is a {@link Step}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStep = (u: unknown): u is Any => hasProperty(u, TypeId)
