/**
 * Looks after schedules: starts what a tick starts, and moves the schedule to its next tick, in one transaction. While it
 * does so it holds the row's lock, and other workers pass over it. So a tick happens once, without a leader and without
 * leases: if this worker crashes, nothing was done. It has a fiber of its own, so no backlog delays it.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { RecurringDefinition } from "../definition/recurring.ts"
import { newSchedule } from "../definition/schedule.ts"
import { serverTime } from "../sql/claim.ts"
import { failureKindOf, messageOf } from "../sql/errors.ts"
import { type DueSchedule, ensureSchedule, lockDue, storeTicked, untilNextTick } from "../sql/schedules.ts"
import { transact } from "../sql/transact.ts"
import { toPostgresText } from "../attempt/causeText.ts"
import type { Database } from "./database.ts"
import type { WorkerMetrics } from "./metrics.ts"
import { Signal } from "./signal.ts"
import { startTicks } from "./startTicks.ts"
import { type Planned, planTicks } from "./tickPlan.ts"

/** The pause after a notification: most of them are about other rows. */
const debounce = "50 millis"

/** Schedules in one transaction. */
const maxBatch = 200

export interface TickerOptions {
  readonly sql: SqlClient
  readonly database: Database
  readonly metrics: WorkerMetrics
  readonly recurring: ReadonlyMap<string, RecurringDefinition>
}

export class Ticker {
  private readonly options: TickerOptions
  private readonly signal = new Signal()
  private readonly names: ReadonlyArray<string>
  /** The rest of a batch that failed is worked on one by one: then the one at fault is known. */
  private alone = 0

  constructor(options: TickerOptions) {
    this.options = options
    this.names = [...options.recurring.keys()]
  }

  /** Something may be due. */
  look(): void {
    this.signal.set()
  }

  /** Works until its fiber is interrupted. */
  run(pollInterval: () => number): Effect.Effect<never> {
    if (this.names.length === 0) return Effect.never
    return Effect.andThen(
      this.persist(this.ensureAll),
      Effect.forever(Effect.suspend(() => this.turn(pollInterval())))
    )
  }

  private turn(pollInterval: number): Effect.Effect<unknown> {
    const { sql } = this.options
    return Effect.flatMap(this.persist(untilNextTick(sql, this.names, pollInterval)), (wait) => {
      if (wait !== undefined && wait <= 0) return this.persist(this.batch)
      const sleep = Math.min(wait === undefined ? Infinity : Math.ceil(wait), pollInterval)
      return Effect.flatMap(this.signal.wait(sleep), (signalled) => signalled ? Effect.sleep(debounce) : Effect.void)
    })
  }

  /** What is refused though the database is there is said, and tried again. */
  private persist<A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A> {
    return this.options.database.retryingUnless(effect, (error) => failureKindOf(error) !== "Database").pipe(
      Effect.catch((error) =>
        Effect.logWarning(`The schedules could not be looked after, and are tried again: ${messageOf(error)}`).pipe(
          Effect.andThen(Effect.sleep("1 second")),
          Effect.andThen(this.persist(effect))
        )
      )
    )
  }

  /** The own schedule of each recurring task, unless a newer program has stored it. */
  private get ensureAll(): Effect.Effect<void, SqlError> {
    const { recurring, sql } = this.options
    return Effect.flatMap(serverTime(sql), (now) =>
      Effect.forEach(recurring.values(), (definition) => {
        const { name, spec, version } = definition
        if (spec === undefined) return Effect.void
        return Effect.catchIf(
          ensureSchedule(sql, newSchedule(definition, name, { now, spec, version }), version),
          (error) => failureKindOf(error) === "Data",
          (error) => Effect.logWarning(`The schedule "${name}" can't be read or stored: ${messageOf(error)}`)
        )
      }, { discard: true }))
  }

  private get batch(): Effect.Effect<void, SqlError> {
    return Effect.suspend(() => {
      const limit = this.alone > 0 ? 1 : maxBatch
      let locked: ReadonlyArray<DueSchedule> = []
      return this.tick(limit, (rows) => {
        locked = rows
      }).pipe(
        Effect.map(() => {
          if (this.alone > 0) this.alone--
        }),
        Effect.catchIf(
          (error) => failureKindOf(error) === "Data" && locked.length > 0,
          (error) => this.afterRefusal(locked, error)
        )
      )
    })
  }

  /** Postgres refuses what a tick writes: works on them one by one, and parks the one at fault. */
  private afterRefusal(locked: ReadonlyArray<DueSchedule>, error: SqlError): Effect.Effect<void, SqlError> {
    const [only] = locked
    if (locked.length > 1 || only === undefined) {
      this.alone = locked.length
      return Effect.void
    }
    const text = toPostgresText(`The tick could not be stored: ${messageOf(error)}`)
    return storeTicked(this.options.sql, [{ id: only.id, step: only.step, due: only.now, error: text }])
  }

  private tick(
    limit: number,
    onLocked: (rows: ReadonlyArray<DueSchedule>) => void
  ): Effect.Effect<void, SqlError> {
    const { metrics, recurring, sql } = this.options
    const transaction = Effect.gen({ self: this }, function*() {
      const rows = yield* lockDue(sql, this.names, limit)
      onLocked(rows)
      if (rows.length === 0) return []
      const planned = yield* Effect.forEach(rows, (row) => planTicks(recurring.get(row.task)!, row))
      return yield* startTicks(sql, planned)
    })
    return Effect.flatMap(
      transact(sql, transaction),
      (planned) => Effect.forEach(planned, (plan) => report(metrics, plan), { discard: true })
    )
  }
}

/** Once it is committed. */
const report = (metrics: WorkerMetrics, { error, missed, name, overlapped, started }: Planned): Effect.Effect<void> =>
  Effect.suspend(() => {
    metrics.ticked(name, "started", started)
    metrics.ticked(name, "missed", missed)
    metrics.ticked(name, "overlapped", overlapped)
    return error === null ? Effect.void : Effect.logError(`Parked the schedule of "${name}": ${error}`)
  })
