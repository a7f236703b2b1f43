/**
 * Every typed error of the library. Each `message` names what is wrong and what to do about it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"

/**
 * A task, step or worker is defined in a way that can't work. `Step.make`, `Task.declare` and `Task.make` throw it;
 * TypeScript reports most of these mistakes at compile time. `Worker.make`, `Worker.layer` and `Worker.run` fail with
 * it.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskDefinitionError extends Schema.TaggedError<TaskDefinitionError>("effect-pg-task/TaskDefinitionError")(
  "TaskDefinitionError",
  { message: Schema.String }
) {}

/**
 * The state given to `enqueue`, `delay`, `schedule` or `enqueueAll` can't be encoded by its schema, is not one of the
 * task's states, or is not one in which the task may begin. Nothing was stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskInvalidStateError
  extends Schema.TaggedError<TaskInvalidStateError>("effect-pg-task/TaskInvalidStateError")(
    "TaskInvalidStateError",
    {
      /** The task's name. */
      task: Schema.String,
      /** The `_tag` of the state. */
      state: Schema.String,
      message: Schema.String
    }
  )
{}

/**
 * The signal given to `signal`, `signalByKey` or `signalOrEnqueue` can't be encoded by its schema, or no state of the
 * task waits for such a signal. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskInvalidSignalError
  extends Schema.TaggedError<TaskInvalidSignalError>("effect-pg-task/TaskInvalidSignalError")(
    "TaskInvalidSignalError",
    {
      /** The task's name. */
      task: Schema.String,
      /** The `_tag` of the signal. */
      signal: Schema.String,
      message: Schema.String
    }
  )
{}

/**
 * The task has more signals that it has not taken yet than a row may hold: 1,000, or 1 MB. This one was not sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskInboxFullError
  extends Schema.TaggedError<TaskInboxFullError>("effect-pg-task/TaskInboxFullError")("TaskInboxFullError", {
    id: Schema.String,
    message: Schema.String
  })
{}

/**
 * The options given to `enqueue` or one of its short forms make no sense: both `delay` and `at`, or something that is
 * no duration or no `DateTime`. TypeScript reports the same at compile time. Nothing was stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskOptionsError
  extends Schema.TaggedError<TaskOptionsError>("effect-pg-task/TaskOptionsError")("TaskOptionsError", {
    /** The task's name. */
    task: Schema.String,
    message: Schema.String
  })
{}

/**
 * Another row of the task has the key that was given with `onConflict: "fail"`. Nothing was stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskKeyTakenError
  extends Schema.TaggedError<TaskKeyTakenError>("effect-pg-task/TaskKeyTakenError")("TaskKeyTakenError", {
    /** The task's name. */
    task: Schema.String,
    key: Schema.String,
    /** The id of the row that has the key. Null if it is one of the same `enqueueAll`. */
    id: Schema.NullOr(Schema.String),
    message: Schema.String
  })
{}

/**
 * The database is reachable, but `pg_task` can't be used.
 *
 * - `Missing`: there is no such table where the connection's `search_path` leads.
 * - `Outdated`: it lacks a column. Run the migrations.
 * - `PermissionDenied`: this role may not use it.
 * - `LoginRefused`: the server doesn't let this role in, or has no such database.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskTableError
  extends Schema.TaggedError<TaskTableError>("effect-pg-task/TaskTableError")("TaskTableError", {
    reason: Schema.Literals(["Missing", "Outdated", "PermissionDenied", "LoginRefused"]),
    message: Schema.String,
    cause: Schema.Defect()
  })
{}

/**
 * Not the id of a task: no UUID, or a beginning that more than one id has. Nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskIdError extends Schema.TaggedError<TaskIdError>("effect-pg-task/TaskIdError")("TaskIdError", {
  /** As it was given. */
  id: Schema.String,
  message: Schema.String
}) {}

/**
 * There is no task with this id (any more): it has finished, or was cancelled. If it ended in a final state, its time as
 * a result is over.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskNotFoundError extends Schema.TaggedError<TaskNotFoundError>("effect-pg-task/TaskNotFoundError")(
  "TaskNotFoundError",
  { id: Schema.String, message: Schema.String }
) {}

/**
 * Somebody waits for the result of a task, and it is parked: it has failed for good, and goes on only if somebody
 * retries it.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskParkedError extends Schema.TaggedError<TaskParkedError>("effect-pg-task/TaskParkedError")(
  "TaskParkedError",
  {
    id: Schema.String,
    /** The task's name. */
    task: Schema.String,
    /** Why it is parked: the text that its row holds. */
    error: Schema.String,
    message: Schema.String
  }
) {}

