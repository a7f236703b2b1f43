/**
 * Tasks in tests, without a worker in the background: {@link runAll} and {@link runStep} run what is due in the test's
 * own fiber, and return what happened. {@link enqueued} lists what is in the table. {@link rolledBack} rolls everything
 * back at the end of the test.
 *
 * Steps run as in a worker, by the same code: claimed, decoded, tried, stored.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Admin from "../Admin.ts"
import type * as Step from "../Step.ts"
import type * as Task from "../Task.ts"
import type { TaskDefinitionError, TaskInvalidStateError, TaskTableError } from "../TaskError.ts"
import type { TaskId } from "../TaskId.ts"
import type * as Worker from "../Worker.ts"
import * as Run from "../internal/taskTest/run.ts"
import { rowsOf } from "../internal/taskTest/rows.ts"
import { TaskTestError } from "../internal/taskTest/TaskTestError.ts"

export {
  /**
   * A test can't go on: its tasks take more steps than `maxSteps`, or a step went on after a failed statement, which
   * no transaction allows. The message says what to do about it.
   *
   * @category errors
   * @since 0.1.0
   */
  TaskTestError
}

// ---------------------------------------------------------------------------------------------------------------
// What happened
// ---------------------------------------------------------------------------------------------------------------

/**
 * What became of a step that ran. `Next` are the states that it may move to, `E` the errors it may fail with.
 *
 * | `_tag` | what happened |
 * | --- | --- |
 * | `Finished` | it returned `NextStep.none`: the task is done |
 * | `Ended` | it moved to the final state `next`: the task is done, and kept as a result |
 * | `Continued` | it returned `NextStep.now(next)` |
 * | `Waiting` | it moved to `next`, which waits; or nothing has happened that its state waits for, and it waits on |
 * | `Delayed` | it returned `NextStep.delay(next, delay)` |
 * | `Scheduled` | it returned `NextStep.at(next, at)` |
 * | `Retried` | it failed, and is to be tried again after `delay` |
 * | `Parked` | it failed for good: the task keeps its state and `error` |
 * | `Lost` | while it ran, its task was removed or taken by a worker: what it returned was not stored |
 *
 * `error` is the text that a parked row holds, `cause` the failure itself.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome<Next, E> =
  | { readonly _tag: "Finished" }
  | { readonly _tag: "Ended"; readonly next: Next }
  | { readonly _tag: "Continued"; readonly next: Next }
  | { readonly _tag: "Waiting"; readonly next: Next }
  | { readonly _tag: "Delayed"; readonly next: Next; readonly delay: Duration.Duration }
  | { readonly _tag: "Scheduled"; readonly next: Next; readonly at: DateTime.Utc }
  | {
    readonly _tag: "Retried"
    readonly error: string
    readonly cause: Cause.Cause<E>
    readonly delay: Duration.Duration
  }
  | { readonly _tag: "Parked"; readonly error: string; readonly cause: Cause.Cause<E> }
  | { readonly _tag: "Lost" }

/**
 * A row that could not be decoded: parked without having been tried.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rejected {
  readonly _tag: "Rejected"
  readonly id: TaskId
  /** The name and the `_tag` that the row gives, as far as it has them. */
  readonly task: string | null
  readonly step: string | null
  readonly error: string
}

/**
 * What happened in one step of task `Name`: the task's id, the state it was in, and the {@link Outcome}.
 *
 * @category models
 * @since 0.1.0
 */
export type StepResult<Name extends string, S extends Step.Any> = S extends Step.Any ?
    & {
      readonly id: TaskId
      readonly task: Name
      readonly step: S["tag"]
      readonly state: Step.State<S>
      /** Which try of this step it was: 1 for the first. */
      readonly attempt: number
    }
    // A transaction may fail by itself, and a state that doesn't fit its schema fails the step that returned it.
    & Outcome<S["next"][number]["Type"], Step.Error<S> | SqlError | TaskInvalidStateError>
  : never

/**
 * What happened in one step of a task `T`. `task` and `step` tell which: checking them narrows `state`, `next` and
 * `cause` to that step's.
 *
 * @category models
 * @since 0.1.0
 */
