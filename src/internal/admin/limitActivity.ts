/** What people see of limits in tables of any size. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { toTableError } from "../sql/errors.ts"
import * as Statements from "../sql/limitActivity.ts"
import { nameOf, type Target } from "./limits.ts"
import { fieldsOf } from "./row.ts"

const withSql = <A>(statement: (sql: SqlClient.SqlClient) => Effect.Effect<A, SqlError>) =>
  Effect.flatMap(SqlClient.SqlClient, statement).pipe(Effect.catchTag("SqlError", toTableError))

const timeOrNull = (millis: number | null) => millis === null ? null : Duration.millis(Math.max(Math.round(millis), 0))

/** The fields of an `Activity.LimitCount`. */
const countOf = (
  { atLeast, held, holders, name, oldest, paused, rateLimit, ratePer, running, slots, waiting }: Omit<
    Statements.LimitSum,
    "keys" | "pausedKeys"
  >
) => ({
  limit: name,
  running: slots,
  holders,
  atWork: running,
  waiting,
  oldest: timeOrNull(oldest),
  rate: rateLimit === null || ratePer === null ? null : { limit: rateLimit, per: Duration.millis(ratePer) },
  paused,
  backOff: timeOrNull(held),
  atLeast
})

const keyCountOf = ({ key, limitHeld, limitPaused, ...sum }: Statements.KeySum) => ({
  ...countOf(sum),
  key,
  limitPaused,
  limitBackOff: timeOrNull(limitHeld)
})

export const limitSums = (lookAt: number) =>
  Effect.map(
    withSql((sql) => Statements.limitSums(sql, lookAt)),
    (found) =>
      found.map(({ keys, pausedKeys, ...sum }) => ({
        ...countOf(sum),
        key: null,
        limitPaused: sum.paused,
        limitBackOff: timeOrNull(sum.held),
        keys,
        pausedKeys
      }))
  )

export const busiestKeys = (limit: string | undefined, first: number, lookAt: number) =>
  Effect.map(
    withSql((sql) => Statements.busiestKeys(sql, { name: limit ?? null, first, lookAt })),
    (found) => found.map(keyCountOf)
  )

export const keysOf = ({ first, ...options }: Statements.KeyPageOptions) =>
  // One more, to know whether there is another page.
  Effect.map(withSql((sql) => Statements.keysOfLimit(sql, { ...options, first: first + 1 })), (rows) => {
    const found = rows.flatMap((row) => row.key === null ? [] : [keyCountOf(row)])
    const keys = found.slice(0, first)
    const last = found.length > first ? `${options.name}:${keys.at(-1)?.key}` : rows[0]?.last ?? undefined
    return { keys, next: last }
  })

/** In characters: lists show the beginning of texts. */
const maxText = 1000

export const tasksOf = (target: Target, first: number, lookAt: number) =>
  Effect.map(
    withSql((sql) =>
      Effect.zip(
        Statements.countKey(sql, nameOf(target), lookAt),
        Statements.rowsOfKey(sql, nameOf(target), { first, maxText })
      )
    ),
    ([[sum], rows]) => {
      const of = (wanted: boolean) => rows.flatMap(({ holds, ...row }) => holds === wanted ? [fieldsOf(row)] : [])
      return {
        count: { ...keyCountOf(sum!), key: target.key ?? null },
        holders: of(true),
        waiting: of(false)
      }
    }
  )
