/**
 * The identity of one task: the primary key of its row.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Schema from "effect/Schema"

/**
 * A task's id: the `id` of its row in `pg_task`, a UUID in lower case.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskId = string & Brand.Brand<"effect-pg-task/TaskId">

/**
 * The schema of a {@link TaskId}: fails for a string that isn't a UUID.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { TaskId } from "effect-pg-task"
 *
 * const id = Schema.decodeUnknownEffect(TaskId.TaskId)("018f4e1e-5d0c-7000-8000-000000000000")
 * ```
 * @category schemas
 * @since 0.1.0
 */
export const TaskId: Schema.Codec<TaskId, string> = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
).pipe(Schema.brand("effect-pg-task/TaskId"))
