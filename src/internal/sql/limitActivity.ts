/**
 * What people see of limits in tables of any size: each statement follows an index, and stops after a given number of
 * rows. See limitSchema.ts for what the rows of a limit are.
 */
import type { SqlClient } from "effect/sql/SqlClient"
import { planned } from "./bounded.ts"
import { brakes, hasKey, isPausedItself, keyOf, type LimitCount, nameOf, notedOf, slotsOf } from "./limitCount.ts"
import { isAtDoor } from "./limitSchema.ts"
import { namesIn, orderOfUnnamed, parts } from "./page.ts"
import { query, type Rows } from "./query.ts"
import { type AdminRow, ageOrNull, columnsOf } from "./row.ts"

/** There may be more of them: counting stopped at the limit. */
interface Bounded {
  readonly atLeast: boolean
}

export interface LimitSum extends Omit<LimitCount, "key" | "limitPaused" | "limitHeld">, Bounded {
  /** How many keys were seen, and how many keys are paused. */
  readonly keys: number
  readonly pausedKeys: number
}

export interface KeySum extends LimitCount, Bounded {
  readonly key: string
}

const door = parts.find(({ name }) => name === "limited")!

const holds = "slot > 0"
const waits = `${isAtDoor} and wakeup_at <= now()`

/**
 * The rows that have waited longest, `$1` of each task; as many that hold slots; what is paused; and the keys whose number
 * somebody has set. `capped`: there may be more.
 */
const sample = `with recursive ${namesIn(door)}, seen as materialized (
  (select r.* from ${door.name} n cross join lateral (
    select t.limit_key as key, t.slots, 0 as holder, 0 as running, 1 as waiting, t.wakeup_at as due, t.task,
      false as paused
    from pg_task t where t.task = n.task and ${waits} order by t.wakeup_at limit $1::int
  ) r where n.task is not null)
  union all (
    select t.limit_key, t.slots, 0, 0, 1, t.wakeup_at, null, false from pg_task t where t.task is null and ${waits}
    ${orderOfUnnamed("order by t.wakeup_at")} limit $1::int
  ) union all (
    select limit_key, slots, 1, is_running::int, 0, null, null, false from pg_task where ${holds}
    order by limit_key, slot limit $1::int
  ) union all (select name, null, 0, 0, 0, null, null, true from pg_task_paused where kind = 'limit' limit $1::int)
  union all (select key, null, 0, 0, 0, null, null, false from pg_task_limit where set_slots is not null limit $1::int)
), capped as materialized (
  select coalesce(bool_or(c.seen >= $1::int), false) as capped
  from (select count(*) as seen from seen group by task, holder, waiting, paused) c
)`

const sums = "sum(s.holder)::float8 as holders, sum(s.running)::float8 as running, sum(s.waiting)::float8 as waiting"
const oldest = `${ageOrNull("min(s.due)")} as oldest`

/** What was seen of each limit, all of its keys together. */
export const limitSums = (sql: SqlClient, lookAt: number): Rows<LimitSum> =>
  planned(
    sql,
    query(
      sql,
      `${sample}
select l.name, l.holders, l.running, l.waiting, l.oldest, l.keys, l."pausedKeys", l.capped as "atLeast",
  ${slotsOf("l.name", "l.slots")} as slots, ${isPausedItself("l.name")} as paused,
  ${notedOf("l.name")}
from (
  select ${nameOf("s.key")} as name, ${sums}, ${oldest}, bool_or(c.capped) as capped,
    max(s.slots) filter (where not ${hasKey("s.key")}) as slots,
    (count(distinct s.key) filter (where ${hasKey("s.key")} and s.holder + s.waiting > 0))::float8 as keys,
    (count(*) filter (where ${hasKey("s.key")} and s.paused))::float8 as "pausedKeys"
  from seen s cross join capped c group by 1
) l order by l.name`,
      [lookAt]
    )
  )

/** The keys of which most of the rows wait that have waited longest. */
export const busiestKeys = (
  sql: SqlClient,
  { first, lookAt, name }: { readonly name: string | null; readonly first: number; readonly lookAt: number }
): Rows<KeySum> =>
  planned(
    sql,
    query(
      sql,
      `${sample}
select ${nameOf("k.key")} as name, ${keyOf("k.key")} as key, ${
        slotsOf("k.key", "k.slots")
      } as slots, k.holders, k.running,
  k.waiting, k.oldest, k.capped as "atLeast", ${brakes("k.key")}
from (
  select s.key, max(s.slots) as slots, bool_or(c.capped) as capped, ${sums}, ${oldest} from seen s cross join capped c
  where ${hasKey("s.key")} and ($2::text is null or ${nameOf("s.key")} = $2) group by s.key
  order by sum(s.waiting) desc, sum(s.holder) desc, s.key limit $3::int
) k order by k.waiting desc, k.holders desc, k.key`,
      [lookAt, name, first]
    )
  )

