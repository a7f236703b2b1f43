/**
 * A step: a state, the states it may move to, what happens when it fails, and the handler that does the work.
 *
 * @since 0.1.0
 */
import * as EffectContext from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { makeFinal } from "./internal/definition/final.ts"
import {
  type AnyFormer,
  type CheckFinalFrom,
  type CheckFrom,
  type Former,
  type FormerServices,
  makeFormer
} from "./internal/definition/former.ts"
import type {
  AnyEffect,
  CheckCommit,
  CheckHandler,
  CommitError,
  CommitServices,
  EitherCommit
} from "./internal/definition/handlerChecks.ts"
import type {
  AnyOn,
  CheckOns,
  On,
  OnError,
  OnNext,
  OnServices,
  TransitionOptions,
  WaitBuilder
} from "./internal/definition/on.ts"
import { makeStep } from "./internal/definition/step.ts"
import type { StateSchema } from "./internal/definition/state.ts"
import { makeWait } from "./internal/definition/wait.ts"
import type { Keyed, Limit } from "./Limit.ts"
import type { Tagged } from "./NextStep.ts"
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

export type {
  /**
   * Any {@link On}, for constraints.
   *
   * @category models
   * @since 0.1.0
   */
  AnyOn,
  /**
   * One thing that a waiting state waits for, and what happens then. `Tag` is the signal's tag, or `$timeout`.
   *
   * @category models
   * @since 0.1.0
   */
  On,
  /**
   * What a step may do with its state, or a waiting state with one of the things that it waits for: see {@link wait}.
   * `Args` are the arguments of the handler.
   *
   * @category options
   * @since 0.1.0
   */
  TransitionOptions,
  /**
   * Says what happens when a signal comes (`on(Signal, options)`), or when none has come in time (`on.timeout`). The
   * options are those of {@link make}: each of them has its own retries.
   *
   * @category models
   * @since 0.1.0
   */
  WaitBuilder
}

export type {
  /**
   * Any former state, for constraints, or any one that needs no services but `R`.
   *
   * @category models
   * @since 0.1.0
   */
  AnyFormer,
  /**
   * A state that rows may still hold, and what becomes of it: see {@link former}. `To` is the state of the step, or a
   * younger former state of it. `R` are the services of the function that turns one into the other.
   *
   * @category models
   * @since 0.1.0
   */
  Former
}

/**
 * A step. `State` is the schema of its state, `Next` those of the states it may move to, `E` and `R` the errors and
 * services of its handler, `Formers` the former states that it takes over.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step<
  in out State extends StateSchema,
  out Next extends StateSchema,
  out E,
  out R,
  out Formers extends AnyFormer = never
> {
  readonly [TypeId]: {
    readonly _E: (_: never) => E
    readonly _R: (_: never) => R
  }
  /** The `_tag` of its state. */
  readonly tag: State["Type"]["_tag"]
  /** The schema of its state. */
  readonly state: State
  /** The schemas of the states it may move to. Empty if it moves to none. */
  readonly next: ReadonlyArray<Next>
  /** The former states that it takes over. */
  readonly from: ReadonlyArray<Formers>
  /** RETRY_LIMIT, or undefined when a `retry` schedule rules. */
  readonly retryLimit: number | undefined
  /** RETRY_DELAY, or undefined when a `retry` schedule rules. */
  readonly retryDelay: Duration.Duration | undefined
  /** Whether the handler runs in one transaction with the transition. */
  readonly transactional: boolean
  /** Whether its moves may be committed without waiting for the disk. */
  readonly asyncCommit: boolean
}

/**
 * A final state: a task that moves there has ended, and its row is kept for a while as the task's result.
 *
 * @category models
 * @since 0.1.0
 */
