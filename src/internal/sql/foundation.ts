/**
 * Migration 3: the columns, the indexes and the view that later features need. Every statement may be run again without
 * harm. A column that is not used costs nothing: it is null, or its default is not stored in the rows that exist.
 */
import { jsonName } from "./schema.ts"

/** Whether a row may be claimed once it is due: it has not ended, and holds its slot if it needs one. */
export const isOpen = "ended_at is null and (limit_key is null or slot is not null)"

/** Indexes of earlier migrations that are replaced by others with new conditions. */
export const replacedIndexes: ReadonlyArray<string> = ["pg_task_due_idx", "pg_task_suspect_idx"]

/** Looks only at the indexes of our table: a name alone would be looked up along the whole `search_path`. */
const dropReplacedIndexes = `do $$
declare
  part record;
begin
  for part in
    select c.oid::regclass as name from pg_index join pg_class c on c.oid = indexrelid
    where indrelid = 'pg_task'::regclass and relname in (${replacedIndexes.map((name) => `'${name}'`).join(", ")})
  loop
    execute format('drop index %s', part.name);
  end loop;
end $$`

const renameDeaths = `do $$ begin
  if exists (
    select 1 from pg_attribute where attrelid = 'pg_task'::regclass and attname = 'deaths' and not attisdropped
  ) then
    alter table pg_task rename column deaths to crashes;
  end if;
end $$`

/**
 * The names in a `step` of the shape `{"Task":{"State":…}}`, in any spelling: what migration 1 had in the expression of
 * a generated column. Postgres parses such an expression anew for each statement: the long one made each `NextStep.now`
 * cost half as much again. A tag that has escapes for characters that this database can't hold keeps them.
 */
const names = String.raw`create or replace function pg_task_names(step text) returns text[]
language plpgsql immutable strict parallel safe as $$
declare
  start constant text := left(step, 2000);
  foreign_escape constant text :=
    case getdatabaseencoding() when 'UTF8' then '\\u0000' when 'LATIN1' then '\\u(?!00)' else '\\u(?!00[0-7])' end;
  task text;
  state text;
begin
  if right(step, 200) !~ '\}\s*\}\s*$' then return null; end if;
  task := substring(start from '^\s*\{\s*"(${jsonName})"\s*:\s*\{\s*"');
  state := substring(start from '^\s*\{\s*"${jsonName}"\s*:\s*\{\s*"(${jsonName}|)"\s*:');
  task := ('"' || task || '"')::json #>> '{}';
  if state !~ foreign_escape then state := ('"' || state || '"')::json #>> '{}'; end if;
  return array[task, case when task is not null then state end];
end $$`

/**
 * What this library writes has no spaces, and no escapes in names. Both expressions are short, because Postgres parses
 * them anew for each statement. They are quick, because a claim computes them for each row: Postgres does that if a
 * table has a trigger that runs before an update. (Without that trigger, Postgres 18 parses them for each row, which is
 * slower still.)
 */
const taskName = `case when step like '{"%":{"%}}' and split_part(step, '"', 3) = ':{'
    and split_part(step, '"', 2) ~ '^[^\\\\[:cntrl:]]+$'
    then split_part(step, '"', 2) else (pg_task_names(step))[1] end`
const stateTag = `case when octet_length(step) < 5000 and step like '{"%}}' and split_part(step, '"', 3) = ':{'
    and split_part(step, '"', 5) like ':%' and split_part(step, '"', 2) <> ''
    and split_part(step, '"', 2) || split_part(step, '"', 4) ~ '^[^\\\\[:cntrl:]]+$'
    then split_part(step, '"', 4) else (pg_task_names(step))[2] end`

/** Adding generated columns rewrites the table: only once. Dropping a column also drops the indexes on it. */
const generateNames = `do $$ begin
  if not exists (
    select 1 from pg_attribute where attrelid = 'pg_task'::regclass and attname = 'state' and not attisdropped
  ) then
    alter table pg_task
      drop column if exists task,
      add column task text generated always as (${taskName}) stored,
      add column if not exists state text generated always as (${stateTag}) stored;
  end if;
end $$`

const addColumns = `alter table pg_task
  add column if not exists last_error text,
  add column if not exists key text,
  add column if not exists pending jsonb,
  add column if not exists parent uuid,
  add column if not exists waits_for text[],
  add column if not exists wait_until timestamptz,
  add column if not exists inbox jsonb,
  add column if not exists wakes int not null default 0,
  add column if not exists watched boolean not null default false,
  add column if not exists ended_at timestamptz,
  add column if not exists kept_until timestamptz,
  add column if not exists limit_key text,
  add column if not exists slot int,
  add column if not exists slots int`

/**
 * None of them mentions a column that a claim or a `NextStep.now` changes, so that both are heap-only updates. All but
 * the first three are empty while their feature is not used.
 */
const createIndexes: ReadonlyArray<string> = [
  `create index if not exists pg_task_open_idx on pg_task (task, wakeup_at) where error is null and ${isOpen}`,
  "create index if not exists pg_task_quarantine_idx on pg_task (task, wakeup_at) where error is null and crashes > 0",
  "create index if not exists pg_task_parked_idx on pg_task (task, wakeup_at) where error is not null",
  "create unique index if not exists pg_task_key_idx on pg_task (task, key) where key is not null",
  "create index if not exists pg_task_parent_idx on pg_task (parent) where parent is not null",
  "create index if not exists pg_task_kept_idx on pg_task (kept_until) where kept_until is not null",
  "create unique index if not exists pg_task_slot_idx on pg_task (limit_key, slot) where slot is not null",
  `create index if not exists pg_task_limited_idx on pg_task (limit_key, wakeup_at)
  where limit_key is not null and slot is null and error is null and ended_at is null`
]

/** For people. The fourth migration makes it anew, without results whose time is over. */
const createView = `create or replace view pg_task_status as
select id, task, state,
  case when ended_at is not null then 'ended'
    when error is not null then 'parked'
    when is_running then 'running'
    when wakeup_at > now() then case when waits_for is null then 'scheduled' else 'waiting' end
    when limit_key is not null and slot is null then 'limited'
    else 'ready' end as status,
  case when ended_at is null then wakeup_at end as due, key, waits_for, coalesce(error, last_error) as error
from pg_task`

export const createFoundation: ReadonlyArray<string> = [
  dropReplacedIndexes,
  renameDeaths,
  // A claimed row is longer than a waiting one, by its lease: with half of each page free, one in ten did not fit.
  "alter table pg_task set (fillfactor = 45)",
  names,
  // For databases where functions are not granted to everybody by default: each role that writes rows needs this one.
  "grant execute on function pg_task_names(text) to public",
  generateNames,
  addColumns,
  // As in the first migration: these columns change faster than their statistics.
  `alter table pg_task
  alter column task set statistics 0, alter column ended_at set statistics 0,
  alter column limit_key set statistics 0, alter column slot set statistics 0`,
  // Counts group by it: if Postgres believed that it is nearly unique, it would sort all rows for that.
  "alter table pg_task alter column state set (n_distinct = 100)",
  ...createIndexes,
  // The setting was called `pg_task.quiet` before.
  `create or replace function pg_task_notify() returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('pg_task.skip_notify', true), '') <> 'on' then
    perform pg_notify('pg_task_changed', '');
  end if;
  return null;
end $$`,
  createView
]
