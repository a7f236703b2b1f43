/**
 * A step: a state, the states it may move to, what happens when it fails, and the handler that does the work.
 *
 * @since 0.1.0
 */
import * as EffectContext from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import {
  type AnyFormer,
  type CheckFrom,
  type Former,
  type FormerServices,
  makeFormer
} from "./internal/definition/former.ts"
import { makeStep } from "./internal/definition/step.ts"
import type { StateSchema } from "./internal/definition/state.ts"
import type { NextStep, Tagged } from "./NextStep.ts"
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
   * Any former state, for constraints.
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
  /** The schemas of the states it may move to. Empty for a final step. */
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
  readonly from: ReadonlyArray<AnyFormer>
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
> {
  /** The states this step may move to. Default none: a final step. */
  readonly next?: Next | undefined
  /**
   * The former states that it takes over: those that rows may still hold, each made with {@link former}. They are
   * decoded with their own schemas, and become the state of this step. Default none.
   */
  readonly from?: From | undefined
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
   * enqueues too) and the task's move to the next step are committed together, or not at all. The step's scope
   * is closed in the transaction, too. Default false.
   */
  readonly transactional?: EitherCommit<AsyncCommit> | undefined
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
  /** Does the work, and says where the task goes from here. */
  readonly handler: (state: State["Type"]) => Handled
}

/** Any effect. {@link make} complains if it succeeds with anything but a `NextStep`. */
type AnyEffect = Effect.Effect<unknown, unknown, unknown>

type IsAny<A> = 0 extends 1 & A ? true : false

type AnyNextStep = NextStep<unknown, unknown, unknown>
type NextState<Out> = Out extends NextStep<infer S, infer _E, infer _R> ? S : never
type CommitError<Out> = Out extends NextStep<infer _S, infer E, infer _R> ? E : never
type CommitServices<Out> = Out extends NextStep<infer _S, infer _E, infer R> ? R : never

type Tag<S> = S extends { readonly _tag: infer T extends string } ? T : never

/** The type of an option that goes with a schedule's absence only. */
type EitherRetry<Retry, A> = [Retry] extends [undefined] ? A : "give either `retry`, or `retryLimit` and `retryDelay`"

/** The type of `transactional`. */
type EitherCommit<AsyncCommit> = true extends AsyncCommit
  ? false | "a transactional step always waits for the disk: give either `transactional` or `asyncCommit`"
  : boolean

/** A compile error for a `commit`, as far as its type shows that there is one; or `unknown`. */
type CheckCommit<AsyncCommit, Handled> = true extends AsyncCommit ? IsAny<Handled> extends true ? unknown
  : [CommitError<Effect.Success<Handled>> | CommitServices<Effect.Success<Handled>>] extends [never] ? unknown
  : { readonly handler: "a `commit` always waits for the disk: leave out `asyncCommit`" }
  : unknown

/** What errors are called in messages. */
type ErrorName<E> = E extends { readonly _tag: infer T extends string } ? T : "Error"

/** A compile error that names what is wrong with a schedule, or `unknown`. */
type CheckRetry<Retry, Handled> = IsAny<Handled> extends true ? unknown
  : Retry extends Schedule.Schedule<infer _O, infer Input, infer E, infer R>
    ? [E] extends [never]
      ? [R] extends [never] ? CheckInput<Input, Effect.Error<Handled> | CommitError<Effect.Success<Handled>>>
      : "this schedule needs services: provide them before"
    : `this schedule may fail with "${ErrorName<E>}": handle that before`
  : Schedule.Schedule<unknown, never>

type CheckInput<Input, E> = [E] extends [Input] ? unknown
  : `this schedule takes no "${ErrorName<Exclude<E, Input>>}", with which the handler may fail: widen its input`

/** A compile error that names what a handler returns and may not, or `unknown`. */
type CheckHandler<Next extends ReadonlyArray<StateSchema>, Handled> = IsAny<Handled> extends true ? unknown
  : CheckResult<Next, Effect.Success<Handled>>

type CheckResult<Next extends ReadonlyArray<StateSchema>, Out> = IsAny<Out> extends true
  ? { readonly handler: ResultError<never> }
  : [Out] extends [AnyNextStep] ? CheckMove<Next, NextState<Out>>
  : { readonly handler: ResultError<Tag<Exclude<Out, AnyNextStep>>> }

type CheckMove<Next extends ReadonlyArray<StateSchema>, To> = IsAny<To> extends true
  ? { readonly handler: "this handler moves to a state of type `any`" }
  : [To] extends [Next[number]["Type"]] ? unknown
  : { readonly handler: MoveError<Next, To, Exclude<Tag<To>, Next[number]["Type"]["_tag"]>> }

type MoveError<Next extends ReadonlyArray<StateSchema>, To, Undeclared extends string> = [Tag<To>] extends [never]
  ? "this handler moves to a state of unknown type"
  : Next extends readonly [] ? `this final step moves to "${Tag<To>}": add it to \`next\`, or return NextStep.none`
  : [Undeclared] extends [never] ? DifferenceOf<Exclude<To, Next[number]["Type"]>, Next[number]["Type"]>
  : `this step moves to "${Undeclared}", which is not in its \`next\``

/** Names the fields that differ, too. */
type DifferenceOf<To, States> = To extends { readonly _tag: infer T extends string }
  ? `this step moves to a "${T}" that differs from the state of that tag in \`next\`${FieldsOf<
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
    & CheckHandler<Next, Handled>
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
 * Tells whether a value is a {@link Step}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStep = (u: unknown): u is Any => hasProperty(u, TypeId)
