/** The statements about limits: see limitSchema.ts for how a row waits for a slot. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import type { BackOff } from "./backOff.ts"
import { isAtDoor, isPaused, setSlotsOf } from "./limitSchema.ts"
import { type KnownTask, knownTasks, namesAndTags } from "./known.ts"
import { notDurable, query, queryAlone, type Rows } from "./query.ts"
import { millisUntil } from "./time.ts"

/** So many starts in so many milliseconds. */
export interface RateOfRow {
  readonly limit: number
  readonly per: number
}

/** The limit of a row: its key, and how many rows of this key may run at the same time. */
export interface LimitOfRow {
  /** The name of the limit, or `name:key`. */
  readonly key: string
  readonly slots: number
  readonly rate?: RateOfRow | undefined
}

/** The name of the limit of a key. */
export const limitNameOf = (key: string): string => {
  const colon = key.indexOf(":")
  return colon < 0 ? key : key.slice(0, colon)
}

/** A claimed row that asks for a slot. */
export interface Entering extends LimitOfRow {
  readonly id: TaskId
  readonly token: string
}

/** What a row that got a slot says of itself. */
export interface GrantedRow {
  readonly task: string | null
  /** The tag of its state. */
  readonly tag: string | null
  readonly quarantined: boolean | null
}

export interface EnteredRow extends GrantedRow {
  readonly id: TaskId
  /** See `pg_task_enter`. */
  readonly state: "in" | "out" | "locked" | "granted"
  readonly slot: number | null
}

/** A key whose rows wait for the next moment of its rate, or for the end of a back-off, in so many milliseconds. */
export interface NextMoment {
  readonly state: "later"
  readonly key: string
  readonly wait: number
}

const columnsOf = (rows: ReadonlyArray<Entering>) => [
  rows.map(({ id }) => id),
  rows.map(({ token }) => token),
  rows.map(({ key }) => key),
  rows.map(({ slots }) => slots)
]

/** Nothing is lost if the server forgets the commit: the rows ask again, or others do for them. */
const whereNotDurable = `(select ${notDurable} as is_set offset 0) s cross join lateral`

/** Claimed rows ask for slots. */
export const enterLimits = (sql: SqlClient, rows: ReadonlyArray<Entering>): Rows<EnteredRow> =>
  queryAlone(
    sql,
    `select e.* from ${whereNotDurable}
  pg_task_enter(case when s.is_set then $1::uuid[] end, $2::uuid[], $3::text[], $4::int[]) e`,
    columnsOf(rows)
  )

/** Claimed rows are about to start, and ask for a moment of their rate, and for a slot if they have none. */
export const takeMoments = (sql: SqlClient, rows: ReadonlyArray<Entering>): Rows<EnteredRow | NextMoment> =>
  queryAlone(
    sql,
    // The parts of a `union all` are carried out one after the other.
    `select e.*, null::text as key, null::float8 as wait from ${whereNotDurable}
  pg_task_begin(case when s.is_set then $1::uuid[] end, $2::uuid[], $3::text[], $4::int[], $5::int[], $6::float8[]) e
union all select null, 'later', null, null, null, null, n.key, n.wait from pg_task_next($3::text[]) n`,
    [
      ...columnsOf(rows),
      // Not null: drivers can't tell the type of an array of nulls.
      rows.map(({ rate }) => rate?.limit ?? 0),
      rows.map(({ rate }) => rate?.per ?? 0)
    ]
  )

/**
 * What a build says of its limits, for all keys that are known: old rows need not wait until somebody looks at one of
 * their key. No key counts as used by that: those without tasks are deleted after a while.
 */
