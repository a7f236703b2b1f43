/** What people see of limits, and do to them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { TaskLimitError } from "../../TaskError.ts"
import { isRunning, runningRule } from "../definition/limit.ts"
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
  { held, limitHeld, limitPaused, name, oldest, paused, rateLimit, ratePer, running, setSlots, slots, ...more }:
    & LimitCount
    & More
) => ({
  ...more,
  limit: name,
  running: slots,
  rate: rateLimit === null || ratePer === null ? null : { limit: rateLimit, per: Duration.millis(ratePer) },
  atWork: running,
  oldest: timeOrNull(oldest),
  paused: paused || limitPaused,
  backOff: timeOrNull(longer(held, limitHeld)),
  itself: { paused, backOff: timeOrNull(held), running: setSlots }
})

export const allLimits = (limit: number) =>
  Effect.map(withSql((sql) => Statements.listLimits(sql, limit)), (found) => found.map(countOf))
export const limitTotals = withSql(Statements.limitTotals)
export const pauseLimit = (target: Target) => withSql((sql) => Statements.pauseLimit(sql, nameOf(target)))
export const resumeLimit = (target: Target) => withSql((sql) => Statements.resumeLimit(sql, nameOf(target)))

export const setRunning = (target: Target, running: number) => {
  const name = nameOf(target)
  return isRunning(running)
    ? withSql((sql) => Statements.setSlots(sql, name, running))
    : new TaskLimitError({
      limit: nameOf({ limit: target.limit }),
      message: `The limit ${name} can't have ${String(running)} tasks at work: give ${runningRule}. Nothing was changed`
    })
}

export const resetRunning = (target: Target) => withSql((sql) => Statements.resetSlots(sql, nameOf(target)))
