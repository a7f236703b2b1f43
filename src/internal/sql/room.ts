/**
 * Migration 15: the table is never small.
 *
 * Postgres keeps the plan of a prepared statement until autovacuum has looked at the table, or its columns change. For an
 * empty table the cheapest plan is to read it from its beginning to its end. So a worker that was idle on an empty table
 * had such a plan for each of its statements, and kept it when a burst came: with 100,000 rows each claim took seconds.
 * With a megabyte of pages, used or not, each plan is one with an index.
 */

/** Of 8 kB. For the planner, a look by an index costs as much as 10 to 50 of them. */
const leastPages = 128

/** With the table's fill factor, no page has room for two of them. */
const pageFiller = "repeat('x', 1900)"

/** Nobody ever sees these rows, because they are deleted at once. Vacuum frees their pages, and keeps them. */
const makeRoom = `create or replace function pg_task_make_room() returns void language plpgsql as $$
declare
  missing constant int := ${leastPages} - pg_relation_size('pg_task') / current_setting('block_size')::int;
  skips_notify constant text := current_setting('pg_task.skip_notify', true);
  fillers uuid[];
begin
  perform set_config('pg_task.skip_notify', 'on', true);
  with filled as (
    insert into pg_task (step) select ${pageFiller} from generate_series(1, missing) returning id
  )
  select array_agg(id) into fillers from filled;
  delete from pg_task where id = any(fillers);
  perform set_config('pg_task.skip_notify', coalesce(skips_notify, ''), true);
end $$`

/** The function stays: `vacuum full` leaves nothing of the pages. */
export const createRoom: ReadonlyArray<string> = [
  "alter table pg_task set (vacuum_truncate = false)",
  makeRoom,
  "grant execute on function pg_task_make_room() to public",
  "do $$ begin perform pg_task_make_room(); end $$"
]
