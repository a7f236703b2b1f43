/** What a `pg_task` is made of, and the one that the Rust crate makes. */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { run } from "../worker/Table.ts"

/** Columns, constraints, indexes, triggers, settings and views of `pg_task`, as Postgres itself describes them. */
export const shape: Effect.Effect<unknown, SqlError, SqlClient.SqlClient> = Effect.gen(function*() {
  const columns = yield* run(
    `select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as "notNull",
      attgenerated::text as generated, pg_get_expr(adbin, adrelid) as value, attoptions::text as options
    from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = 'pg_task'::regclass and attnum > 0 and not attisdropped order by attnum`
  )
  const constraints = yield* run(
    `select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
    where conrelid = 'pg_task'::regclass and contype <> 'n' order by conname`
  )
  const indexes = yield* run(
    `select indexname as name, indexdef as definition from pg_indexes
    where tablename = 'pg_task' and schemaname = current_schema() order by indexname`
  )
  const triggers = yield* run(
    `select tgname as name, pg_get_triggerdef(t.oid) as definition, prosrc as body
    from pg_trigger t join pg_proc p on p.oid = tgfoid
    where tgrelid = 'pg_task'::regclass and not tgisinternal order by tgname`
  )
  const functions = yield* run(
    "select proname as name from pg_proc where pronamespace = current_schema()::regnamespace order by proname"
  )
  const settings = yield* run("select reloptions::text as settings from pg_class where oid = 'pg_task'::regclass")
  const views = yield* run(
    "select viewname as name, definition from pg_views where schemaname = current_schema() order by viewname"
  )
  return { columns, constraints, indexes, triggers, functions, settings, views }
})

/** What the three migrations of the Rust crate `pg_task` make. */
const crateTable: ReadonlyArray<string> = [
  `create table pg_task (
    id uuid primary key default gen_random_uuid(), step text not null,
    wakeup_at timestamptz not null default now(), tried int not null default 0,
    is_running boolean not null default false, error text,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now()
  )`,
  "comment on column pg_task.step is 'State machine step'",
  "create index pg_task_wakeup_at_idx on pg_task (wakeup_at)",
  `create function pg_task_notify_on_change() returns trigger language plpgsql
    as 'begin perform pg_notify(''pg_task_changed'', ''''); return new; end'`,
  `create trigger pg_task_changed after insert or update on pg_task
    for each row execute procedure pg_task_notify_on_change()`,
  `create function pg_task_before_update_refresh_updated_at() returns trigger language plpgsql
    as 'begin new.updated_at = now(); return new; end'`,
  `create trigger pg_task_before_update_refresh_updated_at_trigger before update on pg_task
    for each row execute function pg_task_before_update_refresh_updated_at()`
]

/** Makes the table as the Rust crate does. */
export const makeCrateTable: Effect.Effect<void, SqlError, SqlClient.SqlClient> = Effect.forEach(
  crateTable,
  (statement) => run(statement),
  { discard: true }
)
