/** The statements of the admin API. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  type AdminRow,
  age,
  columns,
  conditionOf,
  conditions,
  errorLineOf,
  Params,
  present,
  sinceOf,
  type Status,
  statuses,
  type Where,
  whereClause
} from "./row.ts"
import { query, type Rows } from "./query.ts"
import { nextTransitionSql } from "./transitions.ts"

/** The number that a statement returns. */
const number = (sql: SqlClient, text: string, params: ReadonlyArray<unknown>): Effect.Effect<number, SqlError> =>
  Effect.map(query<{ n: number }>(sql, text, params), (rows) => rows[0]!.n)

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

export const get = (sql: SqlClient, id: string): Rows<AdminRow> =>
  query(sql, `select ${columns} from pg_task t where t.id = $1::uuid and ${present}`, [id])

/** Returns two ids at most: enough to see that there is more than one. */
export const idsBetween = (sql: SqlClient, from: string, to: string): Rows<{ readonly id: string }> =>
  query(
    sql,
    `select id from pg_task t where id between $1::uuid and $2::uuid and ${present} order by id limit 2`,
    [from, to]
  )

export interface AdminCount {
  readonly task: string | null
  readonly step: string | null
  readonly status: Status
  readonly count: number
  readonly retrying: number
  /** In milliseconds. */
  readonly oldest: number
}

/**
 * A group is one state, and its statuses are counted side by side. With so few groups Postgres counts in parallel.
 */
export const counts = (sql: SqlClient, where: Where): Rows<AdminCount> => {
  const params = new Params()
  const counters = statuses.map((one) => {
    const rows = `filter (where ${conditionOf[one]})`
    const retrying = `filter (where t.tried > 0 and ${conditionOf[one]})`
    return `count(*) ${rows} as ${one}, count(*) ${retrying} as ${one}_retrying, min(${
      sinceOf[one]
    }) ${rows} as ${one}_since`
  })
  const values = statuses.map((one) => `('${one}', ${one}, ${one}_retrying, ${one}_since)`)
  return query(
    sql,
    `select c.task, c.step, v.status, v.count::float8, v.retrying::float8, ${age("v.since")} as oldest
from (
  select t.task, t.state as step, ${counters.join(",\n    ")}
  from pg_task t ${whereClause(conditions(where, params))} group by 1, 2
) c cross join lateral (values ${values.join(", ")}) as v(status, count, retrying, since)
where v.count > 0 order by c.task nulls last, c.step nulls last, v.status`,
    params.values
  )
}

/** How many rows. */
export const count = (sql: SqlClient, where: Where): Effect.Effect<number, SqlError> => {
  const params = new Params()
  return number(
    sql,
    `select count(*)::float8 as n from pg_task t ${whereClause(conditions(where, params))}`,
    params.values
  )
}

export interface AdminErrorCount {
  readonly task: string | null
  readonly step: string | null
  readonly error: string
  readonly count: number
  /** In milliseconds. */
  readonly oldest: number
  readonly newest: number
}

/** Parked rows by the first line of their error. */
export const countErrors = (sql: SqlClient, where: Where, limit: number): Rows<AdminErrorCount> => {
  const params = new Params()
  const selected = whereClause([conditionOf.parked, ...conditions(where, params)])
  return query(
    sql,
    `select t.task, t.state as step, ${errorLineOf} as error,
  count(*)::float8 as count, ${age("min(t.updated_at)")} as oldest, ${age("max(t.updated_at)")} as newest
from pg_task t ${selected}
group by 1, 2, 3 order by count(*) desc, 3, 1 nulls last, 2 nulls last limit ${params.add(limit)}::float8::bigint`,
    params.values
  )
}

/** How many rows are held by workers. Rows whose lease has expired don't count. */
export const countHeld = (sql: SqlClient): Effect.Effect<number, SqlError> =>
  number(
    sql,
    "select count(*)::float8 as n from pg_task where is_running and (lease_until is null or lease_until >= now())",
    []
  )

// ---------------------------------------------------------------------------------------------------------------
// Changing
// ---------------------------------------------------------------------------------------------------------------

const update = (sql: SqlClient, set: string, where: Where, only: string): Effect.Effect<number, SqlError> => {
  const params = new Params()
  return number(
    sql,
    `with changed as (
  update pg_task t set ${set}, updated_at = now() ${whereClause([only, ...conditions(where, params)])} returning 1
) select count(*)::float8 as n from changed`,
    params.values
  )
}

/** Clears the errors of parked rows, and sets their counters of tries and crashes back to 0. */
export const retry = (sql: SqlClient, where: Where): Effect.Effect<number, SqlError> =>
  update(
    sql,
    "error = null, last_error = null, tried = 0, crashes = 0, wakeup_at = least(t.wakeup_at, now())",
    where,
    conditionOf.parked
  )

/** Makes scheduled rows due. */
export const runNow = (sql: SqlClient, where: Where): Effect.Effect<number, SqlError> =>
  update(sql, "wakeup_at = now()", where, conditionOf.scheduled)

/** Ends the time of waiting rows that have one. */
export const endWait = (sql: SqlClient, where: Where): Effect.Effect<number, SqlError> =>
  update(sql, "wait_until = now(), wakeup_at = now()", where, `${conditionOf.waiting} and t.wait_until is not null`)

export interface Edit {
  readonly id: string
  readonly step: string
  /** The name that the task must have. */
  readonly task: string | undefined
  /** The transition at which it must be. */
  readonly transitions?: number | undefined
}

export interface Edited {
  readonly task: string | null
  readonly ended: boolean
  readonly running: boolean
  readonly changed: boolean
}

/**
 * Whether a worker holds a row, or may still renew its lease: after an outage that was longer than the lease, a live
 * worker renews it at once.
 */
const held = "t.is_running and coalesce(t.lease_until, t.updated_at) >= now() - interval '1 minute'"

/**
 * Replaces the state of a row that no worker holds. It also frees a dead worker's row: perhaps no other worker runs
 * this task, and the old token must not end an attempt of the new state. The edit counts as a transition, so that the
 * new state gets another idempotency key. A row that waits is due then: what it waited for was the old state's. Returns no row if there is no such task.
 */
export const edit = (sql: SqlClient, { id, step, task, transitions }: Edit): Rows<Edited> =>
  query(
    sql,
    `with found as (
  select t.id, t.task, t.ended_at is not null as ended, ${held} as running, t.transitions
  from pg_task t where t.id = $1::uuid and ${present} for update
), changed as (
  update pg_task t set step = $2, transitions = ${nextTransitionSql("t.transitions")}, last_error = null,
    waits_for = null, wait_until = null, limit_key = null, slot = null, slots = null,
    wakeup_at = case when t.waits_for is null and t.wait_until is null then t.wakeup_at
      else least(t.wakeup_at, now()) end,
    pending = null, updated_at = now(), is_running = false, lease_token = null, lease_until = null from found f
  where t.id = f.id and not f.running and not f.ended and ($3::text is null or f.task = $3) and ($4::int is null or f.transitions = $4)
  returning t.id
)
select f.task, f.ended, f.running, exists(select 1 from changed) as changed from found f`,
    [id, step, task ?? null, transitions ?? null]
  )
