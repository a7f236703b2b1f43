/**
 * What the table needs for rates, for back-offs and for paused tasks, on top of limitSchema.ts.
 *
 * Rows of a key with a rate wait at the door, too. The door lets in no more of them than may start now; but the moment of
 * a start is taken only by a row that a worker has claimed, and that begins with the answer. So nothing is taken by rows
 * that are deleted, parked, or wait for a busy worker, and no backlog of moments can start all at once. It is the "generic
 * cell rate algorithm": one time for each key says how much of its rate is used up.
 *
 * A retry is a start, too: it asks anew.
 */
import { giveFunctions } from "./limitGive.ts"
import {
  beBrief,
  byIndex,
  declarePatience,
  endBrief,
  enterFunction,
  giveToOldest,
  isOpen,
  isPaused,
  markKnocking,
  noteLimits
} from "./limitSchema.ts"
import { createPauses } from "./pauses.ts"
import { createSendBack } from "./sendBack.ts"

/** From the moment that a row has got to the beginning of its step, if the database answers soon. In milliseconds. */
export const longestStart = 250

/** By how much a start may be early that makes up for a late one. In milliseconds. */
const leeway = 250

/**
 * - `rate_limit`, `rate_per`: so many starts in so many milliseconds. Null: no rate.
 * - `next_at`: when the next start is due, if starts are spread evenly. In the past, nothing is used up.
 * - `held_until`: a back-off, of a key or of a whole limit. No task starts before.
 * - `set_slots`: how many slots somebody has set for a key, or for each key of a limit. Null: as the code says.
 */
const addColumns = `alter table pg_task_limit alter column slots drop not null,
  add column if not exists rate_limit int, add column if not exists rate_per float8,
  add column if not exists next_at timestamptz, add column if not exists held_until timestamptz,
  add column if not exists set_slots int`

const createIndexes: ReadonlyArray<string> = [
  "create index if not exists pg_task_held_idx on pg_task_limit (held_until) where held_until is not null",
  "create index if not exists pg_task_set_idx on pg_task_limit (key) where set_slots is not null"
]

const millisBetween = (from: string, to: string) => `(extract(epoch from ${to} - ${from}) * 1000)::float8`

/**
 * How many tasks of the key `k` may start now, by its rate and its back-off: null for any number. If none may, `wait` says
 * for how many milliseconds.
 *
 * In no window of `rate_per` start more than `rate_limit` tasks and those of one second. Half of that second is for starts
 * that make up for a late one, and for the time from the answer to the beginning of the step; the rest is for fractions.
 * With less than one start a second nothing is left of it: then starts are a little further apart.
 *
 * `ahead` is how much of the rate is used up. If it is more than starts could have made it, the clock was set back, or the
 * rate was slower before: then one task may start, and all begins anew.
 */
const startsFunction =
  `create or replace function pg_task_starts(k text, out most int, out wait float8, out at timestamptz, out ahead float8,
  out pace float8) language plpgsql as $$
declare
  l record;
  held timestamptz;
  leeway float8 := 0;
begin
  at := clock_timestamp();
  select max(held_until) into held from pg_task_limit where key in (k, split_part(k, ':', 1));
  if held > at then
    most := 0;
    wait := ${millisBetween("at", "held")};
    return;
  end if;
  select rate_limit, rate_per, next_at into l from pg_task_limit where key = k;
  if l.rate_limit is null then return; end if;
  pace := l.rate_per / l.rate_limit;
  if pace > 1000 then
    pace := pace + ${longestStart}::float8 / l.rate_limit;
  else
    leeway := least(${leeway}, l.rate_per / 4);
  end if;
  ahead := greatest(coalesce(${millisBetween("at", "l.next_at")}, 0), 0);
  if ahead > leeway + pace + 1 then ahead := leeway; end if;
  most := least(greatest(floor((leeway - ahead) / pace) + 1, 0), 1000);
  wait := greatest(ahead - leeway, 0);
end $$`

/** Moves the time of the key `k` on, by `taken` starts. */
const noteStarts = `update pg_task_limit set next_at = s.at + (s.ahead + taken * s.pace) * interval '1 millisecond'
      where key = k and taken > 0 and s.pace is not null`

