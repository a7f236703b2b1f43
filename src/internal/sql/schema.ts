/**
 * The table as the migrations 1 and 2 make it, and how they take over a table of the Rust crate. Released migrations
 * are never edited: a change of the table is a new migration (foundation.ts is the next one).
 */

/**
 * The task's name in a `step` of the shape `{"Task":{"State":…}}`, in any spelling that JSON allows. A name may hold
 * any escape but `\u0000` and lone surrogates, which Postgres can't turn into text. Only the beginning is read: a long
 * state must not make every write slow.
 */
const start = "left(step, 2000)"
export const jsonName = String.raw`(?:[^"\\\x01-\x1f]|\\["\\/bfnrt]|\\u(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4}`
  + String.raw`|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})+`
const namePattern = String.raw`^\s*\{\s*"(${jsonName})"\s*:\s*\{\s*"`
const anySpelling = `case when right(step, 200) ~ '\\}\\s*\\}\\s*$'
      then ('"' || substring(${start} from '${namePattern}') || '"')::json #>> '{}' end`

/** The spelling that this library writes: no spaces, no escapes in the name. It is ten times as fast to read. */
const usualSpelling = `step like '{"%":{"%}}' and split_part(step, '"', 3) = ':{'
      and split_part(step, '"', 2) !~ '[\\\\[:cntrl:]]' and split_part(step, '"', 2) <> ''`

/**
 * Looks only at the triggers and indexes of our table: a name alone would be looked up along the whole `search_path`,
 * and another schema may have a `pg_task` that the crate's workers still use.
 */
const dropCrateParts = `do $$
declare
  part record;
begin
  for part in
    select tgname as name, tgfoid::regprocedure as function from pg_trigger join pg_proc p on p.oid = tgfoid
    where tgrelid = 'pg_task'::regclass
      and proname in ('pg_task_notify_on_change', 'pg_task_before_update_refresh_updated_at')
  loop
    execute format('drop trigger %I on pg_task', part.name);
    if not exists (select 1 from pg_trigger where tgfoid = part.function) then
      execute format('drop function %s', part.function);
    end if;
  end loop;
  for part in
    select c.oid::regclass as name from pg_index join pg_class c on c.oid = indexrelid
    where indrelid = 'pg_task'::regclass
      and relname in ('pg_task_wakeup_at_idx', 'pg_task_locked_by_idx', 'pg_task_next_available_at_idx')
  loop
    execute format('drop index %s', part.name);
  end loop;
end $$`

/**
 * Since its version 1.0 the crate has leases, too: `locked_by` for `lease_token`, `lock_expires_at` for `lease_until`,
 * and no `is_running`. They have the same meaning, so they are renamed, and a running row keeps its lease.
 */
const takeLeases = `do $$ begin
  if exists (
    select 1 from pg_attribute where attrelid = 'pg_task'::regclass and attname = 'locked_by' and not attisdropped
  ) then
    alter table pg_task rename column locked_by to lease_token;
    alter table pg_task rename column lock_expires_at to lease_until;
    alter table pg_task add column if not exists is_running boolean not null default false;
    update pg_task set is_running = true where lease_token is not null;
  end if;
end $$`

/**
 * In bytes. Postgres stores more, but the driver closes a connection that receives a row longer than 16 MiB: so the
 * library never reads a longer `step`.
 */
export const maxStep = 15_000_000

/** Null for a `step` of another shape. */
const taskName = `case when ${usualSpelling} then split_part(step, '"', 2)
    else ${anySpelling} end`

export const createTable: ReadonlyArray<string> = [
  `create table if not exists pg_task (
  id uuid primary key default gen_random_uuid(),
  step text not null,
  wakeup_at timestamptz not null default now(),
  tried int not null default 0,
  is_running boolean not null default false,
  error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
)`,
  // The parts of the Rust crate go first: its triggers would notify for each of the updates below, and touch every row.
  dropCrateParts,
  "alter table pg_task drop constraint if exists pg_task_lease_state_check",
  takeLeases,
  "alter table pg_task alter column id set default gen_random_uuid()",
  "alter table pg_task alter column wakeup_at set default now()",
  "alter table pg_task alter column tried set default 0",
  "alter table pg_task alter column is_running set default false",
  "alter table pg_task alter column created_at set default now()",
  "alter table pg_task alter column updated_at set default now()",
  `alter table pg_task
  add column if not exists task text generated always as (${taskName}) stored,
  add column if not exists lease_token uuid,
  add column if not exists lease_until timestamptz,
  add column if not exists transitions int not null default 0,
  add column if not exists deaths int not null default 0,
  add column if not exists trace text`,
  // A worker of the crate that still runs these rows gets the time of a lease to end them.
  `update pg_task set lease_until = now() + interval '30 seconds' where is_running and lease_until is null`,
  // Half of each page is left free, and no index has a column that a claim or a `NextStep.now` changes: so both are
  // heap-only updates. Vacuum comes early, because every task leaves dead rows behind.
  `alter table pg_task set (
  fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1
)`,
  // With this migration, counts by state group by an expression on `step`. If Postgres believed that `step` is nearly
  // unique, it would sort all rows, in place of counting them in parallel.
  "alter table pg_task alter column step set (n_distinct = 100)",
  // These columns change faster than their statistics. Without statistics the planner always uses the indexes.
  `alter table pg_task
  alter column task set statistics 0, alter column wakeup_at set statistics 0, alter column is_running set statistics 0,
  alter column error set statistics 0, alter column deaths set statistics 0`,
  "create index if not exists pg_task_due_idx on pg_task (task, wakeup_at) where error is null",
  "create index if not exists pg_task_suspect_idx on pg_task (task, wakeup_at) where error is null and deaths > 0",
  "create index if not exists pg_task_parked_idx on pg_task (task, wakeup_at) where error is not null"
]

export const createTriggers: ReadonlyArray<string> = [
  // `pg_task.quiet` is set, for one statement, by producers that notify by themselves.
  `create or replace function pg_task_notify() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('pg_task.quiet', true), '') <> 'on' then
    perform pg_notify('pg_task_changed', '');
  end if;
  return null;
end $$`,
  `create or replace function pg_task_touch() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$`,
  "drop trigger if exists pg_task_inserted on pg_task",
  "create trigger pg_task_inserted after insert on pg_task for each statement execute function pg_task_notify()",
  "drop trigger if exists pg_task_freed on pg_task",
  `create trigger pg_task_freed after update on pg_task for each row
  when (not new.is_running and new.error is null and (old.error is not null or new.wakeup_at < old.wakeup_at))
  execute function pg_task_notify()`,
  // The library's own statements set updated_at, so that the function is called only for edits by hand.
  "drop trigger if exists pg_task_touched on pg_task",
  `create trigger pg_task_touched before update on pg_task for each row
  when (new.updated_at = old.updated_at) execute function pg_task_touch()`
]
