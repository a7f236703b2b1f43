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

/** Whether a row of a key waits, at the door or knocking. */
export const isOpen = "error is null and ended_at is null"

/**
 * A session keeps the plans of a function's statements. One that was made while a table was small must not read all of it,
 * for each key, once it is large.
 */
export const byIndex = "set enable_seqscan = off"

/** The words of the index of rows that knock, and of those at the door. */
export const knocks = `slot = 0 and ${isOpen}`
export const isAtDoor = `limit_key is not null and slot is null and ${isOpen}`

export const isPaused = (key: string) =>
  `exists (select from pg_task_paused p where p.kind = 'limit' and p.name in (${key}, split_part(${key}, ':', 1)))`

/**
 * Locks keys, in their order, and returns those that it got. Every statement of a function sees what was committed before
 * it: so each key is looked at once its lock is held.
 *
 * A session may hold the lock of a key for long: a transaction that stays open in which somebody has paused its limit. The
 * other keys of the batch must not wait for that. So this waits once, and from then on takes what is free.
 */
export const lockFunction =
  `create or replace function pg_task_lock_keys(keys text[]) returns text[] language plpgsql as $$
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

/** The number of slots where only a rate limits them: the largest number of their column. */
export const anyNumber = 2_147_483_647

/** The number that somebody has set for a key, or else for its whole limit. It comes before what the code says. */
export const setSlotsOf = (key: string) =>
  `(select coalesce(max(o.set_slots) filter (where o.key = ${key}), max(o.set_slots)) from pg_task_limit o
    where o.key in (${key}, split_part(${key}, ':', 1)))`

/** What is locked must not hold up the rest for long. A transaction of the caller keeps its own setting. */
export const declarePatience = "patience constant text := current_setting('lock_timeout');"
export const beBrief = "perform set_config('lock_timeout', '250ms', true);"
export const endBrief = "perform set_config('lock_timeout', patience, true);"

const slotsOfFirst = (key: string, condition: string) =>
  `(select slots from pg_task where limit_key = ${key} and ${condition} order by wakeup_at limit (select 1))`

/** The number of slots that the oldest waiting row of a key has. Null if none waits. */
export const slotsOfOldest = (key: string): string =>
  `coalesce(${slotsOfFirst(key, `slot is null and ${isOpen}`)}, ${slotsOfFirst(key, knocks)})`

/**
 * Notes the numbers of keys that have no row yet, as their tasks have them. A look may give the first slots of a key,
 * before a claimed row asks for one. Without this row, a new build could not change the number. A worker without limits
 * has no right to insert it, perhaps: then the row comes later.
 */
const noteUnsaid = `if exists (
    select from unnest(mine) as u(key) where not exists (select from pg_task_limit l where l.key = u.key)
  ) then
    begin
      insert into pg_task_limit (key, slots)
        select u.key, s.slots from unnest(mine) as u(key)
        cross join lateral (select ${slotsOfOldest("u.key")} as slots) s where s.slots < ${anyNumber}
        on conflict (key) do nothing;
    exception when insufficient_privilege or lock_not_available then
      null;
    end;
  end if;`

/**
 * The same for keys that are free. Returns also the keys that other sessions have locked: their slots can't be given now.
 */
export const grantFunction = `create or replace function pg_task_grant(keys text[])
returns table (task text, state text, quarantined boolean, locked_key text) language plpgsql ${byIndex} as $$
#variable_conflict use_column
declare
  ${declarePatience}
  mine constant text[] := pg_task_lock_keys(keys);
begin
  ${beBrief}
  ${noteUnsaid}
  return query select g.task, g.state, g.quarantined, null from pg_task_give(mine) g;
  return query select null, null, null::boolean, u.key from unnest(keys) as u(key) where u.key <> all(mine);
  ${endBrief}
end $$`

/** Notes what a worker says of limits, where that is new. The rate is in columns that migration 14 adds. */
export const noteLimits = (said: string, rate: string, per: string) =>
  `begin
    insert into pg_task_limit as l (key, slots, rate_limit, rate_per)
      select distinct on (u.key) u.key, u.slots, ${rate}, ${per} from ${said}
      where u.key = any(mine) and not exists (
        select from pg_task_limit o where o.key = u.key and o.slots = u.slots
          and o.rate_limit is not distinct from ${rate} and o.rate_per is not distinct from ${per}
      )
      order by u.key, u.n desc
      on conflict (key) do update set slots = excluded.slots, rate_limit = excluded.rate_limit,
        rate_per = excluded.rate_per, noted_at = now();
  exception when lock_not_available then
    -- Somebody holds the number of a key: it stays what it was until the next time.
    null;
  end;`

/** Claimed rows that have no slot of their key knock. Returns those that others have locked. */
export const markKnocking = `for i in 1..cardinality(ids) loop
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
  end loop;`

/** Returns the rows that get slots now. */
export const giveToOldest =
  `return query select g.id, 'granted', null::int, g.task, g.state, g.quarantined from pg_task_give(mine) g;`

/**
 * Rows that a worker has claimed ask for a slot of their key. Each of them is then
 *
 * - `in`: it holds its slot, and is still this worker's;
 * - `out`: it waits at the door, or has left the worker with its slot because it is in quarantine;
 * - `locked`: another session has locked it, or its key, just now;
 * - not in the answer: it is no longer this worker's.
 *
 * And `granted`: a row that got a slot, perhaps one of these, which is then in the answer twice.
 */
export const enterFunction =
  `create or replace function pg_task_enter(ids uuid[], tokens uuid[], keys text[], counts int[])
returns table (id uuid, state text, slot int, task text, tag text, quarantined boolean) language plpgsql ${byIndex} as $$
#variable_conflict use_column
declare
  ${declarePatience}
  mine constant text[] := pg_task_lock_keys(keys);
  r record;
begin
  ${beBrief}
  ${noteLimits("unnest(keys, counts) with ordinality as u(key, slots, n)", "null::int", "null::float8")}
  ${markKnocking}
  ${giveToOldest}
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
