/**
 * The error of the testing kit, in a file of its own because the parts below `internal` raise it too.
 */
import * as Schema from "effect/Schema"

/**
 * A test can't go on: its tasks take more steps than `maxSteps`, or a step went on after a failed statement, which no
 * transaction allows. The message says what to do about it.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskTestError extends Schema.TaggedError<TaskTestError>("effect-pg-task/TaskTestError")("TaskTestError", {
  reason: Schema.Literals(["TooManySteps", "TransactionAborted"]),
  message: Schema.String
}) {}
