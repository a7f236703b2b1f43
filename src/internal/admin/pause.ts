/** Pausing tasks and limits. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskTableError } from "../../TaskError.ts"
import { toTableError } from "../sql/errors.ts"
import * as Statements from "../sql/pauses.ts"
import { hasUsedKey, isKeyUsed, isTaskUsed } from "../sql/usedNames.ts"
import { nameOf, pauseLimit, resumeLimit } from "./limits.ts"

/** `Admin.PauseTarget`. */
type Target = { readonly task: string } | {
  readonly limit: string | { readonly name: string }
  readonly key?: string | undefined
}

type Changed<A> = Effect.Effect<A, TaskTableError | SqlError, SqlClient.SqlClient>

const withSql = <A>(statement: (sql: SqlClient.SqlClient) => Effect.Effect<A, SqlError>): Changed<A> =>
  Effect.flatMap(SqlClient.SqlClient, statement).pipe(Effect.catchTag("SqlError", toTableError))

export const pauseTarget = (target: Target): Changed<void> =>
  "task" in target ? withSql((sql) => Statements.pauseTask(sql, target.task)) : pauseLimit(target)

export const resumeTarget = (target: Target): Changed<boolean> =>
  "task" in target ? withSql((sql) => Statements.resumeTask(sql, target.task)) : resumeLimit(target)

/** Whether a task or a limit has this name. */
export const isTargetUsed = (target: Target): Changed<boolean> =>
  withSql((sql) => {
    if ("task" in target) return isTaskUsed(sql, target.task)
    const itself = isKeyUsed(sql, nameOf(target))
    if (target.key !== undefined) return itself
    return Effect.flatMap(itself, (isUsed) => isUsed ? Effect.succeed(true) : hasUsedKey(sql, nameOf(target)))
  })

/** `Admin.Pause`. */
export class Pause extends Schema.Class<Pause>("effect-pg-task/Admin/Pause")({
  /** The name of the task that is paused. Null if it is a limit. */
  task: Schema.NullOr(Schema.String),
  /** The name of the limit. Null if it is a task. */
  limit: Schema.NullOr(Schema.String),
  /** The key of the limit. Null if it is a task, or a limit with all its keys. */
  key: Schema.NullOr(Schema.String),
  /** How long ago it was paused. In milliseconds where it is encoded. */
  age: Schema.DurationFromMillis
}) {}

export const allPauses: Changed<ReadonlyArray<Pause>> = Effect.map(
  withSql(Statements.listPauses),
  (found) => found.map(({ age, ...pause }) => new Pause({ ...pause, age: Duration.millis(Math.max(age, 0)) }))
)
