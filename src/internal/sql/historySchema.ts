/**
 * The table of attempts that have ended, for tasks that keep a history. It is partitioned by the time until which a row
 * is kept: so a whole partition can be dropped at once, though tasks keep their history for different times.
 */

/** Rows for which no partition has been made are in the default partition. Those that are kept for ever have their own. */
const createTable = `do $$ begin
  if to_regclass(format('%I.pg_task_history', current_schema())) is null then
    create table pg_task_history (
      id uuid not null,
      task text not null,
      state text,
      transition int not null,
      attempt int not null,
      outcome text not null,
      signal text,
      error text,
      duration float8,
      worker uuid,
      ended_at timestamptz not null,
      kept_until timestamptz not null
    ) partition by range (kept_until);
    create table pg_task_history_default partition of pg_task_history default;
    create table pg_task_history_forever partition of pg_task_history for values from ('infinity') to (maxvalue);
    create index pg_task_history_id_idx on pg_task_history (id, ended_at);
    -- Without the right to make partitions all rows are here, and those that are over must be found among them.
    create index pg_task_history_default_kept_idx on pg_task_history_default (kept_until);
  end if;
end $$`

/**
 * Writes the attempts whose outcomes were stored. It is called by the statement that stores them, and never fails it: a
 * history that can't be written must not park a task. If the answer to a batch was lost, it is sent `again`: what the
 * first one wrote is not written twice.
 */
const writeHistory = `create or replace function pg_task_write_history(entries json, stored uuid[], again boolean)
returns boolean language plpgsql as $$
begin
  for try in 1..3 loop
    begin
      insert into pg_task_history
        (id, task, state, transition, attempt, outcome, signal, error, duration, worker, ended_at, kept_until)
      select x.id, x.task, x.state, x.transition, x.attempt, x.outcome, x.signal, x.error, x.duration,
        x.worker, clock_timestamp(), coalesce(clock_timestamp() + x.keep * interval '1 millisecond', 'infinity')
      from json_to_recordset(entries) as x(id uuid, task text, state text, transition int, attempt int, outcome text,
        signal text, error text, duration float8, worker uuid, keep float8)
      join unnest(stored) as s(id) on s.id = x.id
      where not (again and exists (
        select from pg_task_history h where h.id = x.id and h.transition = x.transition and h.attempt = x.attempt
          and h.worker = x.worker and h.outcome = x.outcome
      ));
      return true;
    exception
      -- The rows were on their way to the default partition when their own partition was attached.
      when check_violation then null;
      when others then
        raise warning 'The history of % tasks could not be written: %', json_array_length(entries), sqlerrm;
        return false;
    end;
  end loop;
  return false;
end $$`

/** The most rows that one call deletes. */
export const deleteBatch = 10_000

/** A change of the partitions locks the whole history. What waits for that lock is in the way of every outcome. */
const longestWait = "100ms"

/**
 * Makes the partition of one day, in UTC, if it is not there. It is made apart, and then attached: so writers don't wait for it.
 * A day for which the default partition already holds rows stays there.
 */
const makePartition = `create or replace function pg_task_make_history_partition(day date) returns boolean
language plpgsql as $$
declare
  name constant text := 'pg_task_history_' || to_char(day, 'YYYYMMDD');
begin
  if to_regclass(format('%I.%I', current_schema(), name)) is not null then return true; end if;
  perform set_config('lock_timeout', '${longestWait}', true);
  execute format('create table %I (like pg_task_history)', name);
  execute format('alter table pg_task_history attach partition %I for values from (%L) to (%L)', name,
    day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
  return true;
exception when others then
  return false;
end $$`

/** Drops one partition of a day that is over. False if that must be tried again, or this role may not. */
const dropPartition = `create or replace function pg_task_drop_history_partition() returns boolean
language plpgsql as $$
declare
  over text;
begin
  select c.relname into over from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'pg_task_history'::regclass and c.relname ~ '^pg_task_history_\\d{8}$'
    and (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC' <= now()
  order by c.relname limit 1;
  if over is null then return false; end if;
  perform set_config('lock_timeout', '${longestWait}', true);
  execute format('drop table %I', over);
  return true;
exception when others then
  return false;
end $$`

/** For databases where functions are not granted to everybody by default. */
const grant = (signature: string) => `grant execute on function ${signature} to public`

export const createHistory: ReadonlyArray<string> = [
  createTable,
  writeHistory,
  makePartition,
  dropPartition,
  grant("pg_task_write_history(json, uuid[], boolean)"),
  grant("pg_task_make_history_partition(date)"),
  grant("pg_task_drop_history_partition()")
]
