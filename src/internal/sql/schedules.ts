/**
 * The statements about schedules. A schedule is a row of `pg_task`: its task is the name of the recurring task, its key
 * the name of the schedule, and `wakeup_at` its next tick. Its state has a tag that no state of a task has, and no task
 * of a worker may have its name: so claims never take it. Who works on it holds the row's lock.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import { unparked } from "./due.ts"
import { query, type Rows } from "./query.ts"
import { nextTransitionSql } from "./transitions.ts"
import { clampMillis, millis, millisUntil } from "./time.ts"

/** The tag of a schedule's state. */
export const scheduleTag = "$schedule"

const epoch = (time: string) => `(extract(epoch from ${time}) * 1000)::float8`
const moment = (param: string) => `to_timestamp(${param}::float8 / 1000)`

/** The fields of a schedule's state, as `jsonb`. `task` is the name of the recurring task. */
const fieldsOf = (row: string) => `(${row}.step::jsonb #> array[${row}.task, '${scheduleTag}'])`

export interface StoredSchedule {
  readonly task: string
  readonly key: string
  /** The fields of its state, as JSON. */
  readonly fields: string
  readonly step: string
  /** When it is due, in milliseconds since 1970. */
  readonly due: number
}

const insert = `insert into pg_task (step, key, wakeup_at) values ($1, $2, ${moment("$3")})
on conflict (task, key) where key is not null do`

/** What the row remembers beside its spec stays. One that is paused stays so. */
const overwrite = (fields: string) =>
  `set step = jsonb_build_object(t.task, jsonb_build_object('${scheduleTag}', ${
    fieldsOf("t")
  } || ${fields}::jsonb))::text,
  wakeup_at = case when t.wakeup_at = 'infinity' then t.wakeup_at else ${moment("$3")} end,
  error = null, transitions = ${nextTransitionSql("t.transitions")}, updated_at = now()`

/** Stores a schedule, or gives the one of this name another spec. */
export const storeSchedule = (
  sql: SqlClient,
  { due, fields, key, step }: StoredSchedule
): Rows<{ readonly id: TaskId }> =>
  query(
    sql,
    `insert into pg_task as t (step, key, wakeup_at) values ($1, $2, ${moment("$3")})
on conflict (task, key) where key is not null do update ${overwrite("$4")} returning id`,
    [step, key, due, fields]
  )

/** The same for the own schedule of a recurring task: only if the stored one has a lower version. */
export const ensureSchedule = (
  sql: SqlClient,
  { due, fields, key, step, task }: StoredSchedule,
  version: number
): Effect.Effect<void, SqlError> =>
  query(sql, `${insert} nothing`, [step, key, due]).pipe(
    Effect.andThen(query(
      sql,
      `update pg_task t ${overwrite("$1")}
where t.task = $2 and t.key = $4 and coalesce((${fieldsOf("t")} ->> 'version')::int, -1) < $5`,
      [fields, task, due, key, version]
    )),
    Effect.asVoid
  )

export const deleteSchedule = (sql: SqlClient, task: string, key: string): Rows<{ readonly id: TaskId }> =>
  query(
    sql,
    `delete from pg_task where task = $1 and key = $2 and state = '${scheduleTag}' returning id`,
    [task, key]
  )

// ---------------------------------------------------------------------------------------------------------------
// Ticks
// ---------------------------------------------------------------------------------------------------------------

export interface DueSchedule {
  readonly id: TaskId
  readonly task: string
  readonly key: string | null
  readonly step: string
  /** Postgres's time, in milliseconds since 1970. */
  readonly now: number
}

/** Locks due schedules until the end of the transaction. Passes over those that others have locked. */
export const lockDue = (sql: SqlClient, names: ReadonlyArray<string>, limit: number): Rows<DueSchedule> =>
  query(
    sql,
    `select d.id, d.task, d.key, d.step, ${epoch("clock_timestamp()")} as now
from unnest($1::text[]) as n(task) cross join lateral (
  select id, task, key, step from pg_task where task = n.task and ${unparked} and not is_running and wakeup_at <= now()
  order by wakeup_at limit (select $2::int8) for update skip locked
) d limit $2`,
    [names, limit]
  )

/** What a tick leaves in the row of its schedule. */
export interface Ticked {
  readonly id: TaskId
  readonly step: string
  /** When it is due next, in milliseconds since 1970. */
  readonly due: number
  /** Why it is parked. */
  readonly error: string | null
}

export const storeTicked = (sql: SqlClient, rows: ReadonlyArray<Ticked>): Effect.Effect<void, SqlError> =>
  Effect.asVoid(query(
    sql,
    `update pg_task t set step = i.step, wakeup_at = ${moment("i.due")}, error = i.error, tried = 0,
  transitions = ${nextTransitionSql("t.transitions")}, updated_at = now()
from json_to_recordset($1::json) as i(id uuid, step text, due float8, error text) where t.id = i.id`,
    [JSON.stringify(rows)]
  ))

/** How long it is until the next schedule is due: undefined if that is later than `horizon` milliseconds from now. */
export const untilNextTick = (
  sql: SqlClient,
  names: ReadonlyArray<string>,
  horizon: number
): Effect.Effect<number | undefined, SqlError> =>
  query<{ wait: number | null }>(
    sql,
    `select ${millisUntil("min(d.wakeup_at)")} as wait from unnest($1::text[]) as n(task) cross join lateral (
  select wakeup_at from pg_task p where p.task = n.task and ${unparked} and not is_running
    and wakeup_at <= now() + ${millis("$2")}
  order by wakeup_at limit (select 1::int8)
) d`,
    [names, clampMillis(horizon)]
  ).pipe(Effect.map(([found]) => found?.wait ?? undefined))

// ---------------------------------------------------------------------------------------------------------------
// What people see and do
// ---------------------------------------------------------------------------------------------------------------

export interface ScheduleRow {
  readonly id: TaskId
  readonly task: string
  readonly key: string
  readonly step: string
  readonly paused: boolean
  readonly due: number | null
  readonly error: string | null
}

export const listSchedules = (sql: SqlClient): Rows<ScheduleRow> =>
  query(
    sql,
    `select id, task, key, step, wakeup_at = 'infinity' as paused, error,
  case when wakeup_at < 'infinity' then ${epoch("wakeup_at")} end as due
from pg_task where key is not null and state = '${scheduleTag}' order by task, key`,
    []
  )

/** Deletes rows that are still schedules. */
export const deleteSchedules = (sql: SqlClient, ids: ReadonlyArray<TaskId>): Rows<{ readonly id: TaskId }> =>
  query(sql, `delete from pg_task where id = any($1::uuid[]) and state = '${scheduleTag}' returning id`, [ids])

/** Another time for schedules: all of a recurring task, or the one of this name. */
const setTime = (time: string) => (sql: SqlClient, task: string, key: string | undefined): Rows<unknown> =>
  query(
    sql,
    `update pg_task t set wakeup_at = ${time}, updated_at = now()
where t.key is not null and t.state = '${scheduleTag}' and t.task = $1 and ($2::text is null or t.key = $2)
returning t.id`,
    [task, key ?? null]
  )

export const pauseSchedules = setTime("'infinity'")
export const runSchedules = setTime("now()")

/** A tick that it has missed meanwhile is due at once. */
export const resumeSchedules = setTime(
  `case when t.wakeup_at < 'infinity' then t.wakeup_at
  else coalesce((${fieldsOf("t")} ->> 'next')::timestamptz, now()) end`
)
