/**
 * Migration 7: triggers that notify without waiting for each other.
 *
 * Postgres lets transactions that notify commit only one after the other, the wait for the disk included. So where many
 * sessions store tasks at the same time, only one of them notifies, and the others skip it:
 *
 * - The decision is made as late as possible, at the commit, by a deferred trigger. It is called once for each
 *   transaction, however many rows that stores.
 * - Whoever gets the lock of this turn notifies. It holds the lock until its commit has ended, and all others skip
 *   meanwhile: the notification of this turn comes after their decision. Nobody waits for the lock.
 * - A transaction that skips may be committed after that notification was answered. So all of them share a second lock
 *   until their commits have ended, and workers that look for tasks also look for this lock. It is taken before the lock
 *   of the turn is tried for the last time. So a worker that is woken by the notification sees the lock or the task.
 *
 * What if the transaction that is to notify hangs in its commit, or fails there? A turn is a tenth of a second: then
 * others get the lock of the next one. Those that skipped are found after the next notification, or by the poll.
 */

const notify = `create or replace function pg_task_notify() returns trigger language plpgsql as $$
declare
  turn constant int := (extract(epoch from clock_timestamp()) * 10)::int8 % 2147483648;
begin
  if not pg_try_advisory_xact_lock(tg_relid::int, turn)
    and pg_try_advisory_xact_lock_shared(tg_relid::int, -1)
    and not pg_try_advisory_xact_lock(tg_relid::int, turn)
  then
    return null;
  end if;
  perform pg_notify('pg_task_changed', '');
  return null;
end $$`

/**
 * For a statement that looks for tasks in the snapshot `seen`: whether transactions that skip their notification are
 * under way (`open`), or may have been committed after this snapshot (`changed`). Null: the statement sees the tasks
 * of all of them.
 *
 * The lock is released by the same expression, which can't be interrupted. So workers that look at the same time don't
 * take each other for such transactions.
 */
const skipped = `create or replace function pg_task_skipped(table_id oid, seen text) returns text language plpgsql as $$
begin
  if not (case when pg_try_advisory_lock(table_id::int, -1) then pg_advisory_unlock(table_id::int, -1) else false end)
  then
    return 'open';
  end if;
  return case when pg_current_snapshot()::text <> seen then 'changed' end;
end $$`

/**
 * For the first row only: the setting lasts until the end of the transaction, or is undone together with the rows when
 * a savepoint is rolled back. Producers that notify by themselves set it before they insert.
 */
const once = `coalesce(current_setting('pg_task.skip_notify', true), '') <> 'on'
  and set_config('pg_task.skip_notify', 'on', true) = 'on'`

const trigger = (name: string, event: string, condition: string): ReadonlyArray<string> => [
  `drop trigger if exists ${name} on pg_task`,
  `create constraint trigger ${name} after ${event} on pg_task deferrable initially deferred for each row
  when (${condition}) execute function pg_task_notify()`
]

/**
 * Whether an update that leaves a row free has made it due, or due earlier. One condition is for states that are
 * replaced: those rows don't run, and `transitions` changes. The new state may be due later than the old one was, and
 * yet be due, in a state that only other workers know.
 *
 * It is a function because Postgres reads the condition of a trigger anew for each statement, also where the first part
 * of it already says no. That took a third of the time of a `NextStep.now`.
 */
const isFreed = `create or replace function pg_task_is_freed(old record, new record) returns boolean
language plpgsql as $$
begin
  return (old.error is not null or new.wakeup_at < old.wakeup_at
    or (old.is_running and new.waits_for is not null and new.wakeup_at <= now())
    or (old.pending is not null and new.pending is null)
    or (not old.is_running and new.transitions <> old.transitions and new.wakeup_at <= now())
  ) and ${once};
end $$`

export const createNotifyTriggers: ReadonlyArray<string> = [
  notify,
  skipped,
  isFreed,
  // For databases where functions are not granted to everybody by default: workers need these.
  "grant execute on function pg_task_skipped(oid, text), pg_task_is_freed(record, record) to public",
  ...trigger("pg_task_inserted", "insert", once),
  ...trigger("pg_task_freed", "update", "not new.is_running and new.error is null and pg_task_is_freed(old, new)")
]

/** A table can't be changed while triggers of the same transaction wait for its commit: they are called now. */
export const callPendingTriggers = `do $$
declare
  name text;
begin
  for name in select tgname from pg_trigger
    where tgrelid = to_regclass('pg_task') and tgname like 'pg\\_task\\_%' and tgdeferrable
  loop
    execute format('set constraints %I immediate', name);
  end loop;
end $$`

/** `pg_task_skipped` for this statement. Its function begins after the snapshot was taken, and takes one of its own. */
export const skippedSince = "pg_task_skipped('pg_task'::regclass, pg_current_snapshot()::text)"
