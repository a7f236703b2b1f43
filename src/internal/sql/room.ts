/**
 * Migration 15: the table is never small, and rows that are stored together can be told apart.
 *
 * Postgres keeps the plan of a prepared statement until autovacuum has looked at the table, or its columns change. For an
 * empty table the cheapest plan is to read it from its beginning to its end. So a worker that was idle on an empty table
 * had such a plan for each of its statements, and kept it when a burst came: with 100,000 rows each claim took seconds.
 * With a megabyte of pages, used or not, each plan is one with an index.
 */

/** Pages of 8 kB. For the planner, a look by an index costs as much as 10 to 50 of them. */
const leastPages = 128

/** Two of them fill what the table's fill factor leaves of a page. Longer texts are stored compressed. */
const pageFiller = "repeat('x', 1500)"

/**
 * Nobody ever sees these rows, because they are deleted at once. Vacuum frees their pages, and keeps them. Some of them
 * fill pages that are free already, so this goes on until there are enough pages.
 */
const makeRoom = `create or replace function pg_task_make_room() returns void language plpgsql as $$
declare
  goal constant bigint := ${leastPages} * current_setting('block_size')::bigint;
  skips_notify constant text := current_setting('pg_task.skip_notify', true);
  fillers uuid[];
begin
  perform set_config('pg_task.skip_notify', 'on', true);
  for tries in 1..${8 * leastPages} loop
    exit when pg_relation_size('pg_task') >= goal;
    insert into pg_task (step) values (${pageFiller}) returning array_append(fillers, id) into fillers;
  end loop;
  delete from pg_task where id = any(fillers);
  perform set_config('pg_task.skip_notify', coalesce(skips_notify, ''), true);
exception when integrity_constraint_violation or insufficient_privilege then
  -- Only speed depends on it: a constraint of somebody's own must not stop the migration.
  raise warning 'pg_task_make_room could not add pages: %', sqlerrm;
end $$`

/** The function stays, for people: after `vacuum full` the pages are gone. */
export const createRoom: ReadonlyArray<string> = [
  "alter table pg_task set (vacuum_truncate = false)",
  makeRoom,
  "grant execute on function pg_task_make_room() to public",
  "do $$ begin perform pg_task_make_room(); end $$",
  // Rows take any free place in the table, and `now()` stands still in a transaction: neither tells their order.
  "alter table pg_task alter column created_at set default clock_timestamp()"
]
