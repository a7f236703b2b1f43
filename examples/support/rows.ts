/**
 * The rows of an example's task, looked at from outside, as anyone who knows SQL could.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** What an example wants to know of a row. */
export interface Row {
  readonly id: string
  readonly tried: number
  readonly error: string | null
}

/** The rows of a task, oldest first. */
export const rowsOf = (task: string): Effect.Effect<ReadonlyArray<Row>, SqlError, SqlClient> =>
  Effect.flatMap(
    SqlClient,
    (sql) => sql<Row>`select id, tried, error from pg_task where task = ${task} order by created_at`
  )

/** Calls `look` with the rows of a task again and again, until it says that it has seen enough. */
export const watch = <E, R>(
  task: string,
  look: (rows: ReadonlyArray<Row>) => Effect.Effect<boolean, E, R>
): Effect.Effect<void, SqlError | E, SqlClient | R> =>
  rowsOf(task).pipe(
    Effect.flatMap(look),
    Effect.repeat({ until: (enough) => enough, schedule: Schedule.spaced("100 millis") }),
    Effect.asVoid
  )

/** Waits until a task has no row left. */
export const untilDone = (task: string): Effect.Effect<void, SqlError, SqlClient> =>
  watch(task, (rows) => Effect.succeed(rows.length === 0))
