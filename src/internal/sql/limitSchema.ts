/**
 * What the table needs for limits. A row of a limited state has a `limit_key`, and is one of these:
 *
 * - `slot` is 0: it knocks. It is ready or scheduled as any other row, and whoever claims it asks for a slot.
 * - `slot` is null: it waits at the door. It is not in the index of due rows, so no claim sees it.
 * - `slot` is 1 or more: it holds this slot, until its attempt has ended. Then it is an ordinary ready or running row.
 *
 * The slots of a key are facts of its rows: nothing is counted, so nothing can drift or leak. A unique index makes it
 * impossible that two rows hold one slot. Slots are given under a lock of the key, to its oldest due rows.
 */
import { declarePending, takePending } from "./pending.ts"

/** Whether a row of a key waits, at the door or knocking. */
const isOpen = "error is null and ended_at is null"

/** The words of the index of rows that knock, and of those at the door. */
export const knocks = `slot = 0 and ${isOpen}`
export const isAtDoor = `limit_key is not null and slot is null and ${isOpen}`

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
  // For lists of rows, by task.
  `create index if not exists pg_task_door_idx on pg_task (task, wakeup_at) where ${isAtDoor}`,
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

export const isPaused = (key: string) =>
  `exists (select from pg_task_paused p where p.kind = 'limit' and p.name in (${key}, split_part(${key}, ':', 1)))`

/**
 * The oldest rows that wait for a slot of the key `k`. Those of paused tasks don't. Of rows that became due together the
 * one that knocks is the first: see \`insertLimited\`.
 */
const oldest = (limit: string) => {
  const branch = (condition: string) =>
    `(select id, wakeup_at, slot from pg_task t where limit_key = k and ${condition} and wakeup_at <= now()
        and not exists (select from pg_task_paused p where p.kind = 'task' and p.name = t.task)
      order by wakeup_at limit (select ${limit}))`
  return `select c.id from (${branch(`slot is null and ${isOpen}`)} union all ${branch(knocks)}) c
      order by c.wakeup_at, c.slot limit ${limit}`
}

/** Locks those of the rows \`ids\` that still wait, in their order. */
const lockEach = (how: string) =>
  `select p.ctid, p.task, i.n from unnest(ids) with ordinality as i(id, n) cross join lateral (
      select ctid, task from pg_task
      where id = i.id and limit_key = k and (slot is null or slot = 0) and ${isOpen} and wakeup_at <= now()
      for no key update${how}
    ) p limit wanted`

/**
 * Locks keys, in their order, and returns those that it got. Every statement of a function sees what was committed before
 * it: so each key is looked at once its lock is held.
 *
 * A session may hold the lock of a key for long: a transaction that stays open in which somebody has paused its limit. The
 * other keys of the batch must not wait for that. So this waits once, and from then on takes what is free.
 */
const lockFunction = `create or replace function pg_task_lock_keys(keys text[]) returns text[] language plpgsql as $$
declare
  patience constant text := current_setting('lock_timeout');
  k record;
  locked text[] := '{}';
  may_wait boolean := true;
begin
  perform set_config('lock_timeout', '500ms', true);
  for k in
    select u.key, hashtextextended(u.key, 'pg_task'::regclass::oid::int8) as id
    from (select distinct u.key from unnest(keys) as u(key)) u order by 2, 1
  loop
    if not pg_try_advisory_xact_lock(k.id) then
      continue when not may_wait;
      begin
        perform pg_advisory_xact_lock(k.id);
      exception when lock_not_available or deadlock_detected then
        may_wait = false;
        continue;
      end;
    end if;
    locked = locked || k.key;
  end loop;
  perform set_config('lock_timeout', patience, true);
  return locked;
end $$`

/** How many rows hold a slot of the key `k`. */
const holders = "(select count(*) from pg_task where limit_key = k and slot > 0)"

/**
 * Gives the free slots of some keys, whose locks are held, to their oldest due rows. Returns those that got one. A claim
 * may hold one of these rows for a moment: this waits for it, so that no younger row overtakes it. A session that holds
 * one for longer is passed over, and once one did, nobody waits for another one: other keys are locked meanwhile.
 *
 * A key whose number was lowered may have holders of slots above it: a free slot below is free only once fewer rows than
 * the number hold one.
 */
const giveFunction = `create or replace function pg_task_give(keys text[])
returns table (id uuid, task text, state text, quarantined boolean) language plpgsql as $$
#variable_conflict use_column
declare
  k text;
  n int;
  free int[];
  ids uuid[];
  wanted int;
  locked tid[];
  may_wait boolean := true;
begin
  foreach k in array keys loop
    continue when ${isPaused("k")};
    n := coalesce(
      (select slots from pg_task_limit where key = k),
      (select slots from pg_task where limit_key = k and slot is null and ${isOpen} order by wakeup_at limit (select 1)),
      (select slots from pg_task where limit_key = k and ${knocks} order by wakeup_at limit (select 1)),
      1
    );
    free := array(
      select s from generate_series(1, n) as s except select slot from pg_task where limit_key = k and slot > 0
      order by 1
    );
    wanted := least(cardinality(free), n - ${holders});
    continue when wanted <= 0;
    ids := array(${oldest("wanted")});
    continue when cardinality(ids) = 0;
    select array_agg(l.ctid order by l.n) into locked from (${lockEach(" skip locked")}) l;
    if coalesce(cardinality(locked), 0) < cardinality(ids) then
      begin
        if not may_wait then
          raise lock_not_available;
        end if;
        select array_agg(l.ctid order by l.n) into locked from (${lockEach("")}) l;
      exception when lock_not_available or deadlock_detected then
        may_wait = false;
        ids := array(${oldest("wanted * 4 + 100")});
        select array_agg(l.ctid order by l.n) into locked from (${lockEach(" skip locked")}) l;
      end;
    end if;
    for i in 1..coalesce(cardinality(locked), 0) loop
      update pg_task t set slot = free[i], slots = n, updated_at = now() where t.ctid = locked[i]
        returning t.id, t.task, t.state, t.crashes > 0 into id, task, state, quarantined;
      return next;
    end loop;
  end loop;
end $$`