export interface Final<in out State extends StateSchema, out Formers extends AnyFormer = never>
  extends Step<State, never, never, never, Formers>
{
  readonly final: true
  /** For how long the row is kept. */
  readonly keep: Duration.Duration
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
  readonly from: ReadonlyArray<AnyFormer<R>>
  readonly retryLimit: number | undefined
  readonly retryDelay: Duration.Duration | undefined
  readonly transactional: boolean
  readonly asyncCommit: boolean
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
 * What a worker must provide to run a step: the services of its handler and of its former states, and those that its
 * schemas need to decode its state and to encode the next one. `Scope` and {@link Context} come from the worker.
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
export interface Options<
  State extends StateSchema,
  Next extends ReadonlyArray<StateSchema>,
  Handled,
  Retry,
  From extends ReadonlyArray<AnyFormer> = readonly [],
  AsyncCommit extends boolean | undefined = undefined
> extends
  TransitionOptions<Next, [state: State["Type"]], Handled, Retry, EitherCommit<AsyncCommit>>,
  FromOptions<From>
{
  /**
   * The commits of this step's moves don't wait for the disk: Postgres's asynchronous commit (`synchronous_commit =
   * off`). A chain of such steps is faster where commits are slow. The price: if the database server crashes, or fails
   * over, it may have forgotten the moves of its last fraction of a second, and these steps run again. A crash of the
   * worker makes no difference. Only for steps that may run twice without harm.
   *
   * A move to a state whose step does not have this option waits for the disk, and so do failures, whether they are
   * tried again or not. So no other step ever runs again because of it. Not together with `transactional` or `commit`.
   * Default false.
   */
  readonly asyncCommit?: AsyncCommit
  /**
   * How many tasks may be in this state at work at the same time, over all workers, and how many may start in a while:
   * see `Limit.make`. A task that comes into this state waits for its turn. Default: no limit.
   */
  readonly limit?: Limit | Keyed<State["Type"]> | undefined
}

/**
 * The option of steps that take over former states.
 *
 * @category options
 * @since 0.1.0
 */
export interface FromOptions<From extends ReadonlyArray<AnyFormer>> {
  /**
   * The former states that it takes over: those that rows may still hold, each made with {@link former}. They are
   * decoded with their own schemas, and become the state of this step. Default none.
   */
  readonly from?: From | undefined
}

/**
 * Makes a step. The types of everything are inferred.
 *
 * Throws a `TaskDefinitionError` (a compile error in TypeScript, where it can be) when the state's schema has no
 * literal `_tag`, when `retryLimit` is no whole number of 0 or more, when a former state doesn't become the state of the
 * step, or when options are given together that exclude each other: `retry` and `retryLimit` or `retryDelay`,
 * `transactional` and `asyncCommit`.
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
  Retry = undefined,
  const From extends ReadonlyArray<AnyFormer> = readonly [],
  AsyncCommit extends boolean | undefined = undefined
>(
  state: State,
  options:
    & Options<State, Next, Handled, Retry, From, AsyncCommit>
    & CheckHandler<"step", Next, Handled>
    & CheckFrom<State, From, Context>
    & CheckCommit<AsyncCommit, Handled>
): Step<
  State,
  Next[number],
  Effect.Error<Handled> | CommitError<Effect.Success<Handled>>,
  Effect.Services<Handled> | CommitServices<Effect.Success<Handled>> | FormerServices<From[number]>,
  From[number]
> => makeStep(state, options as never) as never

/**
 * Says what became of a state that rows may still hold: for the `from` of the step that takes it over. Use it when a
 * state was renamed, reshaped or merged into another. What the new schema can decode by itself (an added field with a
 * decoding default) needs none.
 *
 * `migrate` returns the state of the step, or a younger former state of the same step: then that one's function goes
 * on. It may return an Effect if it must look something up. The worker provides its services; `Step.Context` is not
 * there. It can't fail: a defect parks the task, untried.
 *
 * The row keeps its former state until the next transition writes another one, so `migrate` runs again with each retry.
 * `Admin.migrate` rewrites the rows that no worker holds.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step } from "effect-pg-task"
 *
 * // Two deploys ago, and one ago.
 * const Read = Schema.TaggedStruct("Read", { file: Schema.String })
 * const ReadFrom = Schema.TaggedStruct("ReadFrom", { path: Schema.String })
 *
 * class ReadIn extends Schema.TaggedClass<ReadIn>()("ReadIn", { dir: Schema.String, name: Schema.String }) {}
 *
 * export const readIn = Step.make(ReadIn, {
 *   from: [
 *     Step.former(ReadFrom, ({ path }) => new ReadIn({ dir: ".", name: path })),
 *     Step.former(Read, ({ file }) => ReadFrom.make({ path: file }))
 *   ],
 *   handler: ({ dir, name }) => Effect.as(Effect.log(dir, name), NextStep.none)
 * })
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const former: {
  <Old extends StateSchema, const To extends Tagged>(
    state: Old,
    migrate: (old: Old["Type"]) => To
  ): Former<Old, To, never>
  <Old extends StateSchema, const To extends Tagged, R>(
    state: Old,
    migrate: (old: Old["Type"]) => Effect.Effect<To, never, R>
  ): Former<Old, To, R>
} = makeFormer as never

/**
 * The step of a waiting state: see {@link wait}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wait<in out State extends StateSchema, out Ons extends AnyOn, out Formers extends AnyFormer = never>
  extends Step<State, OnNext<Ons>, OnError<Ons>, OnServices<Ons> | FormerServices<Formers>, Formers>
{
  /** What the state waits for. */
  readonly on: ReadonlyArray<Ons>
}

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
export const wait = <
  State extends StateSchema,
  const Ons extends ReadonlyArray<AnyOn>,
  const From extends ReadonlyArray<AnyFormer> = readonly []
