/** The testing kit's own statements: it looks at rows, and lets time pass for them. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { ready } from "./due.ts"
import { isAtDoor } from "./limitSchema.ts"
import { type AdminRow, columns } from "./row.ts"
import { query } from "./query.ts"

/** What to do about tasks that are due later: `TaskTest.DelayPolicy`. */
export type DelayPolicy = "skip" | "wait" | "leave"

/** The tasks for which time may pass, unless they are to be left. */
export interface Waiting {
  readonly tasks: ReadonlyArray<string>
  /** Tasks that failed, and wait for their next try. */
  readonly retries: DelayPolicy
  /** All others. */
  readonly delays: DelayPolicy
}

const isWaiting = `task = any($1::text[]) and ${ready}
  and wakeup_at > now() and wakeup_at < 'infinity' and case when tried > 0 then $2::boolean else $3::boolean end`

const params = ({ delays, retries, tasks }: Waiting) => [tasks, retries !== "leave", delays !== "leave"]

export interface NextWaiting {
  /** Whether it waits for its next try. */
  readonly retrying: boolean
  /** In milliseconds. */
  readonly wait: number
}

/** What is due next. */
export const nextWaiting = (
  sql: SqlClient,
  waiting: Waiting
): Effect.Effect<NextWaiting | undefined, SqlError> =>
  Effect.map(
    query<NextWaiting>(
      sql,
      `select tried > 0 as retrying, (extract(epoch from wakeup_at - now()) * 1000)::float8 as wait
from pg_task where ${isWaiting} order by wakeup_at limit 1`,
      params(waiting)
    ),
    (rows) => rows[0]
  )

/** Moves all waiting rows towards now, by the same time, so that the first of them is due. Their order stays. */
export const skipToNext = (sql: SqlClient, waiting: Waiting): Effect.Effect<void, SqlError> =>
  Effect.asVoid(query(
    sql,
    `with first as (select min(wakeup_at) - now() as gap from pg_task where ${isWaiting})
update pg_task set wakeup_at = wakeup_at - first.gap, wait_until = wait_until - first.gap from first where ${isWaiting}`,
    params(waiting)
  ))

export const sleep = (sql: SqlClient, millis: number): Effect.Effect<void, SqlError> =>
  Effect.asVoid(query(sql, "select pg_sleep($1::float8 / 1000)", [millis]))

/** No row waits for a slot: a test runs one task at a time. */
export const letAllIn = (sql: SqlClient, tasks: ReadonlyArray<string>): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    query(sql, `update pg_task set slot = 0 where task = any($1::text[]) and ${isAtDoor} and not is_running`, [tasks])
  )

export interface EnqueuedRow extends Pick<AdminRow, "id" | "status" | "raw" | "tried" | "error"> {
  /** In milliseconds. */
  readonly dueIn: number
}

/** In the order in which they were stored: each row has a time of its own, also in a transaction or in one statement. */
export const rowsOf = (sql: SqlClient, task: string): Effect.Effect<ReadonlyArray<EnqueuedRow>, SqlError> =>
  query(
    sql,
    `select ${columns}, (extract(epoch from greatest(t.wakeup_at - now(), interval '0')) * 1000)::float8 as "dueIn"
from pg_task t where t.task = $1
order by t.created_at, t.ctid`,
    [task]
  )
