/** Claims due rows whenever the pool has room, and otherwise sleeps: until a signal, or until the next row is due. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { troubleOf } from "./database.ts"
import type { Link } from "./link.ts"
import type { Pool } from "./pool.ts"
import { Signal } from "./signal.ts"
import { claim, releaseClaim, untilNextDue } from "./sql.ts"

/** How often a claim looks at all rows again, not only past the last one, while there is much to do. */
const fullScanEvery = 250

/** A full scan may take this share of the time at most: behind a long transaction it wades through dead rows. */
const fullScanShare = 20

/** More rows in one statement would not be cheaper each, and the first would wait for the last. */
const maxClaim = 1000

/** After a claim that failed, doubled with each that fails after it, up to the longest. In milliseconds. */
const failedBackoff = { first: 50, longest: 5000 }

/** A row is due, but another session holds it: look again after this, doubled each time. In milliseconds. */
const lockedBackoff = 10

export interface DispatcherOptions {
  readonly sql: SqlClient
  readonly link: Link
  readonly pool: Pool
  readonly tasks: ReadonlyArray<string>
  /** In milliseconds. */
  readonly lease: number
  readonly now: () => number
  /** The longest sleep, in milliseconds. May change: without notifications it is shorter. */
  readonly pollInterval: () => number
}

export class Dispatcher {
  /** When a claim last succeeded, by the local clock in milliseconds. */
  lastClaim: number | undefined
  /** How long the tasks of the last claim had been due, at most, in milliseconds. */
  lag = 0
  private readonly options: DispatcherOptions
  private readonly signal = new Signal()
  private stopped = false
  /** There may be due rows that we have not claimed. */
  private hungry = true
  private waiting = false
  /** When to look for due rows again at the latest, by the local clock in milliseconds. */
  private dueAt = Infinity
  /** Where the next claim may start, in milliseconds since 1970 by Postgres's clock. */
  private from: number | undefined
  private fullScanAt = 0
  private fullScanTook = 0
  private lockedWait = lockedBackoff
  private failedWait = failedBackoff.first

  constructor(options: DispatcherOptions) {
    this.options = options
  }

  /** Something became ready: look for it. */
  wake(): void {
    this.hungry = true
    this.from = undefined
    this.signal.set()
  }

  /** This worker itself stored something that becomes due in so many milliseconds: nobody else will tell. */
  dueIn(delay: number): void {
    const at = this.options.now() + delay
    if (at >= this.dueAt) return
    this.dueAt = at
    this.signal.set()
  }

  /** The pool has changed. */
  roomChanged(): void {
    if (this.waiting && this.hungry) this.signal.set()
  }

  /** Ends {@link run}, after the claim under way. */
  stop(): void {
    this.stopped = true
    this.signal.set()
  }

  get run(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => !this.stopped,
      body: () => this.turn,
      step: () => {}
    })
  }

  private get turn(): Effect.Effect<unknown> {
    const wanted = this.options.pool.wanted
    if (this.hungry && wanted > 0) return this.claim(Math.min(wanted, maxClaim))
    return this.hungry ? this.waitForRoom : this.sleep
  }

  private get waitForRoom(): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      this.waiting = true
      return Effect.tap(this.signal.wait(), () => Effect.sync(() => (this.waiting = false)))
    })
  }

  /** Sleeps until something becomes ready, until the next row is due, or until the poll. */
  private get sleep(): Effect.Effect<unknown> {
    const { link, now, pollInterval, sql, tasks } = this.options
    return Effect.gen({ self: this }, function*() {
      this.dueAt = Infinity
      const due = yield* link.persist(untilNextDue(sql, tasks))
      const wait = due === undefined ? Infinity : due > 0 ? Math.ceil(due) : this.nextLockedWait()
      this.dueAt = Math.min(this.dueAt, now() + Math.min(wait, pollInterval()))
      while (!this.hungry && !this.stopped && now() < this.dueAt) yield* this.signal.wait(this.dueAt - now())
      this.from = undefined
      this.hungry = true
    })
  }

  private nextLockedWait(): number {
    const wait = this.lockedWait
    this.lockedWait *= 2
    return wait
  }

  private claim(limit: number): Effect.Effect<void> {
    const { lease, link, now, pool, sql, tasks } = this.options
    const token = crypto.randomUUID()
    const startedAt = now()
    const from = this.nextFrom(startedAt)
    this.hungry = false
    return link.once(claim(sql, { tasks, limit, token, lease, from })).pipe(
      Effect.matchEffect({
        onFailure: (error) => this.claimFailed(token, error),
        onSuccess: (rows) =>
          Effect.sync(() => {
            this.lastClaim = now()
            this.failedWait = failedBackoff.first
            this.lag = rows.reduce((longest, row) => Math.max(longest, row.waited), 0)
            if (from === undefined) this.fullScanTook = this.lastClaim - startedAt
            if (rows.length > 0) this.lockedWait = lockedBackoff
            // Fewer than asked for: that was all, unless the dead rows' end was not where we thought it was.
            if (rows.length === limit || from !== undefined) this.hungry = true
            const sorted = [...rows].sort((a, b) => a.due - b.due)
            this.from = rows.length === limit ? sorted.at(-1)?.due : undefined
            pool.admit(sorted, token, this.hungry)
          })
      })
    )
  }

  private nextFrom(now: number): number | undefined {
    const interval = Math.max(fullScanEvery, this.fullScanTook * fullScanShare)
    if (this.from !== undefined && now - this.fullScanAt < interval) return this.from
    this.fullScanAt = now
    return undefined
  }

  private get waitAfterFailure(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { now } = this.options
      const until = now() + this.failedWait
      this.failedWait = Math.min(this.failedWait * 2, failedBackoff.longest)
      return Effect.whileLoop({
        while: () => !this.stopped && now() < until,
        body: () => this.signal.wait(until - now()),
        step: () => {}
      })
    })
  }

  /** The claim may have been carried out all the same: gives back what it took, as soon as the database is back. */
  private claimFailed(token: string, error: SqlError): Effect.Effect<void> {
    const { link, sql } = this.options
    const release = link.persist(Effect.suspend(() => {
      const released = releaseClaim(sql, token)
      // A worker that stops tries once: it must not wait for a database that is away.
      return this.stopped ? Effect.orElseSucceed(released, () => []) : released
    }))
    // A serialization failure is no reason to call the database lost.
    return (troubleOf(error) === "Lock" ? Effect.void : link.noteTrouble(error)).pipe(
      Effect.andThen(release),
      // What refuses claims may let everything else pass: sent again at once, they would be all that this worker does.
      Effect.andThen(this.waitAfterFailure),
      Effect.map(() => this.wake())
    )
  }
}
