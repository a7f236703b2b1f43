/** How the free slots of keys are given to the rows that wait for them. See limitSchema.ts for how a row waits. */
import { anyNumber, byIndex, isOpen, isPaused, knocks, slotsOfOldest } from "./limitSchema.ts"

/** How many slots of a key are given at once: as many as there may be where tasks wait for them. */
const mostAtOnce = 10_000

/**
 * The oldest rows that wait for a slot of the key `k`. Those of paused tasks don't. Of rows that became due together the
 * one that knocks is the first: see `insertLimited`.
 */
const oldest = (limit: string) => {
  const branch = (condition: string) =>
    `(select id, wakeup_at, slot from pg_task t where limit_key = k and ${condition} and wakeup_at <= now()
        and not exists (select from pg_task_paused p where p.kind = 'task' and p.name = t.task)
      order by wakeup_at limit (select ${limit}))`
  return `select c.id from (${branch(`slot is null and ${isOpen}`)} union all ${branch(knocks)}) c
      order by c.wakeup_at, c.slot limit ${limit}`
}

/** Locks the row `i.id` of the key `k`, if it still waits. */
const lockOne = (how: string) =>
  `select ctid from pg_task where id = i.id and limit_key = k and (slot is null or slot = 0) and ${isOpen}
        and wakeup_at <= now() for no key update${how}`

/** How many rows of the key `k` hold a slot. */
const holders = "(select count(*) from pg_task where limit_key = k and slot > 0)"

/** The number of slots of the key `k` that the code says: the one that was noted, or that its oldest row has. */
const saidOf = (known: string) => `coalesce(${known}, ${slotsOfOldest("k")}, 1)`

/** The lowest free slots of the key `k`, of which `held` rows hold one. */
const lowest = (n: string, held: string, count: string) =>
  `array(
      select s from generate_series(1, least(${n}, ${held} + ${count})) as s
      except select slot from pg_task where limit_key = k and slot > 0 order by 1 limit ${count}
    )`

/** What was noted of a key: a sub-select of its own, so that no plan reads the keys of others. */
const notedOf = (key: string) => `lateral (select * from pg_task_limit where key = ${key} limit (select 1))`

/** What was noted of the key `k`, and of its whole limit. */
const noted = `(select 1) one left join ${notedOf("k")} l on true left join ${
  notedOf("split_part(k, ':', 1)")
} w on true`
/** The end of a back-off, and the number of slots that somebody has set. */
const heldUntil = "greatest(l.held_until, w.held_until)"
const setSlots = "coalesce(l.set_slots, w.set_slots)"

/** How many rows of the key `k` hold a slot, and have not asked for a moment yet: see rateSchema.ts. */
const letIn = `(select count(*) from pg_task where limit_key = k and slot > 0 and not is_running and ${isOpen})`

/**
 * Gives the free slots of some keys, whose locks are held, to their oldest due rows, one key after the other. Returns the
 * rows that got one. If the key has a rate, no more rows get one than may start now. If nobody has said the rate yet, one
 * row does: whoever claims it says it.
 *
 * A claim may hold one of these rows for a moment: this waits for it, so that no younger row overtakes it. A session that
 * holds one for longer is passed over, and once one did, nobody waits for another one: other keys are locked meanwhile.
 *
 * The rows keep the number that the code says: a worker that finds another one in them would say its own again.
 *
 * A key whose number was lowered may have holders of slots above it: a free slot below is free only once fewer rows than
 * the number hold one.
 */
