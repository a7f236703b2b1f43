/**
 * A task: a named finite-state machine, the union of its steps' states. One row of `pg_task` is one task.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type { SqlClient } from "effect/sql/SqlClient"
import { makeTask } from "./internal/definition/task.ts"
import type { Duplicates, StateSchema } from "./internal/definition/state.ts"
import type * as Step from "./Step.ts"
import type { EnqueueError } from "./TaskError.ts"
import type { TaskId } from "./TaskId.ts"

/**
 * The type id of every `Task`.
 *
 * @category type ids
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-pg-task/Task"

/**
 * The type of {@link TypeId}.
 *
 * @category type ids
 * @since 0.1.0
 */
export type TypeId = "~effect-pg-task/Task"

/**
 * A task with the given name, whose steps are `Steps`.
 *
 * Every method stores with one statement, through the `SqlClient` of its context: inside `sql.withTransaction` it is
 * part of that transaction. A state that its schema can't encode fails with `TaskInvalidStateError`, a missing table with
 * `TaskTableError`; then nothing was stored.
 *
 * @category models
 * @since 0.1.0
 */
export interface Task<in out Name extends string, out Steps extends Step.Any> {
  readonly [TypeId]: TypeId
  /** The name, stored with every row of this task. */
  readonly name: Name
  /** The steps. */
  readonly steps: ReadonlyArray<Steps>
  /** Stores a task that is due at once, and returns its id. */
  readonly enqueue: <const S extends Step.State<Steps>>(
    state: S
  ) => Effect.Effect<TaskId, EnqueueError, SqlClient | EncodingServices<Steps, S>>
  /** Stores a task that becomes due `duration` from now, by Postgres's clock: in a transaction, from its beginning. */
  readonly delay: <const S extends Step.State<Steps>>(
    state: S,
    duration: Duration.Input
  ) => Effect.Effect<TaskId, EnqueueError, SqlClient | EncodingServices<Steps, S>>
  /** Stores a task that becomes due at `dateTime`. A moment in the past is due at once. */
  readonly schedule: <const S extends Step.State<Steps>>(
    state: S,
    dateTime: DateTime.DateTime
  ) => Effect.Effect<TaskId, EnqueueError, SqlClient | EncodingServices<Steps, S>>
  /** Stores many tasks with one statement, all of them or none, and returns their ids in the order of `states`. */
  readonly enqueueAll: <const S extends Step.State<Steps>>(
    states: Iterable<S>
  ) => Effect.Effect<ReadonlyArray<TaskId>, EnqueueError, SqlClient | EncodingServices<Steps, S>>
}

/**
 * Any task, for constraints. Of an `Array<Task.Any>` nobody knows which services it needs: to make a worker of it, say
 * which ones it may need, as in `Array<Task.Any<Mailer | Files>>`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any<out R = unknown> {
  readonly [TypeId]: TypeId
  readonly name: string
  readonly steps: ReadonlyArray<Step.Any<R>>
}

/**
 * What `enqueue` and its kin return.
 *
 * @category models
 * @since 0.1.0
 */
export type Enqueue<A, Steps, S> = Effect.Effect<A, EnqueueError, SqlClient | EncodingServices<Steps, S>>

/**
 * The union of a task's states.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const Greeter = Task.make("Greeter", [
 *   Step.make(SayHello, { handler: () => Effect.succeed(NextStep.none) })
 * ])
 *
 * export const first: Task.State<typeof Greeter> = new SayHello({ name: "Ada" })
 * ```
 * @category utility types
 * @since 0.1.0
 */
export type State<T extends Any> = Step.State<T["steps"][number]>

/**
 * The services that a worker needs to run a task.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Services<T> = T extends { readonly steps: ReadonlyArray<infer S> } ? Step.Services<S> : never

export type {
  /**
   * The values of `Key` that two elements of a tuple share, where they are known when it is compiled.
   *
   * @category utility types
   * @since 0.1.0
   */
  Duplicates
}

/** The services that the schemas of states with a tag of `S` need to encode them. */
type EncodingServices<Steps, S> = Steps extends { readonly state: infer St extends StateSchema }
  ? S extends { readonly _tag: infer T } ? [T & St["Type"]["_tag"]] extends [never] ? never : St["EncodingServices"]
  : never
  : never

type Tag<S> = S extends { readonly tag: infer T extends string } ? T : never

type SchemaTag<S> = S extends { readonly Type: { readonly _tag: infer T extends string } } ? T : never

type Nexts<S> = S extends { readonly next: ReadonlyArray<infer N> } ? N : never

/** Makes schemas comparable in both directions: a field that only one of them has would be lost. */
type Exact<S> = S extends unknown ? { readonly schema: (_: S) => S } : never

/** The tags of those of `Schemas` that are not among `States`. */
type Unlisted<Schemas, States> = Exclude<Exact<Schemas>, Exact<States>> extends infer W
  ? W extends { readonly schema: (_: never) => infer S } ? SchemaTag<S> : never
  : never

/** Compile errors that name what is wrong with the steps of a task, each at its step, or `unknown`. */
type CheckSteps<Steps extends ReadonlyArray<Step.Any>> = Steps extends readonly [] ? "a task needs at least one step"
  : [Duplicates<Steps, "tag">] extends [never]
    ? [Unlisted<Nexts<Steps[number]>, Steps[number]["state"]>] extends [never] ? unknown
    : { readonly [I in keyof Steps]: CheckNext<Steps[I], Steps[number]> }
  : { readonly [I in keyof Steps]: Twice<Extract<Tag<Steps[I]>, Duplicates<Steps, "tag">>> }

type Twice<T extends string> = [T] extends [never] ? unknown : `two steps of this task have the state "${T}"`

type CheckNext<S, Steps extends Step.Any> = Unlisted<Nexts<S>, Steps["state"]> extends infer T extends string
  ? [T] extends [never] ? unknown : NextError<Tag<S>, Exclude<T, Tag<Steps>>, T>
  : never

type NextError<From extends string, Missing extends string, Differing extends string> = [Missing] extends [never]
  ? `step "${From}" moves to a "${Differing}" that differs from the state of this task's step "${Differing}"`
  : `step "${From}" moves to "${Missing}", but no step of this task has that state`

/**
 * Makes a task of its steps. Keep `name` and the states' tags: rows in the database carry them.
 *
 * Compile errors (and, for callers in plain JavaScript, a thrown `TaskDefinitionError`): a step's `next` names a state
 * that no step has; two steps have one state's tag; there is no step. The name must not be empty, nor longer than
 * 200 characters.
 *
 * @example
 * ```ts
 * import { Console, Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const sayHello = Step.make(SayHello, {
 *   handler: ({ name }) => Console.log(`Hello, ${name}`).pipe(Effect.as(NextStep.none))
 * })
 *
 * export const Greeter = Task.make("Greeter", [sayHello])
 *
 * // Effect<TaskId, EnqueueError, SqlClient>
 * export const program = Greeter.enqueue(new SayHello({ name: "Fedor" }))
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Name extends string, const Steps extends ReadonlyArray<Step.Any>>(
  name: Name,
  steps: Steps & CheckSteps<Steps>
): Task<Name, Steps[number]> => makeTask(name, steps as never) as never

/**
 * Tells whether a value is a {@link Task}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTask = (u: unknown): u is Any => hasProperty(u, TypeId)
