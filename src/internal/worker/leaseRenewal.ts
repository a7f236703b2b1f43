/** Renews the leases of the rows that this worker holds. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { annotationsOf, type ClaimedTask } from "../attempt/claimedTask.ts"
import { messageOf, failureKindOf } from "../sql/errors.ts"
import type { Claimable } from "./pauses.ts"
import { renewLeases, type RenewedRow } from "../sql/lease.ts"
import type { Database } from "./database.ts"
import type { WorkerMetrics } from "./metrics.ts"
import type { Pool } from "./pool.ts"
import type { KeptHistories } from "../sql/history.ts"

export interface LeaseOptions {
  readonly sql: SqlClient
  readonly database: Database
  readonly pool: Pool
  readonly metrics: WorkerMetrics
  readonly tasks: ReadonlyArray<string>
  readonly pauses: Claimable
  /** In milliseconds. */
  readonly lease: number
  readonly maxCrashes: number
  /** The tasks that keep a history. */
  readonly kept: KeptHistories
  readonly now: () => number
  /** How often to look, if nothing says when, in milliseconds. */
  readonly pollInterval: number
}

/** A row that waits in the buffer for longer is given back, for other workers to take. In milliseconds. */
const maxBufferAge = 1000

/** Leases to renew with one statement. */
const renewBatch = 1000

/** Ticks are this many times as frequent while a lease could not be renewed. */
const urgency = 4

/** Renewals that wait for their answer. */
const maxUnderway = 3

/**
 * Renews every lease of which a third is over, in batches, forever. Steps that end sooner cost nothing. What fails is
 * tried again at the next tick, much sooner than another worker may rescue the rows (see leaseRescue.ts). A renewal
 * that hangs on a silent connection does not hold up the next one, which takes another connection.
 *
 * After a connection was lost all leases are renewed, also young ones: a standby that was promoted may not know of
 * their last renewal, and then other workers take them for expired.
 */
export const keepLeases = (options: LeaseOptions): Effect.Effect<never> => {
  const { lease, database, now, pool } = options
  const tick = Math.min(maxBufferAge, lease / 6)
  let underway = 0
  let renewedLosses = database.losses
  const renewOld = Effect.suspend(() => {
    const { losses } = database
    const isOld = (claimed: ClaimedTask) => losses > renewedLosses || now() - claimed.renewedAt >= lease / 3
    const old = [...pool.held.values()].filter(isOld)
    if (old.length === 0) renewedLosses = losses
    if (old.length === 0 || underway === maxUnderway) return Effect.void
    underway++
    const renewing = checkLeases(options, old).pipe(
      Effect.map((kept) => {
        if (kept.length > 0) renewedLosses = Math.max(renewedLosses, losses)
      }),
      Effect.ensuring(Effect.sync(() => underway--))
    )
    return Effect.flatMap(Effect.forkChild(renewing), (fiber) => Effect.timeoutOption(Fiber.join(fiber), tick))
  })
  // Perhaps another session held the row: when it ends, a third of a lease is left to renew.
  const isUrgent = () => [...pool.held.values()].some(({ renewedAt }) => now() - renewedAt >= lease * 2 / 3)
  const rest = Effect.suspend(() => Effect.sleep(isUrgent() ? tick / urgency : tick))
  return Effect.forever(
    rest.pipe(
      Effect.andThen(Effect.sync(() => pool.releaseWaiting(maxBufferAge))),
      Effect.andThen(renewOld)
    )
  )
}

/** Renews these leases, and ends the attempts whose lease is lost. Returns those that are still this worker's. */
export const checkLeases = (
  options: LeaseOptions,
  all: ReadonlyArray<ClaimedTask>
): Effect.Effect<ReadonlyArray<ClaimedTask>> =>
  Effect.map(
    Effect.forEach(
      Array.from({ length: Math.ceil(all.length / renewBatch) }, (_, n) =>
        all.slice(n * renewBatch, (n + 1) * renewBatch)),
      (batch) =>
        renew(options, batch)
    ),
    (kept) => kept.flat()
  )

const renew = (options: LeaseOptions, batch: ReadonlyArray<ClaimedTask>): Effect.Effect<ReadonlyArray<ClaimedTask>> =>
  Effect.suspend(() => {
    const { lease, database, now, sql } = options
    const at = now()
    return Effect.matchEffect(database.withTimeout(renewLeases(sql, batch, lease)), {
      // Only Postgres decides when a lease has expired. Keep the steps running, and retry at the next tick.
      onFailure: (error) => Effect.as(noteFailure(database, "The renewal of leases", error), []),
      onSuccess: (rows) => renewed(options, { batch, rows, at })
    })
  })

const renewed = ({ lease, metrics, now, pool }: LeaseOptions, { at, batch, rows }: {
  readonly batch: ReadonlyArray<ClaimedTask>
  readonly rows: ReadonlyArray<RenewedRow>
  readonly at: number
}): Effect.Effect<ReadonlyArray<ClaimedTask>> => {
  const states = new Map(rows.map(({ id, state }) => [id, state]))
  const stateOf = ({ id }: ClaimedTask) => states.get(id) ?? "gone"
  for (const claimed of batch) if (stateOf(claimed) === "renewed") claimed.renewedAt = Math.max(claimed.renewedAt, at)
  const lost = batch.filter((claimed) =>
    (stateOf(claimed) === "gone" || stateOf(claimed) === "taken") && pool.held.get(claimed.id) === claimed
  )
  // A row that is gone was deleted by somebody, unless its lease has expired: then another worker may have ended it.
  const isCancelled = (claimed: ClaimedTask) => stateOf(claimed) === "gone" && now() - claimed.renewedAt < lease
  for (const claimed of lost) if (isCancelled(claimed)) pool.cancel(claimed.id)
  const taken = lost.filter((claimed) => !isCancelled(claimed))
  // Those that run are counted when their attempt has ended.
  metrics.leasesLost(taken.filter(({ stage }) => stage === "Buffered").length)
  // What is being stored is fenced by its write.
  const interrupted = taken.filter(({ stage }) => stage !== "Storing")
  pool.lose(interrupted.map(({ id }) => id))
  return Effect.as(
    Effect.forEach(interrupted, logLost, { discard: true }),
    batch.filter((claimed) => stateOf(claimed) === "renewed" || stateOf(claimed) === "locked")
  )
}

/** Another worker has the row, or somebody has freed it. */
const logLost = (claimed: ClaimedTask): Effect.Effect<void> =>
  Effect.logWarning("Lease lost: the step was interrupted").pipe(Effect.annotateLogs(annotationsOf(claimed)))

/** Says that a statement failed which is not sent again: a lock or a timeout is no lost database. */
export const noteFailure = (database: Database, what: string, error: SqlError): Effect.Effect<void> =>
  failureKindOf(error) === "Lock"
    ? Effect.logDebug(`${what} met a lock or a timeout, and will be tried again: ${messageOf(error)}`)
    : database.markLost(error)
