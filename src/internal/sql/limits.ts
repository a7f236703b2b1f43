/** The statements about limits: see limitSchema.ts for how a row waits for a slot. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import { isAtDoor, isPaused } from "./limitSchema.ts"
import type { BackOff } from "./backOff.ts"
import { notDurable, queryAlone, type Rows } from "./query.ts"
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

/** A claimed row that asks for a slot. */
export interface Entering extends LimitOfRow {
  readonly id: TaskId
  readonly token: string
}

export interface EnteredRow {
  /** Null where `state` is `granted`. */
  readonly id: TaskId | null
  /** See `pg_task_enter`. */
  readonly state: "in" | "out" | "locked" | "granted"
  readonly slot: number | null
  readonly task: string | null
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

/** The name of the limit of a key. */
export const limitNameOf = (key: string): string => {
  const colon = key.indexOf(":")
  return colon < 0 ? key : key.slice(0, colon)
}

/** Claimed rows ask for slots. */
export const enterLimits = (sql: SqlClient, rows: ReadonlyArray<Entering>): Rows<EnteredRow> =>
  queryAlone(sql, "select * from pg_task_enter($1::uuid[], $2::uuid[], $3::text[], $4::int[])", columnsOf(rows))

/** The parts of a `union all` are carried out one after the other. */
const nextMoments = (keys: string) =>
  `union all select null, 'later', null, null, n.key, n.wait from pg_task_next(${keys}::text[]) as n`

/** Claimed rows are about to start, and ask for a moment of their rate, and for a slot if they have none. */
export const takeMoments = (sql: SqlClient, rows: ReadonlyArray<Entering>): Rows<EnteredRow | NextMoment> =>
  queryAlone(
    sql,
    `select b.*, null::text as key, null::float8 as wait
from pg_task_begin($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::float8[]) as b
${nextMoments("$3")}`,
    [
      ...columnsOf(rows),
      // Not null: drivers can't tell the type of an array of nulls.
      rows.map(({ rate }) => rate?.limit ?? 0),
      rows.map(({ rate }) => rate?.per ?? 0)
    ]
  )

/**
 * What a build says of its limits, for all keys that are known: old rows need not wait until somebody looks at one of
 * their key.
 */
export const sayLimits = (sql: SqlClient, limits: ReadonlyArray<LimitOfRow>): Rows<unknown> =>
  queryAlone(
    sql,
    `update pg_task_limit l set slots = u.slots, rate_limit = nullif(u.rate, 0), rate_per = nullif(u.per, 0), noted_at = now()
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

/** A row that waited at the door has got a slot. */
export interface GrantedRow {
  readonly state: "granted"
  readonly task: string | null
}

/**
 * Gives the free slots of some keys to rows that wait for them. Returns the tasks of those rows. `timed`: also the
 * next moments of those keys that have a rate, or a back-off.
 */
export const grantSlots = (
  sql: SqlClient,
  keys: ReadonlyArray<string>,
  { timed }: { readonly timed: boolean }
): Rows<GrantedRow | NextMoment> =>
  queryAlone(
    sql,
    `select null::uuid as id, 'granted' as state, null::int as slot, g.task, null::text as key, null::float8 as wait
from (select distinct * from pg_task_grant($1::text[]) as g(task)) g
${timed ? nextMoments("$1") : ""}`,
    [keys]
  )

/** One worker at a time looks. Nobody waits for the lock, which is held for the one statement. */
const turn = `turn as materialized (
  select pg_try_advisory_xact_lock(71609258::int8 << 32 | 'pg_task'::regclass::oid::int8) as mine
)`

/** What a look at all limits finds. */
export interface LimitsLook {
  /** Keys that have a free slot, and a row at the door that may start now. */
  readonly open: ReadonlyArray<string>
  /** The back-offs of now. */
  readonly backOffs: ReadonlyArray<BackOff>
}

/**
 * Looks for free slots that nobody has handed on: a crash came between a commit and what follows it, or a hand has deleted,
 * parked or moved the row that held the slot. One worker at a time does so. It reads one row of each key that has rows at
 * the door (a loose index scan), and the rows that hold its slots. And it looks for back-offs that a notification has not
 * told of.
 */
export const lookAtLimits = (sql: SqlClient): Effect.Effect<LimitsLook, SqlError> =>
  Effect.map(
    queryAlone<{ key: string; held: number | null }>(
      sql,
      `with recursive ${turn}, keys as (
  select (select limit_key from pg_task where ${isAtDoor} order by limit_key limit (select 1)) as key
  where (select mine from turn)
  union all
  select (select limit_key from pg_task where ${isAtDoor} and limit_key > k.key order by limit_key limit (select 1))
  from keys k where k.key is not null
)
select k.key, null::float8 as held from keys k cross join lateral (
  select slots from pg_task where limit_key = k.key and ${isAtDoor} and wakeup_at <= now()
  order by wakeup_at limit (select 1)
) f where k.key is not null and not ${isPaused("k.key")}
  and coalesce((select l.slots from pg_task_limit l where l.key = k.key), f.slots, 1)
    > (select count(*) from pg_task h where h.limit_key = k.key and h.slot > 0)
  and (select most from pg_task_starts(k.key)) is distinct from 0
union all select key, ${millisUntil("held_until")} from pg_task_limit where held_until > now()`,
      []
    ),
    (rows) => ({
      open: rows.flatMap(({ held, key }) => held === null ? [key] : []),
      backOffs: rows.flatMap(({ held, key }) => held === null ? [] : [{ key, millis: held }])
    })
  )

/**
 * A row holds its slot, and no worker takes it: there is none for its task, or the task is paused. While others wait, it
 * gives the slot back, and leaves the door: whoever claims it asks for a slot again.
 */
const unclaimedFor = "interval '30 seconds'"

/** More rows in one statement would hold their locks for longer. */
const maxTaken = 1000

const leave = `limit_key = null, slot = null, slots = null, updated_at = now()`

/**
 * Takes slots back that no attempt will free: those of rows that no worker takes, except rows of `tasks`, which this
 * worker takes sooner or later; and those of parked rows whose worker has crashed. Returns their keys.
 */
export const takeSlotsBack = (
  sql: SqlClient,
  tasks: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.map(
    queryAlone<{ key: string }>(
      sql,
      `with stuck as materialized (
  select t.ctid, t.limit_key from pg_task t
  where t.slot > 0 and t.ended_at is null and case
    when t.error is not null then not t.is_running or t.lease_until < now()
    else not t.is_running and t.updated_at < now() - ${unclaimedFor} and t.task <> all($1::text[]) and exists (
      select from pg_task w where w.limit_key = t.limit_key and w.slot is null and w.error is null and w.ended_at is null
    ) end
  order by t.limit_key, t.slot limit (select ${maxTaken}) for no key update skip locked
), freed as (
  update pg_task t set ${leave} where ${notDurable} and t.ctid = any(array(select ctid from stuck))
)
select distinct limit_key as key from stuck`,
      [tasks]
    ),
    (rows) => rows.map(({ key }) => key)
  )
