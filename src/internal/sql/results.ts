/** Rows that have ended in a final state and are kept as results: their index, and how they are deleted in the end. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { queryAlone } from "./query.ts"

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

/** Deletes rows whose time as a result is over, up to a limit. Returns whether there may be more. */
export const deleteExpired = (sql: SqlClient): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    queryAlone<{ deleted: number }>(
      sql,
      `with gone as (
  delete from pg_task where ctid = any(array(
    select ctid from pg_task where kept_until <= now() order by kept_until limit ${maxDeleted} for update skip locked
  )) returning 1
)
select count(*)::int as deleted from gone`,
      []
    ),
    (rows) => rows[0]!.deleted === maxDeleted
  )
