/** What follows when outcomes were written, or were refused. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { TaskId } from "../../TaskId.ts"
import type { StoredOutcome } from "../attempt/claimedTask.ts"
import { reportAll } from "../attempt/log.ts"
import { findCancelled } from "./cancelled.ts"
import type { Database } from "./database.ts"
import type { WorkerMetrics } from "./metrics.ts"
import type { Pool } from "./pool.ts"

interface Settling {
  readonly sql: SqlClient
  readonly database: Database
  readonly metrics: WorkerMetrics
  readonly now: () => number
  readonly runner: { readonly debug: boolean }
  readonly settings: { readonly lease: number }
}

/** Counts and logs what was stored, and what was refused, before the pool learns of it. */
export const settleWith = ({ database, metrics, now, runner, settings, sql }: Settling, pool: Pool) => {
  const watched = { sql, database, lease: settings.lease, now }
  return (results: ReadonlyArray<StoredOutcome>): Effect.Effect<void> => {
    const refused = results.filter(({ current, outcome }) => !current && outcome._tag !== "Released")
    // Reported first: the next step of a chain is another attempt, and begins as soon as the pool knows.
    const settle = (cancelled?: ReadonlySet<TaskId>) => {
      metrics.leasesLost(refused.filter(({ claimed }) => cancelled?.has(claimed.id) !== true).length)
      const stored = () => pool.stored(results)
      const report = reportAll(results, runner.debug, cancelled)
      return report === undefined ? Effect.sync(stored) : Effect.map(report, stored)
    }
    return refused.length === 0
      ? settle()
      : Effect.flatMap(findCancelled(watched, refused.map(({ claimed }) => claimed)), settle)
  }
}
