/** What people see of limits, and do to them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { toTableError } from "../sql/errors.ts"
import * as Statements from "../sql/limitAdmin.ts"
import type { LimitCount } from "../sql/limitCount.ts"

/** A limit, or one key of it. */
export interface Target {
  readonly limit: string | { readonly name: string }
  readonly key?: string | undefined
}

export const nameOf = ({ key, limit }: Target): string => {
  const name = typeof limit === "string" ? limit : limit.name
  return key === undefined ? name : `${name}:${key}`
}

const withSql = <A>(statement: (sql: SqlClient.SqlClient) => Effect.Effect<A, SqlError>) =>
  Effect.flatMap(SqlClient.SqlClient, statement).pipe(Effect.catchTag("SqlError", toTableError))

const timeOrNull = (millis: number | null) => millis === null ? null : Duration.millis(Math.max(Math.round(millis), 0))

const longer = (one: number | null, other: number | null) => one === null ? other : Math.max(one, other ?? 0)

/** The fields of a `Limits.Count`. */
export const countOf = <More extends object>(
  { held, limitHeld, limitPaused, name, oldest, paused, rateLimit, ratePer, running, slots, ...more }: LimitCount & More
) => ({
  ...more,
  limit: name,
  running: slots,
  rate: rateLimit === null || ratePer === null ? null : { limit: rateLimit, per: Duration.millis(ratePer) },
  atWork: running,
  oldest: timeOrNull(oldest),
  paused: paused || limitPaused,
  backOff: timeOrNull(longer(held, limitHeld)),
  itself: { paused, backOff: timeOrNull(held) }
})

export const allLimits = (limit: number) =>
  Effect.map(withSql((sql) => Statements.listLimits(sql, limit)), (found) => found.map(countOf))
export const limitTotals = withSql(Statements.limitTotals)
export const pauseLimit = (target: Target) => withSql((sql) => Statements.pauseLimit(sql, nameOf(target)))
export const resumeLimit = (target: Target) => withSql((sql) => Statements.resumeLimit(sql, nameOf(target)))