/**
 * `execute` or `await` was called within a transaction. There it would wait for itself: no worker sees the task before
 * the transaction is committed. Nothing was stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskTransactionError
  extends Schema.TaggedError<TaskTransactionError>("effect-pg-task/TaskTransactionError")("TaskTransactionError", {
    /** The task's name. */
    task: Schema.String,
    message: Schema.String
  })
{}

/**
 * A state waits for its children, and one of them is gone: it was cancelled, or ended with `NextStep.none`. The step
 * fails with it. To go on all the same, wait with `on.settled`.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskChildGoneError
  extends Schema.TaggedError<TaskChildGoneError>("effect-pg-task/TaskChildGoneError")("TaskChildGoneError", {
    /** The id of the child. */
    id: Schema.String,
    /** The name of its task. */
    task: Schema.String,
    message: Schema.String
  })
{}

/**
 * A filter without any criterion, which would select every task. Nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskFilterError
  extends Schema.TaggedError<TaskFilterError>("effect-pg-task/TaskFilterError")("TaskFilterError", {
    message: Schema.String
  })
{}

/**
 * The task's state can't be replaced now. Nothing was changed.
 *
 * - `Running`: a worker runs it; its outcome would overwrite the new state.
 * - `Changed`: it has moved on since it was read.
 * - `OtherTask`: it is a task of another name.
 * - `Ended`: it has ended, and its state is its result.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskEditError extends Schema.TaggedError<TaskEditError>("effect-pg-task/TaskEditError")("TaskEditError", {
  reason: Schema.Literals(["Running", "Changed", "OtherTask", "Ended"]),
  id: Schema.String,
  message: Schema.String
}) {}

/**
 * Not a number of tasks that a limit can have: it is a whole number of 1 to 10,000. Nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskLimitError
  extends Schema.TaggedError<TaskLimitError>("effect-pg-task/TaskLimitError")("TaskLimitError", {
    /** The limit's name. */
    limit: Schema.String,
    message: Schema.String
  })
{}

/**
 * The workers were told to stop, but some steps were still running after the timeout.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskStopTimeoutError
  extends Schema.TaggedError<TaskStopTimeoutError>("effect-pg-task/TaskStopTimeoutError")(
    "TaskStopTimeoutError",
    {
      /** How many. */
      running: Schema.Number,
      message: Schema.String
    }
  )
{}

/**
 * What `enqueue`, `delay`, `schedule` and `enqueueAll` fail with. With a key and `onConflict: "fail"`, also with
 * {@link TaskKeyTakenError}.
 *
 * @category errors
 * @since 0.1.0
 */
export type EnqueueError = TaskInvalidStateError | TaskOptionsError | TaskTableError | SqlError

/**
 * What `signal` fails with.
 *
 * @category errors
 * @since 0.1.0
 */
export type SignalError =
  | TaskInvalidSignalError
  | TaskNotFoundError
  | TaskInboxFullError
  | TaskOptionsError
  | TaskTableError
  | SqlError

/**
 * What `peek` fails with. `TaskInvalidStateError`: the task is one of another name, or its state doesn't fit its schema.
 *
 * @category errors
 * @since 0.1.0
 */
export type PeekError = TaskIdError | TaskNotFoundError | TaskInvalidStateError | TaskTableError | SqlError

/**
 * What `await` fails with.
 *
 * @category errors
 * @since 0.1.0
 */
export type AwaitError = PeekError | TaskParkedError | TaskTransactionError

/**
 * What `Admin.awaitEnd` fails with.
 *
 * @category errors
 * @since 0.1.0
 */
export type AwaitEndError = Exclude<AwaitError, TaskInvalidStateError>

/**
 * What `execute` fails with.
 *
 * @category errors
 * @since 0.1.0
 */
export type ExecuteError = EnqueueError | AwaitError

/**
 * What `Worker.make`, `Worker.layer` and `Worker.run` fail with when they start. They don't fail if the database can't
 * be reached: the worker waits for it.
 *
 * @category errors
 * @since 0.1.0
 */
export type WorkerError = TaskDefinitionError | TaskTableError | SqlError
