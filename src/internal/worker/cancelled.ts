/** Tells tasks that were cancelled from leases that were lost: no worker of either holds the row any more. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { TaskId } from "../../TaskId.ts"
import type { ClaimedTask } from "../attempt/claimedTask.ts"
import type { Database } from "./database.ts"
import { existing } from "../sql/lease.ts"

interface Options {
  readonly sql: SqlClient
  readonly database: Database
  /** In milliseconds. */
  readonly lease: number
  readonly now: () => number
}

/**
 * Those of these rows that somebody has deleted. Only while its lease lasts is that certain: after it, another worker
 * may have taken over the row, and finished it.
 */
export const findCancelled = (
  { lease, database, now, sql }: Options,
  rows: ReadonlyArray<ClaimedTask>
): Effect.Effect<ReadonlySet<TaskId>> =>
  Effect.suspend(() => {
    const ids = rows.filter(({ renewedAt }) => now() - renewedAt < lease).map(({ id }) => id)
    if (ids.length === 0) return Effect.succeed(new Set<TaskId>())
    return database.withTimeout(existing(sql, ids)).pipe(
      Effect.map((found) => {
        const there = new Set(found.map(({ id }) => id))
        return new Set(ids.filter((id) => !there.has(id)))
      }),
      Effect.withTracerEnabled(false),
      // A lost lease is reported in any case.
      Effect.orElseSucceed(() => new Set<TaskId>())
    )
  })
