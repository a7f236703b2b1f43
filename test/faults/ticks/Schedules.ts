/** The schedules of a round, for the suite. */
import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { Schedules } from "../../../src/index.ts"
import { noteClockworks } from "./TickLedger.ts"
import { recurringNames, startSchedules } from "./TickTasks.ts"

const persistent = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>, sql: SqlClient.SqlClient) =>
  effect.pipe(
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.retry(Schedule.spaced("100 millis")),
    Effect.orDie
  )

/** Stores them, and notes their first ticks before any worker can see them. */
export const startTicks = (sql: SqlClient.SqlClient): Effect.Effect<unknown> =>
  persistent(sql.withTransaction(Effect.andThen(startSchedules, noteClockworks(sql))), sql)

/** Pauses them, so that the round can end. What they have started goes on. */
export const endTicks = (sql: SqlClient.SqlClient): Effect.Effect<unknown> =>
  persistent(Effect.forEach(recurringNames, (name) => Schedules.pause(name)), sql)
