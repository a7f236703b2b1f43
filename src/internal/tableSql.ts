/** Which table the workers of a `pg_task` share, and how they are told to stop. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { channel, query } from "./sql.ts"

const schema = `(select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = 'pg_task'::regclass)`

/** The payload that stops the workers of all schemas in the database. The Rust crate's, too. */
export const stopAll = "stop_worker"

/** The payload that stops the workers of one schema. */
export const stopIn = (schema: string) => `${stopAll} ${schema}`

/** Tells the workers of this schema to stop. */
export const notifyStop = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.asVoid(query(sql, `select pg_notify($1, $2 || ${schema})`, [channel, stopIn("")]))

/** The schema of the table. Fails when the table, a column of it, or a right on it is missing. Touches no row. */
export const probe = (sql: SqlClient): Effect.Effect<string, SqlError> =>
  Effect.map(
    query<{ schema: string }>(
      sql,
      `with u as (update pg_task set updated_at = now() where false returning 1),
  d as (delete from pg_task where false returning 1),
  s as (
    select id, step, task, wakeup_at, tried, is_running, error, lease_token, lease_until, transitions, deaths, trace
    from pg_task where false
  )
select ${schema} as schema where not exists (select 1 from s)`,
      []
    ),
    (rows) => rows[0]!.schema
  )