export type Result<T extends Task.Any> =
  | (T extends Task.Any ? StepResult<T["name"], T["steps"][number]> : never)
  | Rejected

// ---------------------------------------------------------------------------------------------------------------
// Running
// ---------------------------------------------------------------------------------------------------------------

/**
 * What to do about tasks that are due later, once nothing is due now.
 *
 * - `"skip"`: time passes at once. All tasks that are due later move towards now, by the time until the first of them is
 *   due, so their order stays. The timeouts of states that wait come in this way, too. (`Clock`, and so the handlers, don't see it.)
 * - `"wait"`: waits for as long as it really takes, by Postgres's clock.
 * - `"leave"`: leaves them as they are.
 *
 * @category options
 * @since 0.1.0
 */
export type DelayPolicy = "skip" | "wait" | "leave"

/**
 * Options of {@link runStep}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<Tasks extends ReadonlyArray<Task.Any>> extends Pick<Worker.Options<Tasks>, "tasks"> {
  /** What to do about tasks that were delayed or scheduled. Default `"skip"`. */
  readonly delays?: DelayPolicy | undefined
  /** What to do about tasks that failed and wait for their next try. Default: as `delays`. */
  readonly retries?: DelayPolicy | undefined
}

/**
 * Options of {@link runAll}.
 *
 * @category options
 * @since 0.1.0
 */
export interface RunAllOptions<Tasks extends ReadonlyArray<Task.Any>> extends Options<Tasks> {
  /** It gives up after this many steps, for tasks that never end. Default 1000. */
  readonly maxSteps?: number | undefined
}

/**
 * What {@link runAll} and {@link runStep} fail with. Steps that fail are results, not failures.
 *
 * @category errors
 * @since 0.1.0
 */
export type RunError = TaskDefinitionError | TaskTableError | TaskInvalidStateError | TaskTestError | SqlError

/**
 * Runs the step that is due first, and returns what happened; or `None` if nothing is due (any more).
 *
 * @example
 * ```ts
 * import { Console, Effect, Option, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 * import { TaskTest } from "effect-pg-task/testing"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const Greeter = Task.make("Greeter", [
 *   Step.make(SayHello, {
 *     handler: ({ name }) => Console.log(`Hello, ${name}`).pipe(Effect.as(NextStep.none))
 *   })
 * ])
 *
 * export const test = Effect.gen(function*() {
 *   const id = yield* Greeter.enqueue(new SayHello({ name: "Ada" }))
 *   const result = Option.getOrThrow(yield* TaskTest.runStep({ tasks: [Greeter] }))
 *   return result.id === id && result._tag === "Finished"
 * })
 * ```
 * @category running
 * @since 0.1.0
 */
export const runStep = <const Tasks extends ReadonlyArray<Task.Any>>(
  options: Options<Tasks>
): Effect.Effect<Option.Option<Result<Tasks[number]>>, RunError, SqlClient.SqlClient | Task.Services<Tasks[number]>> =>
  Effect.map(Run.runStep(options), Option.fromUndefinedOr) as never

/**
 * Runs all due tasks to their end, one after the other: by their priority, then in the order in which they became due.
 * Returns what happened in each step. Tasks that fail for good are parked, as in a worker; look for them in the results.
 *
 * Fails with a {@link TaskTestError} if the tasks don't end.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 * import { TaskTest } from "effect-pg-task/testing"
 *
 * class Ask extends Schema.TaggedClass<Ask>()("Ask", {}) {}
 * class Remind extends Schema.TaggedClass<Remind>()("Remind", {}) {}
 *
 * const Survey = Task.make("Survey", [
 *   Step.make(Ask, { next: [Remind], handler: () => Effect.succeed(NextStep.delay(new Remind(), "3 days")) }),
 *   Step.make(Remind, { handler: () => Effect.succeed(NextStep.none) })
 * ])
 *
 * export const test = Effect.gen(function*() {
 *   yield* Survey.enqueue(new Ask())
 *   const results = yield* TaskTest.runAll({ tasks: [Survey] })
 *   return results.map(({ _tag, step }) => [step, _tag]) // [["Ask", "Delayed"], ["Remind", "Finished"]]
 * })
 * ```
 * @category running
 * @since 0.1.0
 */
