/** What is paused: tasks, limits, and keys of limits. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { notify } from "./notify.ts"
import { query, type Rows } from "./query.ts"
import { age } from "./row.ts"

/** The notification that something was paused or resumed. */
export const pausesChanged = "paused"

/** Hands may write into the table: the workers hear of that, too. */
const notifyFunction = `create or replace function pg_task_pauses_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('pg_task_changed', '${pausesChanged}');
  return null;
end $$`

export const createPauses: ReadonlyArray<string> = [
  notifyFunction,
  "drop trigger if exists pg_task_pauses_changed on pg_task_paused",
  `create trigger pg_task_pauses_changed after insert or update or delete or truncate on pg_task_paused
  for each statement execute function pg_task_pauses_changed()`
]

/** The names of the tasks that are paused. */
export const pausedTasks = (sql: SqlClient): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.map(
    query<{ name: string }>(sql, "select name from pg_task_paused where kind = 'task'", []),
    (rows) => rows.map(({ name }) => name)
  )

/** No worker claims a row of the task. Those that wait with a slot of a limit give it to others. */
export const pauseTask = (sql: SqlClient, task: string): Effect.Effect<void, SqlError> =>
  query(sql, "insert into pg_task_paused (kind, name) values ('task', $1) on conflict (kind, name) do nothing", [task])
    .pipe(Effect.andThen(query(sql, "select pg_task_send_task_back($1)", [task])), Effect.asVoid)

/** Returns whether it was paused. */
export const resumeTask = (sql: SqlClient, task: string): Effect.Effect<boolean, SqlError> =>
  query(sql, "delete from pg_task_paused where kind = 'task' and name = $1 returning name", [task]).pipe(
    Effect.tap(() => notify(sql, "")),
    Effect.map((rows) => rows.length > 0)
  )

export interface Pause {
  readonly task: string | null
  readonly limit: string | null
  readonly key: string | null
  /** In milliseconds. */
  readonly age: number
}

export const listPauses = (sql: SqlClient): Rows<Pause> =>
  query(
    sql,
    `select case when kind = 'task' then name end as task,
  case when kind = 'limit' then split_part(name, ':', 1) end as limit,
  case when kind = 'limit' and strpos(name, ':') > 0 then substr(name, strpos(name, ':') + 1) end as key,
  ${age("since")} as age
from pg_task_paused order by kind, name`,
    []
  )