/** What is locked must not hold up the rest for long. A transaction of the caller keeps its own setting. */
const declarePatience = "patience constant text := current_setting('lock_timeout');"
const beBrief = "perform set_config('lock_timeout', '250ms', true);"
const endBrief = "perform set_config('lock_timeout', patience, true);"

/**
 * The same for keys that are free. Returns also the keys that other sessions have locked: their slots can't be given now.
 */
const grantFunction = `create or replace function pg_task_grant(keys text[])
returns table (task text, state text, quarantined boolean, locked_key text) language plpgsql as $$
#variable_conflict use_column
declare
  ${declarePatience}
  mine constant text[] := pg_task_lock_keys(keys);
begin
  ${beBrief}
  return query select g.task, g.state, g.quarantined, null from pg_task_give(mine) g;
  return query select null, null, null::boolean, u.key from unnest(keys) as u(key) where u.key <> all(mine);
  ${endBrief}
end $$`

/**
 * Rows that a worker has claimed ask for a slot of their key. Each of them is then
 *
 * - \`in\`: it holds its slot, and is still this worker's;
 * - \`out\`: it waits at the door, or has left the worker with its slot because it is in quarantine;
 * - \`locked\`: another session has locked it, or its key, just now;
 * - not in the answer: it is no longer this worker's.
 *
 * And \`granted\`: a row that got a slot, perhaps one of these, which is then in the answer twice.
 */
const enterFunction = `create or replace function pg_task_enter(ids uuid[], tokens uuid[], keys text[], counts int[])
returns table (id uuid, state text, slot int, task text, tag text, quarantined boolean) language plpgsql as $$
#variable_conflict use_column
declare
  ${declarePatience}
  mine constant text[] := pg_task_lock_keys(keys);
  r record;
begin
  ${beBrief}
  begin
    insert into pg_task_limit as l (key, slots)
      select distinct on (u.key) u.key, u.slots from unnest(keys, counts) with ordinality as u(key, slots, n)
      where u.key = any(mine) and not exists (select from pg_task_limit o where o.key = u.key and o.slots = u.slots)
      order by u.key, u.n desc
      on conflict (key) do update set slots = excluded.slots, noted_at = now();
  exception when lock_not_available then
    -- Somebody holds the number of a key: it stays what it was until the next time.
    null;
  end;
  for i in 1..cardinality(ids) loop
    select t.ctid, t.limit_key, t.slot into r from pg_task t
      where keys[i] = any(mine) and t.id = ids[i] and t.lease_token = tokens[i] and t.is_running
      for no key update skip locked;
    if not found then
      id := ids[i];
      state := 'locked';
      if exists (select from pg_task t where t.id = ids[i] and t.lease_token = tokens[i] and t.is_running) then
        return next;
      end if;
    elsif r.limit_key is distinct from keys[i] or r.slot is null then
      update pg_task t set limit_key = keys[i], slot = 0, slots = counts[i], updated_at = now() where t.ctid = r.ctid;
    end if;
  end loop;
  return query select g.id, 'granted', null::int, g.task, g.state, g.quarantined from pg_task_give(mine) g;
  for i in 1..cardinality(ids) loop
    select t.ctid, t.slot, t.crashes into r from pg_task t
      where t.id = ids[i] and t.lease_token = tokens[i] and t.is_running and t.limit_key = keys[i]
        and keys[i] = any(mine)
      for no key update skip locked;
    continue when not found;
    id := ids[i];
    slot := nullif(r.slot, 0);
    state := case when r.slot > 0 and r.crashes = 0 then 'in' else 'out' end;
    if state = 'out' then
      update pg_task t set slot = nullif(r.slot, 0), slots = counts[i], is_running = false, lease_token = null,
        lease_until = null, updated_at = now()
      where t.ctid = r.ctid;
    end if;
    return next;
  end loop;
  ${endBrief}
end $$`

/** Rows of a limit, or of one of its keys, that hold a slot and don't run go back to the door: it is paused. */
const sendBackFunction = `create or replace function pg_task_send_back(name text) returns void language plpgsql as $$
declare
  ${declarePatience}
  keys text[] := array(
    select distinct t.limit_key from pg_task t
    where t.slot > 0 and (t.limit_key = name or split_part(t.limit_key, ':', 1) = name)
  );
begin
  perform set_config('lock_timeout', '5s', true);
  perform pg_advisory_xact_lock(l.id) from (
    select distinct hashtextextended(u.key, 'pg_task'::regclass::oid::int8) as id from unnest(keys) as u(key) order by 1
  ) l;
  update pg_task t set slot = null, updated_at = now()
  where t.limit_key = any(keys) and t.slot > 0 and not t.is_running and t.error is null and t.ended_at is null;
  ${endBrief}
end $$`

/** For databases where functions are not granted to everybody by default. */
const grants: ReadonlyArray<string> = [
  "grant execute on function pg_task_lock_keys(text[]), pg_task_give(text[]), pg_task_grant(text[]) to public",
  "grant execute on function pg_task_enter(uuid[], uuid[], text[], int[]) to public",
  "grant execute on function pg_task_send_back(text) to public"
]

export const createLimits: ReadonlyArray<string> = [
  ...createTables,
  ...createIndexes,
  ...restTrigger,
  lockFunction,
  giveFunction,
  grantFunction,
  enterFunction,
  sendBackFunction,
  ...grants
]
