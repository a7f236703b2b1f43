/** Migration 12: the tables, indexes, functions and the trigger of limits. See limitSchema.ts for what they are for. */
import { giveFunctions } from "./limitGive.ts"
import { enterFunction, grantFunction, isAtDoor, knocks, lockFunction } from "./limitSchema.ts"
import { declarePending, takePending } from "./pending.ts"

const createTables: ReadonlyArray<string> = [
  // How many slots a key has, as the newest worker said. Without a row, the rows of the key say it themselves.
  "create table if not exists pg_task_limit (key text primary key, slots int not null, noted_at timestamptz not null default now())",
  // What is paused: a task, a limit with all its keys (`stripe`), or one key of it (`tenant:acme`).
  `create table if not exists pg_task_paused (
  kind text not null check (kind in ('task', 'limit')), name text not null, since timestamptz not null default now(),
  primary key (kind, name)
)`
]

/** The unique index of migration 3 also had the rows that knock. It keeps its name, so that migration 3 may run again. */
const createSlotIndex = `do $$ begin
  if exists (
    select from pg_index join pg_class c on c.oid = indexrelid where indrelid = 'pg_task'::regclass
      and relname = 'pg_task_slot_idx' and pg_get_expr(indpred, indrelid) not like '%slot > 0%'
  ) then
    execute (select format('drop index %s', c.oid::regclass) from pg_index join pg_class c on c.oid = indexrelid
      where indrelid = 'pg_task'::regclass and relname = 'pg_task_slot_idx');
    create unique index pg_task_slot_idx on pg_task (limit_key, slot) where slot > 0;
  end if;
end $$`

const createIndexes: ReadonlyArray<string> = [
  createSlotIndex,
  // For lists of rows, by task. The last condition is always true, and is there for the planner: it takes an index only for
  // a query that says as much, so not for one about a key. Where it believes that few rows are at the door, it would read
  // all of them for each key.
  `create index if not exists pg_task_door_idx on pg_task (task, wakeup_at)
  where ${isAtDoor} and (task is null or task is not null)`,
  `create index if not exists pg_task_knock_idx on pg_task (limit_key, wakeup_at) where ${knocks}`
]

/**
 * A row that does not run, and can't run, gives its slot back: when it is parked, moved into the future, or ended, by
 * whomever. When a hand edits its state, it belongs to another key, perhaps: whoever claims it finds out. The library
 * writes the state of a row that has run until then, or raises `wakes`. The slot of a running row goes when its attempt
 * ends.
 */
const restFunction = `create or replace function pg_task_come_to_rest() returns trigger language plpgsql as $$
declare
  ${declarePending}
begin
  if new.pending is null then
    if new.ended_at is not null
      or new.step is distinct from old.step and not old.is_running and new.wakes = old.wakes
    then
      new.limit_key = null;
      new.slot = null;
      new.slots = null;
    elsif new.error is not null or new.wakeup_at > now() then
      new.slot = 0;
    end if;
    return new;
  end if;
  ${takePending}
end $$`

/** One trigger for both: each further one would make every update dearer. */
const restTrigger: ReadonlyArray<string> = [
  restFunction,
  "drop trigger if exists pg_task_replaced on pg_task",
  `create trigger pg_task_replaced before update on pg_task for each row
  when (not new.is_running and (new.limit_key is not null or new.pending is not null))
  execute function pg_task_come_to_rest()`,
  "drop function if exists pg_task_take_pending()"
]

/** For databases where functions are not granted to everybody by default. */
const grants: ReadonlyArray<string> = [
  "grant execute on function pg_task_lock_keys(text[]), pg_task_grant(text[]) to public",
  "grant execute on function pg_task_give(text[]), pg_task_give_each(text[]) to public",
  "grant execute on function pg_task_enter(uuid[], uuid[], text[], int[]) to public"
]

export const createLimits: ReadonlyArray<string> = [
  ...createTables,
  ...createIndexes,
  ...restTrigger,
  lockFunction,
  ...giveFunctions,
  grantFunction,
  enterFunction,
  ...grants
]