export const runAll = <const Tasks extends ReadonlyArray<Task.Any>>(
  options: RunAllOptions<Tasks>
): Effect.Effect<ReadonlyArray<Result<Tasks[number]>>, RunError, SqlClient.SqlClient | Task.Services<Tasks[number]>> =>
  Run.runAll(options, options.maxSteps ?? 1000) as never

// ---------------------------------------------------------------------------------------------------------------
// Looking
// ---------------------------------------------------------------------------------------------------------------

/**
 * A task that is still in the table.
 *
 * @category models
 * @since 0.1.0
 */
export interface Enqueued<State> {
  readonly id: TaskId
  /** The state it is in. */
  readonly state: State
  readonly status: Admin.Status
  /** How long until it is due, by Postgres's clock. Zero if it is. Exact within a transaction. */
  readonly dueIn: Duration.Duration
  /** How often this step has failed. */
  readonly tried: number
  /** Why it is parked, or null. */
  readonly error: string | null
}

/**
 * All rows of a task, whatever their status, in the order in which they were enqueued.
 *
 * Fails with a `TaskInvalidStateError` if a row can't be decoded.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 * import { TaskTest } from "effect-pg-task/testing"
 *
 * class Remind extends Schema.TaggedClass<Remind>()("Remind", { user: Schema.String }) {}
 *
 * const Reminder = Task.make("Reminder", [
 *   Step.make(Remind, { handler: () => Effect.succeed(NextStep.none) })
 * ])
 *
 * export const test = Effect.gen(function*() {
 *   yield* Reminder.delay(new Remind({ user: "ada" }), "3 days")
 *   const [row] = yield* TaskTest.enqueued(Reminder)
 *   return row?.state.user // "ada"
 * })
 * ```
 * @category looking
 * @since 0.1.0
 */
export const enqueued = <T extends Task.AnyDeclaration>(
  task: T
): Effect.Effect<
  ReadonlyArray<Enqueued<Task.State<T>>>,
  TaskInvalidStateError | TaskTableError | SqlError,
  SqlClient.SqlClient | T["states"][number]["DecodingServices"]
> =>
  Effect.flatMap(
    rowsOf(task.name),
    (rows) =>
      Effect.forEach(rows, ({ dueIn, error, id, raw, status, tried }) =>
        Effect.map(Admin.decode(task, raw), (state) => ({
          id: id as TaskId,
          state,
          status,
          dueIn: Duration.millis(dueIn),
          tried,
          error
        })))
  )

// ---------------------------------------------------------------------------------------------------------------
// Leaving nothing behind
// ---------------------------------------------------------------------------------------------------------------

/** Makes the transaction of a test roll back, and takes the test's exit out of it. */
class RolledBack extends Data.TaggedError("RolledBack")<{ readonly exit: Exit.Exit<unknown, unknown> }> {}

/**
 * Runs a test in a transaction that is always rolled back at its end: nothing that it did to the database stays, no
 * worker or other test ever sees it, and tests may run in parallel on one database.
 *
 * Postgres's `now()` stands still meanwhile. After a failed statement all others fail, unless it ran in a
 * `sql.withTransaction` of its own. Steps that fail in this way are undone, and reported like all others.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 * import { TaskTest } from "effect-pg-task/testing"
 *
 * class Ping extends Schema.TaggedClass<Ping>()("Ping", {}) {}
 *
 * const Pinger = Task.make("Pinger", [Step.make(Ping, { handler: () => Effect.succeed(NextStep.none) })])
 *
 * export const test = TaskTest.rolledBack(
 *   Effect.gen(function*() {
 *     yield* Pinger.enqueue(new Ping())
 *     return yield* TaskTest.runAll({ tasks: [Pinger] })
 *   })
 * )
 * ```
 * @category isolating
 * @since 0.1.0
 */
export const rolledBack = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError, R | SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const ending = Effect.flatMap(Effect.exit(effect), (exit) => Effect.fail(new RolledBack({ exit })))
    const exit = yield* Effect.flip(sql.withTransaction(ending))
    return exit instanceof RolledBack ? yield* exit.exit as Exit.Exit<A, E> : yield* Effect.fail(exit)
  })