export const sayLimits = (sql: SqlClient, limits: ReadonlyArray<LimitOfRow>): Rows<unknown> =>
  queryAlone(
    sql,
    `update pg_task_limit l set slots = u.slots, rate_limit = nullif(u.rate, 0), rate_per = nullif(u.per, 0)
from unnest($1::text[], $2::int[], $3::int[], $4::float8[]) as u(name, slots, rate, per)
where split_part(l.key, ':', 1) = u.name and l.slots is not null
  and (l.slots, l.rate_limit, l.rate_per) is distinct from (u.slots, nullif(u.rate, 0), nullif(u.per, 0))`,
    [
      limits.map(({ key }) => key),
      limits.map(({ slots }) => slots),
      limits.map(({ rate }) => rate?.limit ?? 0),
      limits.map(({ rate }) => rate?.per ?? 0)
    ]
  )

/** A row that got a slot, or a key that another session has locked: its slots could not be given. */
export interface Grant extends GrantedRow {
  readonly lockedKey: string | null
}

const grantColumns = `g.task, g.state as tag, g.quarantined, g.locked_key as "lockedKey"`

/** Gives the free slots of some keys to rows that wait for them. */
export const grantSlots = (sql: SqlClient, keys: ReadonlyArray<string>): Rows<Grant> =>
  queryAlone(
    sql,
    `select distinct ${grantColumns} from ${whereNotDurable} pg_task_grant(case when s.is_set then $1::text[] end) g`,
    [keys]
  )

/** The same in a transaction of the caller, perhaps, whose commit it leaves as it is. */
export const grantSlotsDurably = (sql: SqlClient, keys: ReadonlyArray<string>): Rows<Grant> =>
  query(sql, `select distinct ${grantColumns} from pg_task_grant($1::text[]) g`, [keys])

/** The next moments of those of some keys that have a rate, or back off. Asked for after slots were given. */
export const nextMoments = (sql: SqlClient, keys: ReadonlyArray<string>): Rows<NextMoment> =>
  queryAlone(sql, "select 'later' as state, n.key, n.wait from pg_task_next($1::text[]) n", [keys])

/** One worker at a time looks. Nobody waits for the lock, which is held for the one statement. */
const turn = `turn as materialized (
  select pg_try_advisory_xact_lock(71609258::int8 << 32 | 'pg_task'::regclass::oid::int8) as mine
)`

/**
 * Reads one row of each key that has rows at the door (a loose index scan), and the rows that hold its slots. It begins
 * after the key $1, and reads $2 keys at most: the last of these is in the answer, too, so that the next look goes on
 * there.
 */
const openKeys = (first: string) =>
  `keys as (
  select (select limit_key from pg_task where ${isAtDoor} and limit_key > $1 order by limit_key limit (select 1)) as key,
    1 as n${first}
  union all
  select (select limit_key from pg_task where ${isAtDoor} and limit_key > k.key order by limit_key limit (select 1)), n + 1
  from keys k where k.key is not null and n < $2::int
)
select o.key, o.n = $2::int as "isLast", o."isOpen" from (
  select k.key, k.n, f.slots is not null and not ${isPaused("k.key")}
    and coalesce(${setSlotsOf("k.key")}, (select l.slots from pg_task_limit l where l.key = k.key), f.slots)
      > (select count(*) from pg_task h where h.limit_key = k.key and h.slot > 0)
    and (select most from pg_task_starts(k.key)) is distinct from 0 as "isOpen"
  from keys k left join lateral (
    select coalesce(slots, 1) as slots from pg_task where limit_key = k.key and ${isAtDoor} and wakeup_at <= now()
    order by wakeup_at limit (select 1)
  ) f on true
  where k.key is not null
) o where o."isOpen" or o.n = $2::int`

interface SeenKey {
  readonly key: string
  readonly isLast: boolean
  readonly isOpen: boolean
}

/** Keys that have a free slot and a row that waits for it. */
export interface OpenKeys {
  readonly keys: ReadonlyArray<string>
  /** Where to go on. Undefined where that was all. */
  readonly next: string | undefined
}

const toOpenKeys = (rows: ReadonlyArray<SeenKey>): OpenKeys => ({
  keys: rows.filter(({ isOpen }) => isOpen).map(({ key }) => key),
  next: rows.find(({ isLast }) => isLast)?.key
})

