/**
 * Rows that have ended in a final state and are kept as results: their index, who waits for them, and how they are
 * deleted in the end.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import { notDurable, query, queryAlone, type Rows } from "./query.ts"
import { present } from "./row.ts"
import { maxStep } from "./schema.ts"

/** Lists of ended rows read it. Only a row that ends and is kept has an entry. */
export const createEndedIndex: ReadonlyArray<string> = [
  "create index if not exists pg_task_ended_idx on pg_task (task, wakeup_at) where ended_at is not null",
  `create or replace view pg_task_status as
select id, task, state,
  case when ended_at is not null then 'ended'
    when error is not null then 'parked'
    when is_running then 'running'
    when wakeup_at > now() then case when waits_for is null then 'scheduled' else 'waiting' end
    when limit_key is not null and slot is null then 'limited'
    else 'ready' end as status,
  case when ended_at is null then wakeup_at end as due, key, waits_for, coalesce(error, last_error) as error
from pg_task where kept_until is null or kept_until > now()`
]

/** More in one statement would hold its locks for longer. */
const maxDeleted = 1000

/** A parent reads its children when all of them have ended: until it has moved on, or has ended, it needs them. */
const isUnneeded = "(parent is null or not exists (select from pg_task p where p.id = t.parent and p.ended_at is null))"

/** Whether the time of `t` as a result is over, and nobody needs it. */
export const isExpired = `kept_until <= now() and ${isUnneeded}`

/** Deletes rows whose time as a result is over, up to a limit. Returns whether there may be more. */
export const deleteExpired = (sql: SqlClient): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    queryAlone<{ deleted: number }>(
      sql,
      `with gone as (
  delete from pg_task where ctid = any(array(
    select ctid from pg_task t where ${isExpired}
    order by kept_until limit ${maxDeleted} for update skip locked
  )) returning 1
)
select count(*)::int as deleted from gone`,
      []
    ),
    (rows) => rows[0]!.deleted === maxDeleted
  )

// ---------------------------------------------------------------------------------------------------------------
// Waiting for the end
// ---------------------------------------------------------------------------------------------------------------

/** Where the ids of tasks are sent that have ended, or are parked, and that somebody waits for. */
export const endedChannel = "pg_task_ended"

/** A payload has at most 8,000 bytes. */
const idsInPayload = 200

/** Notifies those who wait for these tasks. Nothing is lost if the server forgets this commit. */
export const notifyEnded = (sql: SqlClient, ids: ReadonlyArray<string>): Effect.Effect<void, SqlError> => {
  const payloads = Array.from(
    { length: Math.ceil(ids.length / idsInPayload) },
    (_, n) => ids.slice(n * idsInPayload, (n + 1) * idsInPayload).join(" ")
  )
  return Effect.asVoid(
    query(sql, `select pg_notify('${endedChannel}', p) from unnest($1::text[]) as p where ${notDurable}`, [payloads])
  )
}

/** A task, as somebody sees it who waits for it. */
export interface WatchedRow {
  readonly id: TaskId
  readonly task: string | null
  /** Null if it is too long to be read. */
  readonly raw: string | null
  readonly ended: boolean
  /** Why it is parked. */
  readonly error: string | null
  /** Whoever ends it from now on sees that somebody waits for it. */
  readonly watched: boolean
}

const raw = `case when octet_length(t.step) <= ${maxStep} then t.step end as raw`

/**
 * Marks the rows of tasks that somebody waits for, and reads them. The mark is in the row before the transaction that
 * ends the task, or the row has ended. A row that another session has locked is not marked: it is to be looked at
 * again. `updated_at` moves by the least step: so no trigger sets it, and the row keeps the age of its status.
 */
export const watch = (sql: SqlClient, ids: ReadonlyArray<string>): Rows<WatchedRow> =>
  query(
    sql,
    `with free as materialized (
  select ctid from pg_task where id = any($1::uuid[]) and not watched and ended_at is null
  for no key update skip locked
), marked as (
  update pg_task t set watched = true, updated_at = t.updated_at + interval '1 microsecond'
  where ${notDurable} and t.ctid = any(array(select ctid from free)) returning t.id
)
select t.id, t.task, ${raw}, t.ended_at is not null as ended, t.error, t.watched or m.id is not null as watched
from pg_task t left join marked m on m.id = t.id where t.id = any($1::uuid[]) and ${present}`,
    [ids]
  )

/** One task, as it is now. */
export const peek = (sql: SqlClient, id: string): Rows<{ readonly raw: string | null }> =>
  query(sql, `select ${raw} from pg_task t where t.id = $1::uuid and ${present}`, [id])
