/** What people see of limits, and do to them: the statements. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { brakes, hasKey, keyOf, type LimitCount, nameOf, slotsOf } from "./limitCount.ts"
import { isAtDoor } from "./limitSchema.ts"
import { findAllOpenKeys, grantSlotsDurably } from "./limits.ts"
import { notify } from "./notify.ts"
import { query, type Rows } from "./query.ts"
import { ageOrNull } from "./row.ts"
import { sendBack } from "./sendBack.ts"

/**
 * The keys that have rows, are paused, back off, or have a number that somebody has set: those with the most waiting rows
 * first.
 */
export const listLimits = (sql: SqlClient, limit: number): Rows<LimitCount> =>
  query(
    sql,
    `select ${nameOf("k.key")} as name, case when ${hasKey("k.key")} then ${keyOf("k.key")} end as key,
  ${slotsOf("k.key", "k.slots")} as slots, k.holders::float8, k.running::float8, k.waiting::float8,
  ${ageOrNull("k.oldest")} as oldest, ${brakes("k.key")}
from (
  select r.key, max(r.slots) as slots, sum(r.holder) as holders, sum(r.running) as running, sum(r.waiting) as waiting,
    min(r.due) as oldest
  from (
    select limit_key as key, slots, 1 as holder, is_running::int as running, 0 as waiting, null::timestamptz as due
    from pg_task where slot > 0
    union all select limit_key, slots, 0, 0, 1, wakeup_at from pg_task where ${isAtDoor} and wakeup_at <= now()
    union all select name, null, 0, 0, 0, null from pg_task_paused where kind = 'limit'
    union all select key, null, 0, 0, 0, null from pg_task_limit where held_until > now()
    union all select key, null, 0, 0, 0, null from pg_task_limit where set_slots is not null
  ) r group by 1
) k order by k.waiting desc, k.holders desc, k.key limit $1::int`,
    [limit]
  )

export interface LimitTotal {
  readonly name: string
  readonly holders: number
  readonly waiting: number
}

/** How many rows hold slots of each limit, and how many wait, all of its keys together. */
export const limitTotals = (sql: SqlClient): Rows<LimitTotal> =>
  query(
    sql,
    `select ${nameOf("r.key")} as name, sum(r.holders)::float8 as holders, sum(r.waiting)::float8 as waiting from (
  select limit_key as key, count(*) as holders, 0 as waiting from pg_task where slot > 0 group by 1
  union all select limit_key, 0, count(*) from pg_task where ${isAtDoor} and wakeup_at <= now() group by 1
) r group by 1`,
    []
  )

/**
 * No row of the limit, or of the key, gets a slot from now on. Those that hold one and don't run lose it, in statements
 * of their own: these wait for those who have begun to hand on slots before.
 */
export const pauseLimit = (sql: SqlClient, name: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(Effect.andThen(
    query(
      sql,
      "insert into pg_task_paused (kind, name) values ('limit', $1) on conflict (kind, name) do nothing",
      [name]
    ),
    sendBack(sql, name, { waits: true })
  ))

/** Of more keys the workers find out by themselves, within about a second. */
const maxKeys = 50

/** Gives the free slots of a limit, or of one key. */
const handOn = Effect.fnUntraced(function*(sql: SqlClient, name: string): Effect.fn.Return<void, SqlError> {
  const keys = (yield* findAllOpenKeys(sql)).filter((key) => key === name || key.startsWith(`${name}:`))
  yield* grantSlotsDurably(sql, keys.slice(0, maxKeys))
  yield* notify(sql, "")
})

/** Returns whether it was paused, or backed off. */
export const resumeLimit = Effect.fnUntraced(function*(
  sql: SqlClient,
  name: string
): Effect.fn.Return<boolean, SqlError> {
  const resumed = yield* query(
    sql,
    "delete from pg_task_paused where kind = 'limit' and name = $1 returning name",
    [name]
  )
  const backedOff = yield* query(
    sql,
    "update pg_task_limit set held_until = null where key = $1 and held_until > now() returning key",
    [name]
  )
  yield* handOn(sql, name)
  return resumed.length + backedOff.length > 0
})

/** From now on a limit, or a key, has so many slots, whatever the code says. Rows that hold a slot keep it. */
export const setSlots = (sql: SqlClient, name: string, slots: number): Effect.Effect<void, SqlError> =>
  Effect.andThen(
    query(
      sql,
      `insert into pg_task_limit (key, set_slots) values ($1, $2::int)
on conflict (key) do update set set_slots = excluded.set_slots, noted_at = now()`,
      [name, slots]
    ),
    handOn(sql, name)
  )

/** The code's number holds again. Returns whether another one was set. */
export const resetSlots = Effect.fnUntraced(function*(
  sql: SqlClient,
  name: string
): Effect.fn.Return<boolean, SqlError> {
  const reset = yield* query(
    sql,
    "update pg_task_limit set set_slots = null where key = $1 and set_slots is not null returning key",
    [name]
  )
  yield* handOn(sql, name)
  return reset.length > 0
})
