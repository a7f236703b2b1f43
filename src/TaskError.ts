/**
 * Every typed error of the library. Each `message` names what is wrong and what to do about it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"

/**
 * A task, step or worker is defined in a way that can't work. Thrown by `Step.make` and `Task.make`, where
 * TypeScript reports the same at compile time, and a failure of `Worker.layer` and `Worker.run`.
 *
 * @category errors
 * @since 0.1.0
 */
export class DefinitionError extends Schema.TaggedError<DefinitionError>("effect-pg-task/DefinitionError")(
  "DefinitionError",
  { message: Schema.String }
) {}

/**
 * The state given to `enqueue` and its kin can't be encoded by its schema, or belongs to no step of the task.
 * Nothing was stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidStateError extends Schema.TaggedError<InvalidStateError>("effect-pg-task/InvalidStateError")(
  "InvalidStateError",
  {
    /** The task's name. */
    task: Schema.String,
    /** The `_tag` of the state. */
    state: Schema.String,
    message: Schema.String
  }
) {}

/**
 * The database is reachable, but `pg_task` can't be used: the table (or a column of it) is missing, or this role
 * may not use it.
 *
 * @category errors
 * @since 0.1.0
 */
export class TableError extends Schema.TaggedError<TableError>("effect-pg-task/TableError")("TableError", {
  reason: Schema.Literals(["Missing", "Outdated", "PermissionDenied", "LoginRefused"]),
  message: Schema.String,
  cause: Schema.Defect()
}) {}

/**
 * What `enqueue`, `delay`, `schedule` and `enqueueAll` fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type EnqueueError = InvalidStateError | TableError | SqlError

/**
 * What `Worker.layer` and `Worker.run` fail with when they start. A database that can't be reached is not among it:
 * the worker waits for it.
 *
 * @category errors
 * @since 0.1.0
 */
export type WorkerError = DefinitionError | TableError | SqlError
