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
import { makeTask } from "./internal/taskDefinition.ts"
import type { StateSchema } from "./internal/types.ts"
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
 * part of that transaction. A state that its schema can't encode fails with `InvalidStateError`, a missing table with
 * `TableError`; then nothing was stored.
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
  readonly enqueue: <const S extends State<Steps>>(state: S) => Enqueue<TaskId, Steps, S>
  /** Stores a task that becomes due `duration` from now, by Postgres's clock: in a transaction, from its beginning. */
  readonly delay: <const S extends State<Steps>>(state: S, duration: Duration.Input) => Enqueue<TaskId, Steps, S>
  /** Stores a task that becomes due at `dateTime`. A moment in the past is due at once. */
  readonly schedule: <const S extends State<Steps>>(
    state: S,
    dateTime: DateTime.DateTime
  ) => Enqueue<TaskId, Steps, S>
  /** Stores many tasks with one statement, all of them or none, and returns their ids in the order of `states`. */
  readonly enqueueAll: <const S extends State<Steps>>(
    states: Iterable<S>
  ) => Enqueue<ReadonlyArray<TaskId>, Steps, S>
}

/**
 * Any task, for constraints.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly [TypeId]: TypeId
  readonly name: string
  readonly steps: ReadonlyArray<Step.Any>
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
 * @category utility types
 * @since 0.1.0
 */
export type State<Steps> = Step.State<Steps>

/**
 * The services that a worker needs to run a task.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Services<T> = T extends { readonly steps: ReadonlyArray<infer S> } ? Step.Services<S> : never

/** The services that the schema of state `S` needs to encode it. */
type EncodingServices<Steps, S> = Steps extends { readonly state: infer St extends StateSchema }
  ? S extends St["Type"] ? St["EncodingServices"] : never
  : never

type Tag<S> = S extends { readonly tag: infer T extends string } ? T : never

type NextTag<S> = S extends { readonly next: ReadonlyArray<infer N> }
  ? N extends { readonly Type: { readonly _tag: infer T extends string } } ? T : never
  : never

/** The tags of the steps that name `Tag` as a successor. */
type StepsTo<S, To> = S extends Step.Any ? To extends NextTag<S> ? Tag<S> : never : never

/** The first tag that two steps share, where tags are known. */
type Duplicate<Steps extends ReadonlyArray<Step.Any>, Seen = never> = Steps extends
  readonly [infer H extends Step.Any, ...infer T extends ReadonlyArray<Step.Any>]
  ? string extends Tag<H> ? Duplicate<T, Seen> : Tag<H> extends Seen ? Tag<H> : Duplicate<T, Seen | Tag<H>>
  : never

/** What is wrong with successors whose tag a step has, but not as its state is. */
type Differing<S, States> = S extends { readonly next: ReadonlyArray<infer N> }
  ? N extends { readonly Type: infer T extends { readonly _tag: string } } ? T extends States ? never
    : `step "${Tag<S>}" moves to a "${T["_tag"]}" that differs from the state of this task's step "${T["_tag"]}"`
  : never
  : never

/** A compile error that names what is wrong with the steps of a task, or `unknown`. */
type CheckSteps<Steps extends ReadonlyArray<Step.Any>> = Steps extends readonly [] ? "a task needs at least one step"
  : [Duplicate<Steps>] extends [never]
    ? Exclude<NextTag<Steps[number]>, Tag<Steps[number]>> extends infer Missing extends string
      ? [Missing] extends [never] ? CheckStates<Steps[number]>
      : `step "${StepsTo<Steps[number], Missing>}" moves to "${Missing}", but no step of this task has that state`
    : never
  : `two steps of this task have the state "${Duplicate<Steps>}"`

type CheckStates<S> = [Differing<S, State<S>>] extends [never] ? unknown : Differing<S, State<S>>

/**
 * Makes a task of its steps. Keep `name` and the states' tags: rows in the database carry them.
 *
 * Compile errors (and, for callers in plain JavaScript, a thrown `DefinitionError`): a step's `next` names a state
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

export {
  /**
   * The machine as a Graphviz graph: see {@link Diagram.toDot}.
   *
   * @category drawing
   * @since 0.1.0
   */
  toDot,
  /**
   * The machine as a Mermaid state diagram: see {@link Diagram.toMermaid}.
   *
   * @category drawing
   * @since 0.1.0
   */
  toMermaid
} from "./Diagram.ts"
