/** Reads the states of all rows of some tasks, in pages, and rewrites those that are former ones. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { query, type Rows } from "./query.ts"
import { maxStep } from "./schema.ts"

export interface StateRow {
  readonly id: string
  /** Null if it is too long to be read. */
  readonly step: string | null
  /** Whether another state waits beside it, to replace it when its attempt ends; and that state, as `step`. */
  readonly replaced: boolean
  readonly pending: string | null
}

/** How many rows a page has at most, and how many bytes their states have together, if there is more than one. */
const page = { rows: 5000, bytes: 32_000_000 }

/** The position before all rows. */
export const start = "00000000-0000-0000-0000-000000000000"

/** The next page, in the order of the ids. The last one is empty. */
const readPage = (sql: SqlClient, condition: string, params: ReadonlyArray<unknown>, after: string): Rows<StateRow> =>
  query(
    sql,
    `select id, case when octet_length(step) <= ${maxStep} then step end as step, next is not null as replaced,
  case when octet_length(next) <= ${maxStep} then next end as pending
from (
  select *, sum(length) over (order by id rows between unbounded preceding and 1 preceding) as before from (
    select id, step, case when pending is not null then coalesce(pending ->> 'step', '') end as next,
      octet_length(step) + coalesce(octet_length(pending ->> 'step'), 0) as length from pg_task
    where id > $1::uuid and ${condition} order by id limit ${page.rows}
  ) p
) q where before is null or before < ${page.bytes} order by id`,
    [after, ...params]
  )

/** Rows of these tasks, and those of no task. */
export const readStates = (sql: SqlClient, tasks: ReadonlyArray<string>, after: string): Rows<StateRow> =>
  readPage(sql, "(task = any($2::text[]) or task is null)", [tasks], after)

/** Rows that no worker holds, in one of these states. */
export const readFormer = (
  sql: SqlClient,
  states: ReadonlyArray<{ readonly task: string; readonly former: string }>,
  after: string
): Rows<StateRow> =>
  readPage(
    sql,
    "not is_running and (task, state) in (select * from unnest($2::text[], $3::text[]))",
    [states.map(({ task }) => task), states.map(({ former }) => former)],
    after
  )

/** How many rows there are of other tasks, by name. */
export const countOthers = (
  sql: SqlClient,
  tasks: ReadonlyArray<string>
): Rows<{ readonly task: string; readonly count: number }> =>
  query(
    sql,
    "select task, count(*)::float8 as count from pg_task where task <> all($1::text[]) group by 1 order by 1",
    [tasks]
  )

export interface Rewrite {
  readonly id: string
  readonly from: string
  readonly to: string
  /** Whether the new state waits. */
  readonly waits: boolean
}

/**
 * A row that waits goes on to wait, until the same time, and a retry delay stays: `wakes` tells the trigger
 * `pg_task_touched` that this is no hand's edit. But if the new state does not wait, nothing else would wake the row.
 */
const goesOn = "(t.waits_for is not null or t.wait_until is not null) and (g.waits or t.waits_for is null)"

/** The new state may wait for a signal that the old one has left in the inbox. */
const hasSignals = "t.waits_for is not null and jsonb_path_exists(t.inbox, '$.signals[*]')"

/**
 * Rewrites rows that are still as they were read. Rows that others hold are passed over. All else of the row stays: its
 * next attempt has the same idempotency key.
 */
export const rewrite = (sql: SqlClient, rewrites: ReadonlyArray<Rewrite>): Effect.Effect<number, SqlError> =>
  Effect.map(
    query<{ n: number }>(
      sql,
      `with given as materialized (
  select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bool[]) as g(id, old, new, waits)
),
free as materialized (
  select id from pg_task where id = any(array(select id from given)) and not is_running for no key update skip locked
), changed as (
  update pg_task t set step = g.new, updated_at = now(), wakes = t.wakes + (${goesOn})::int,
    wakeup_at = case when ${hasSignals} then least(t.wakeup_at, now()) else t.wakeup_at end
  from given g
  where t.id = any(array(select id from free)) and t.id = g.id and t.step = g.old and not t.is_running returning 1
)
select count(*)::float8 as n from changed`,
      [
        rewrites.map(({ id }) => id),
        rewrites.map(({ from }) => from),
        rewrites.map(({ to }) => to),
        rewrites.map(({ waits }) => waits)
      ]
    ),
    (rows) => rows[0]!.n
  )
