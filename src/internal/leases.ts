/** Keeps the leases of what this worker holds, and frees what dead workers left. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { TaskId } from "../TaskId.ts"
import { annotationsOf, type Held } from "./attempt.ts"
import { findCancelled } from "./cancelled.ts"
import type { Link } from "./link.ts"
import type { Meter } from "./meter.ts"
import type { Pool } from "./pool.ts"
import { freeLapsed, maxLapsed, type LapsedRow, renewLeases, untilNextLapse } from "./sql.ts"

export interface LeaseOptions {
  readonly sql: SqlClient
  readonly link: Link
  readonly pool: Pool
  readonly meter: Meter
  readonly tasks: ReadonlyArray<string>
  /** In milliseconds. */
  readonly lease: number
  readonly maxDeaths: number
  readonly now: () => number
  readonly pollInterval: () => number
}

/** A row that waits in the buffer for longer is given back, for other workers to take. In milliseconds. */
const maxBufferAge = 1000

/** Looking for lapsed leases may take this share of the time at most: it reads every due row. */
const scanShare = 20

/** A dead worker may leave a thousand tasks: the log names so many, and counts the rest. */
const maxLogged = 20

/** Leases to renew with one statement. */
const renewBatch = 1000

/** Renews every lease of which a third is over, in batches, forever. Steps that end sooner cost nothing. */
export const keepLeases = (options: LeaseOptions): Effect.Effect<never> => {
  const { lease, now, pool } = options
  const tick = Math.min(maxBufferAge, lease / 6)
  return Effect.forever(
    Effect.andThen(
      Effect.sleep(tick),
      Effect.suspend(() => {
        pool.giveBack(maxBufferAge)
        const old = [...pool.held.values()].filter((held) => now() - held.renewedAt >= lease / 3)
        return renewAll(options, old)
      })
    )
  )
}

const renewAll = (options: LeaseOptions, old: ReadonlyArray<Held>): Effect.Effect<void> =>
  Effect.forEach(
    Array.from(
      { length: Math.ceil(old.length / renewBatch) },
      (_, n) => old.slice(n * renewBatch, (n + 1) * renewBatch)
    ),
    (batch) => renew(options, batch),
    { discard: true }
  )

const renew = (options: LeaseOptions, batch: ReadonlyArray<Held>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { lease, link, now, pool, sql } = options
    const at = now()
    return Effect.matchEffect(link.once(renewLeases(sql, batch, lease)), {
      // Nobody's clock but Postgres's says that a lease is over: go on, and try again at the next tick.
      onFailure: (error) => link.noteTrouble(error),
      onSuccess: (rows) => {
        const kept = new Map(rows.map((row) => [row.id, row.renewed]))
        const lost = batch.filter((held) => !kept.has(held.id) && pool.held.get(held.id) === held)
        for (const held of batch) if (kept.get(held.id) === true) held.renewedAt = at
        if (lost.length === 0) return Effect.void
        return Effect.flatMap(findCancelled(options, lost), (cancelled) => dropAll(options, lost, cancelled))
      }
    })
  })

/** Drops rows that are no longer this worker's. Cancelled ones are logged when their attempt has ended. */
const dropAll = (
  { meter, pool }: LeaseOptions,
  rows: ReadonlyArray<Held>,
  cancelled: ReadonlySet<TaskId>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    // One that was dropped meanwhile, or that this worker has claimed again, is not among them.
    const ours = rows.filter((held) => pool.held.get(held.id) === held)
    for (const held of ours) if (cancelled.has(held.id)) pool.cancel(held.id)
    const lost = ours.filter((held) => !cancelled.has(held.id))
    // Those that run are counted when their attempt has ended.
    meter.leasesLost(lost.filter(({ stage }) => stage === "Buffered").length)
    pool.lose(lost.map((held) => held.id))
    return Effect.forEach(lost.filter((held) => held.stop === "Lost"), logLost, { discard: true })
  })

const logLost = (held: Held): Effect.Effect<void> =>
  Effect.logWarning("Lease lost: the step was interrupted").pipe(
    Effect.annotateLogs(annotationsOf(held))
  )

/** Frees lapsed rows, forever. `onFreed` is called after every look. */
export const freeLapsedRows = (options: LeaseOptions, onFreed: () => void): Effect.Effect<never> => {
  const { lease, link, maxDeaths, meter, now, pollInterval, sql, tasks } = options
  return Effect.forever(Effect.gen(function*() {
    const startedAt = now()
    const freed = yield* link.persist(freeLapsed(sql, { tasks, maxDeaths, lease }))
    meter.leasesTakenOver(freed.length)
    yield* Effect.forEach(freed.slice(0, maxLogged), logFreed, { discard: true })
    if (freed.length > maxLogged) {
      yield* Effect.logWarning(`${freed.length - maxLogged} more stale leases taken over`)
    }
    onFreed()
    // There may be more, of a worker that died with a large buffer.
    if (freed.length === maxLapsed) return
    const lapse = yield* link.persist(untilNextLapse(sql, tasks))
    // A lapse in the past is held by another session, or the server has just started: look again soon.
    const wait = lapse === undefined ? Infinity : lapse > 0 ? lapse + 10 : lease / 6
    const rest = (now() - startedAt) * scanShare
    yield* Effect.sleep(Math.max(Math.min(wait, pollInterval()), rest))
  }))
}

const logFreed = (row: LapsedRow): Effect.Effect<void> =>
  (row.parked
    ? Effect.logError("Parked: its worker died again and again")
    : Effect.logWarning("Stale lease taken over")).pipe(
      Effect.annotateLogs({ task: row.task, id: row.id, deaths: row.deaths })
    )