const giveEach = `create or replace function pg_task_give_each(keys text[])
returns table (id uuid, task text, state text, quarantined boolean) language plpgsql ${byIndex} as $$
#variable_conflict use_column
declare
  k text;
  known record;
  said int;
  n int;
  free int[];
  ids uuid[];
  wanted int;
  locked tid[];
  may_wait boolean := true;
begin
  foreach k in array keys loop
    continue when ${isPaused("k")};
    select l.slots, l.rate_limit, ${setSlots} as set_slots, ${heldUntil} as held_until into known from ${noted};
    said := ${saidOf("known.slots")};
    n := coalesce(known.set_slots, said);
    wanted := least(n - ${holders}, ${mostAtOnce});
    if known.rate_limit is not null or known.held_until > now() then
      wanted := least(wanted, (select most from pg_task_starts(k)) - ${letIn});
    elsif said = ${anyNumber} then
      wanted := least(wanted, 1 - ${letIn});
    end if;
    continue when wanted <= 0;
    ids := array(${oldest("wanted")});
    continue when cardinality(ids) = 0;
    free := ${lowest("n", holders, "wanted")};
    select array_agg(l.ctid order by i.n) into locked
      from unnest(ids) with ordinality as i(id, n) cross join lateral (${lockOne(" skip locked")}) l;
    if coalesce(cardinality(locked), 0) < cardinality(ids) then
      begin
        if not may_wait then
          raise lock_not_available;
        end if;
        select array_agg(l.ctid order by i.n) into locked
          from unnest(ids) with ordinality as i(id, n) cross join lateral (${lockOne("")}) l;
      exception when lock_not_available or deadlock_detected then
        may_wait = false;
        ids := array(${oldest("wanted * 4 + 100")});
        select array_agg(l.ctid order by l.n) into locked from (
          select l.ctid, i.n from unnest(ids) with ordinality as i(id, n) cross join lateral (
            ${lockOne(" skip locked")}
          ) l limit wanted
        ) l;
      end;
    end if;
    for i in 1..coalesce(cardinality(locked), 0) loop
      update pg_task t set slot = free[i], slots = said, updated_at = now() where t.ctid = locked[i]
        returning t.id, t.task, t.state, t.crashes > 0 into id, task, state, quarantined;
      return next;
    end loop;
  end loop;
end $$`

/**
 * The same, with one statement for all keys that have no rate and whose rows nobody has locked: for a thousand keys that
 * is several times as fast. The others are left to the function above.
 */
const give = `create or replace function pg_task_give(keys text[])
returns table (id uuid, task text, state text, quarantined boolean) language plpgsql ${byIndex} as $$
#variable_conflict use_column
declare
  r record;
  rest text[] := '{}';
begin
  for r in
    with asked as materialized (
      select k, l.rate_limit is not null or coalesce(${heldUntil} > now(), false) as is_timed,
        s.said, coalesce(${setSlots}, s.said) as n, ${holders}::int as held
      from unnest(keys) as u(k) cross join ${noted} cross join lateral (select ${saidOf("l.slots")} as said) s
      where not ${isPaused("k")}
    ), waiting as materialized (
      select a.k, a.said, a.n, a.held, array(${oldest(`least(a.n - a.held, ${mostAtOnce})`)}) as ids
      from asked a where not a.is_timed and a.said <> ${anyNumber} and a.n > a.held
    ), picked as materialized (
      select w.k, w.said, i.id, i.slot from waiting w
        cross join lateral unnest(w.ids, ${lowest("w.n", "w.held", "cardinality(w.ids)")}) as i(id, slot)
    ), locked as materialized (
      select l.ctid, i.id, i.said, i.slot from picked i cross join lateral (${lockOne(" skip locked")}) l
    ), given as (
      update pg_task t set slot = l.slot, slots = l.said, updated_at = now() from locked l where t.ctid = l.ctid
      returning t.id, t.task, t.state, t.crashes > 0 as quarantined
    )
    select id, task, state, quarantined, null as k from given
    union all select null, null, null, null, k from asked where is_timed or said = ${anyNumber}
    union all select distinct null::uuid, null, null, null::boolean, k from picked p
      where not exists (select from locked l where l.id = p.id)
  loop
    if r.k is null then
      id := r.id;
      task := r.task;
      state := r.state;
      quarantined := r.quarantined;
      return next;
    else
      rest := rest || r.k;
    end if;
  end loop;
  return query select * from pg_task_give_each(rest);
end $$`

export const giveFunctions: ReadonlyArray<string> = [giveEach, give]
