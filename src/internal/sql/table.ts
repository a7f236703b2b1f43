/** The table itself: its schema, whether it is complete, and how its workers are told to stop. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { made } from "./migrations.ts"
import { channel } from "./notify.ts"
import { query } from "./query.ts"
import { transact } from "./transact.ts"

const schema = `(select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = 'pg_task'::regclass)`

/** The payload that stops the workers of all schemas in the database. It is also the Rust crate's. */
export const stopAll = "stop_worker"

/** The payload that stops the workers of one schema. */
export const stopIn = (schema: string) => `${stopAll} ${schema}`

/** Tells the workers of this schema to stop. */
export const notifyStop = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.asVoid(query(sql, `select pg_notify($1, $2 || ${schema})`, [channel, stopIn("")]))

/** What a worker must know of its table. */
export interface Place {
  readonly schema: string
  /** Of the database. */
  readonly encoding: string
}

/** Where the table is. Fails when the table, a column of it, or a right on it is missing. Touches no row. */
export const probe = (sql: SqlClient): Effect.Effect<Place, SqlError> =>
  Effect.map(
    query<Place>(
      sql,
      `with u as (update pg_task set updated_at = now() where false returning 1),
  d as (delete from pg_task where false returning 1),
  s as (
    select id, step, task, wakeup_at, tried, is_running, error, lease_token, lease_until, transitions, crashes, trace,
      last_error, ended_at, limit_key, slot, waits_for, wait_until, inbox, wakes, key, pending
    from pg_task where false
  )
select ${schema} as schema, getdatabaseencoding()::text as encoding where not exists (select 1 from s)`,
      []
    ),
    (rows) => rows[0]!
  )

/** Fails when this role may not do what workers do with the tables of limits. Touches no row. */
export const probeLimits = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    query(
      sql,
      `with i as (insert into pg_task_limit (key, slots) select '', 1 where false returning 1),
  u as (update pg_task_limit set slots = slots where false returning 1)
select (select count(held_until) from pg_task_limit where false), (select count(*) from pg_task_paused where false)`,
      []
    )
  )

// ---------------------------------------------------------------------------------------------------------------
// What is there
// ---------------------------------------------------------------------------------------------------------------

/** What the system catalogs show, which every role may read. */
export interface Seen {
  readonly role: string
  /** Where new tables go. Null: nowhere. */
  readonly schema: string | null
  /** The owner of `pg_task`. Null if it isn't there. */
  readonly owner: string | null
  /** It has every column, index and trigger of ours. */
  readonly complete: boolean
  /** The table that notes what was applied is there, and this role may read it. */
  readonly noting: boolean
  readonly mayRead: boolean
  /** This role may make what isn't there. */
  readonly mayMigrate: boolean
}

const missing = (names: string, there: string) =>
  `exists(select unnest(${names}::text[]) except select name::text from (${there}) as there(name))`

/** Needs no right on any table. */
export const lookAtTable = (sql: SqlClient): Effect.Effect<Seen, SqlError> =>
  Effect.map(
    query<Seen>(
      sql,
      `with t as materialized (
  select to_regclass('pg_task')::oid as oid, to_regclass('pg_task_migrations')::oid as notes, current_schema() as schema
)
select current_user::text as role, t.schema::text as schema, pg_get_userbyid(c.relowner)::text as owner,
  c.oid is not null
    and not ${missing("$1", "select attname from pg_attribute where attrelid = t.oid and not attisdropped")}
    and not ${
        missing(
          "$2",
          "select i.relname from pg_index join pg_class i on i.oid = indexrelid where indrelid = t.oid and indisvalid"
        )
      }
    and not ${missing("$3", "select tgname from pg_trigger where tgrelid = t.oid")} as complete,
  t.notes is not null as noting, coalesce(has_table_privilege(t.notes, 'select'), false) as "mayRead",
  coalesce(has_schema_privilege(t.schema::text, 'create'), false)
    and coalesce(pg_has_role(c.relowner, 'usage'), true) as "mayMigrate"
from t left join pg_class c on c.oid = t.oid`,
      [made.columns, made.indexes, made.triggers]
    ),
    (rows) => rows[0]!
  )

/** The last migration that was noted; 0 if none was. While migrations are applied, the table of notes is locked. */
export const noted = (sql: SqlClient): Effect.Effect<number, SqlError> =>
  transact(
    sql,
    Effect.andThen(
      query(sql, "select set_config('lock_timeout', '2s', true)", []),
      Effect.map(
        query<{ id: number }>(sql, "select coalesce(max(migration_id), 0)::int as id from pg_task_migrations", []),
        (rows) => rows[0]!.id
      )
    )
  )