>(
  state: State,
  build: (on: WaitBuilder<State>) => Ons & CheckOns<Ons>,
  options?: FromOptions<From> & CheckFrom<State, From, Context>
): Wait<State, Ons[number], From[number]> => makeWait(state, build as never, options as never) as never

/**
 * Options of {@link final}.
 *
 * @category options
 * @since 0.1.0
 */
export interface FinalOptions<From extends ReadonlyArray<AnyFormer> = readonly []> extends FromOptions<From> {
  /**
   * For how long the row is kept after the task has ended, by Postgres's clock. Then it counts as gone, and workers
   * delete it. Default 1 hour. With an infinite duration it stays until somebody cancels it.
   */
  readonly keep?: Duration.Input | undefined
}

/**
 * Makes a final state of a task. A step moves there as to any other state, and then the task has ended: nothing runs
 * any more, and the row is kept for a while as its result. `Task.execute`, `Task.await` and `Task.peek` read it.
 * `NextStep.none` ends a task, too, but deletes its row at once.
 *
 * No task begins in a final state. A row that somebody inserts in a final state by SQL, or that moves there with a delay,
 * ends when a worker claims it.
 *
 * With `from` it takes over former final states: results that are still kept are read as it. Their functions must not
 * need services. A process that knows only the declaration of a task can't read them: `Deploy.migrate` rewrites them.
 *
 * Throws a `TaskDefinitionError` when the state's schema has no literal `_tag`, when `keep` is no duration of 0 or more,
 * or for former states as {@link make} does.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 *
 * class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number, b: Schema.Number }) {}
 * class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}
 *
 * export const Adder = Task.make("Adder", [
 *   Step.make(Add, { next: [Sum], handler: ({ a, b }) => Effect.succeed(NextStep.now(new Sum({ sum: a + b }))) }),
 *   Step.final(Sum, { keep: "7 days" })
 * ])
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const final = <State extends StateSchema, const From extends ReadonlyArray<AnyFormer> = readonly []>(
  state: State,
  options?: FinalOptions<From> & CheckFinalFrom<State, From, Context>
): Final<State, From[number]> => makeFinal(state, options as never) as never

export type {
  /**
   * Compile errors that name what is wrong with what a state waits for, each at its place, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  CheckOns,
  /**
   * Any effect, for constraints.
   *
   * @category utility types
   * @since 0.1.0
   */
  AnyEffect,
  /**
   * Compile errors for a `commit` in the wrong place, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  CheckCommit,
  /**
   * Compile errors that name what is wrong with the former states of a final state, each at its place, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  CheckFinalFrom,
  /**
   * Compile errors that name what is wrong with the former states of a step, each at its place, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  CheckFrom,
  /**
   * Compile errors that name what is wrong with a handler, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  CheckHandler,
  /**
   * The errors of the `commit` that a handler returns.
   *
   * @category utility types
   * @since 0.1.0
   */
  CommitError,
  /**
   * The services of the `commit` that a handler returns.
   *
   * @category utility types
   * @since 0.1.0
   */
  CommitServices,
  /**
   * The services that former states need at the worker.
   *
   * @category utility types
   * @since 0.1.0
   */
  FormerServices
}

/**
 * Tells whether a value is a {@link Step}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStep = (u: unknown): u is Any => hasProperty(u, TypeId)