/** Whether a row of these tasks waits at the door. Needs no right on the tables of limits. */
export const someAtDoor = (sql: SqlClient, tasks: ReadonlyArray<string>): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    queryAlone<{ found: boolean }>(
      sql,
      `select exists (select from pg_task where task = any($1::text[]) and ${isAtDoor}) as found`,
      [tasks]
    ),
    (rows) => rows[0]!.found
  )

/** The back-offs of now: a notification has not told of each of them, perhaps. */
export const findBackOffs = (sql: SqlClient): Rows<BackOff> =>
  query(
    sql,
    `select key, ${millisUntil("held_until")} as millis from pg_task_limit where held_until > now()`,
    []
  )

/**
 * The keys that have a free slot, and a row at the door that may start now: a crash came between a commit and what follows
 * it, or a hand has deleted, parked or moved the row that held the slot. None while another worker looks.
 */
export const findOpenKeys = (
  sql: SqlClient,
  { after, most }: { readonly after: string; readonly most: number }
): Effect.Effect<OpenKeys, SqlError> =>
  Effect.map(
    queryAlone<SeenKey>(sql, `with recursive ${turn}, ${openKeys(" where (select mine from turn)")}`, [after, most]),
    toOpenKeys
  )

const maxInt = 2 ** 31 - 1

/** All of them, whoever looks. */
export const findAllOpenKeys = (sql: SqlClient): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.map(
    query<SeenKey>(sql, `with recursive ${openKeys("")}`, ["", maxInt]),
    (rows) => toOpenKeys(rows).keys
  )

const keysOf = (rows: Rows<{ readonly key: string }>): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.map(rows, (found) => found.map(({ key }) => key))

/**
 * A row holds its slot, and no worker takes it: there is none that knows it, or its task is paused. While others wait, it
 * gives the slot back, and leaves the door: whoever claims it asks for a slot again. So do those of its key that nobody
 * would take either: each of them would hold a slot for as long.
 */
const unclaimedFor = "interval '30 seconds'"

/** More rows in one statement would hold their locks for longer. */
const maxTaken = 1000

const leave = `limit_key = null, slot = null, slots = null, updated_at = now()`

/** Whether this worker takes a row sooner or later. */
const isOurs = (row: string) =>
  `(${row}.task is null or exists (select from ${
    knownTasks("$1", "$2")
  } where n.task = ${row}.task and coalesce(${row}.state = any(n.tags), true)))`

/**
 * Takes slots back that no attempt will free: those of rows that no worker takes, except rows that this worker takes
 * sooner or later; and those of rows that were parked, or moved into the future, while they ran, and whose worker has
 * crashed since: nobody rescues these. Returns their keys.
 */
export const takeSlotsBack = (
  sql: SqlClient,
  known: ReadonlyArray<KnownTask>
): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  keysOf(
    queryAlone(
      sql,
      `with stuck as materialized (
  select t.ctid, t.limit_key, t.task, t.state, t.error from pg_task t
  where t.slot > 0 and t.ended_at is null and case
    when t.error is not null or t.wakeup_at > now()
      then not t.is_running or coalesce(t.lease_until, t.updated_at) < now() - ${unclaimedFor}
    else not t.is_running and t.updated_at < now() - ${unclaimedFor} and not ${isOurs("t")} and exists (
      select from pg_task w where w.limit_key = t.limit_key and w.slot is null and w.error is null and w.ended_at is null
    ) end
  order by t.limit_key, t.slot limit (select ${maxTaken}) for no key update skip locked
), alike as materialized (
  select a.ctid from (select distinct limit_key, task, state from stuck where error is null) s cross join lateral (
    select ctid from pg_task a where a.task = s.task and a.limit_key = s.limit_key and a.state is not distinct from s.state
      and a.slot is null and a.error is null and a.ended_at is null and not a.is_running
    limit (select ${maxTaken}) for no key update skip locked
  ) a
), freed as (
  update pg_task t set ${leave}
  where ${notDurable} and t.ctid = any(array(select ctid from stuck union all select ctid from alike))
)
select distinct limit_key as key from stuck`,
      namesAndTags(known)
    )
  )