/**
 * Rows that a worker has claimed are about to start: each needs a slot of its key, and a moment of its rate. The answer is
 * that of `pg_task_enter`. A row that is `in` has taken its moment, and starts at once, also from the quarantine. Any
 * other one that is still the worker's leaves it, and waits at the door.
 *
 * Rows that hold a slot are the first. What is left then decides how many others get one, the oldest ones.
 */
const beginFunction =
  `create or replace function pg_task_begin(ids uuid[], tokens uuid[], keys text[], counts int[], limits int[],
  pers float8[]) returns table (id uuid, state text, slot int, task text, tag text, quarantined boolean)
language plpgsql ${byIndex} as $$
#variable_conflict use_column
declare
  ${declarePatience}
  mine constant text[] := pg_task_lock_keys(keys);
  r record;
  s record;
  k text;
  taken int;
  done uuid[] := '{}';
begin
  ${beBrief}
  ${
    noteLimits(
      "unnest(keys, counts, limits, pers) with ordinality as u(key, slots, rate, per, n)",
      "nullif(u.rate, 0)",
      "nullif(u.per, 0)"
    )
  }
  ${markKnocking}
  for turn in 1..2 loop
    foreach k in array mine loop
      select * into s from pg_task_starts(k);
      if ${isPaused("k")} then s.most := 0; end if;
      taken := 0;
      for r in select t.ctid, t.id, t.slot from unnest(ids, tokens, keys) as u(id, token, key)
        join pg_task t on t.id = any(array[u.id])
        where u.key = k and t.lease_token = u.token and t.is_running and t.limit_key = k
          and (t.slot > 0 or turn = 2) and t.id <> all(done)
        order by t.wakeup_at for no key update of t skip locked
      loop
        id := r.id;
        slot := nullif(r.slot, 0);
        state := case when slot is not null and (s.most is null or taken < s.most) then 'in' else 'out' end;
        if state = 'in' then
          taken := taken + 1;
          done := done || r.id;
        else
          update pg_task t set slot = null, is_running = false, lease_token = null, lease_until = null,
            updated_at = now()
          where t.ctid = r.ctid;
        end if;
        return next;
      end loop;
      ${noteStarts};
    end loop;
    if turn = 1 then
      ${giveToOldest}
    end if;
  end loop;
  ${endBrief}
end $$`

/** Those of some keys whose rows wait at the door for nothing but a moment, and for how many milliseconds. */
const nextFunction =
  `create or replace function pg_task_next(keys text[]) returns table (key text, wait float8) language plpgsql as $$
#variable_conflict use_column
declare
  k text;
  s record;
begin
  for k in select distinct u.key from unnest(keys) as u(key) loop
    select * into s from pg_task_starts(k);
    key := k;
    wait := s.wait;
    if s.most = 0 and not ${isPaused("k")} and exists (
      select from pg_task t where t.limit_key = k and t.slot is null and ${isOpen} and t.wakeup_at <= now()
    ) then
      return next;
    end if;
  end loop;
end $$`

/** Rows of a task that is paused, and don't run, give their slots back, and wait at the door. */
const sendTaskBackFunction =
  `create or replace function pg_task_send_task_back(name text) returns void language plpgsql as $$
declare
  ${declarePatience}
begin
  ${beBrief}
  begin
    update pg_task t set slot = null, updated_at = now()
    where t.task = name and t.slot > 0 and not t.is_running and ${isOpen};
  exception when lock_not_available or deadlock_detected then
    -- Others hold some of them: these slots go to others after a while, see takeSlotsBack.
    null;
  end;
  ${endBrief}
end $$`

/** For databases where functions are not granted to everybody by default. */
const grants: ReadonlyArray<string> = [
  "grant execute on function pg_task_starts(text) to public",
  "grant execute on function pg_task_begin(uuid[], uuid[], text[], int[], int[], float8[]) to public",
  "grant execute on function pg_task_next(text[]) to public",
  "grant execute on function pg_task_send_task_back(text) to public",
  "grant execute on function pg_task_pauses_changed() to public"
]

/** The functions of migration 12 ask for rates from now on. */
export const createRates: ReadonlyArray<string> = [
  addColumns,
  ...createIndexes,
  startsFunction,
  ...giveFunctions,
  enterFunction,
  beginFunction,
  nextFunction,
  sendTaskBackFunction,
  ...createSendBack,
  ...createPauses,
  ...grants
]