/** More keys in one look would take too long. Those of other limits may be among them: collations differ. */
const maxKeys = 20_000

/** The next key that has rows, is paused, or has a number that somebody has set. */
const nextKey = (after: string) =>
  `least(
    (select limit_key from pg_task where ${isAtDoor} and limit_key > ${after} order by limit_key limit (select 1)),
    (select limit_key from pg_task where ${holds} and limit_key > ${after} order by limit_key limit (select 1)),
    (select name from pg_task_paused where kind = 'limit' and name > ${after} order by name limit (select 1)),
    (select key from pg_task_limit where set_slots is not null and key > ${after} order by key limit (select 1))
  )`

/** What a key has, `limit` rows of each kind at most. `k.key` is the key. */
const countsOfKey = (limit: string) =>
  `cross join lateral (
    select count(*)::float8 as holders, (count(*) filter (where is_running))::float8 as running, max(slots) as slots
    from (select is_running, slots from pg_task where limit_key = k.key and ${holds} order by slot limit ${limit}::int) h
  ) h cross join lateral (
    select count(*)::float8 as waiting, min(wakeup_at) as due, max(slots) as slots from (
      select wakeup_at, slots from pg_task where limit_key = k.key and ${waits} order by wakeup_at limit ${limit}::int
    ) w
  ) w`

const keyColumns = (limit: string) =>
  `${nameOf("k.key")} as name, ${keyOf("k.key")} as key, ${slotsOf("k.key", "greatest(h.slots, w.slots)")} as slots,
    h.holders, h.running, w.waiting, ${
    ageOrNull("w.due")
  } as oldest, greatest(w.waiting, h.holders) >= ${limit} as "atLeast",
    ${brakes("k.key")}`

/** One key, or a limit without keys. */
export const countKey = (sql: SqlClient, key: string, lookAt: number): Rows<KeySum> =>
  planned(
    sql,
    query(
      sql,
      `select ${keyColumns("$2")} from (select $1::text as key) k ${countsOfKey("$2")}`,
      [key, lookAt]
    )
  )

export interface KeyPageOptions {
  readonly name: string
  /** Where the page before has stopped: the name of a limit with a key. */
  readonly after: string | undefined
  readonly first: number
  readonly lookAt: number
}

/**
 * Keys of one limit in their order, each found by an index (a loose index scan). `last`: the key at which the page has
 * stopped to look, perhaps of another limit.
 */
export const keysOfLimit = (
  sql: SqlClient,
  { after, first, lookAt, name }: KeyPageOptions
): Rows<{ readonly last: string | null } & (KeySum | { readonly key: null })> =>
  planned(
    sql,
    query(
      sql,
      `with recursive k as (
  select $2::text as key, 0 as looked, 0 as found
  union all
  select n.key, k.looked + 1, k.found + (${nameOf("n.key")} = $1)::int
  from k cross join lateral (select ${nextKey("k.key")} as key) n
  where n.key is not null and k.looked < ${maxKeys} and k.found < $3::int
)
select e.last, r.* from (
  select (select case when looked = ${maxKeys} then key end from k order by looked desc limit 1) as last
) e left join lateral (
  select ${keyColumns("$4")} from k ${countsOfKey("$4")}
  where k.looked > 0 and ${nameOf("k.key")} = $1 and ${hasKey("k.key")} order by k.looked
) r on true`,
      [name, after ?? `${name}:`, first, lookAt]
    )
  )

export interface LimitedRow extends AdminRow {
  readonly holds: boolean
}

/** The rows that hold slots of a key, and those that get them next, in their order. */
export const rowsOfKey = (
  sql: SqlClient,
  key: string,
  { first, maxText }: { readonly first: number; readonly maxText: number }
): Rows<LimitedRow> =>
  planned(
    sql,
    query(
      sql,
      `select p.holds, ${columnsOf("$3::int")} from (
  (select id, true as holds, slot from pg_task where limit_key = $1 and ${holds} order by slot limit $2::int)
  union all
  (select id, false, 0 from pg_task where limit_key = $1 and ${waits} order by wakeup_at limit $2::int)
) p join pg_task t on t.id = p.id order by p.holds desc, p.slot, t.wakeup_at`,
      [key, first, maxText]
    )
  )
