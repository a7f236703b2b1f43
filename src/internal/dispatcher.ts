/** Claims due rows whenever the pool has room, and otherwise sleeps: until a signal, or until the next row is due. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { troubleOf } from "./database.ts"
import { Frontier } from "./frontier.ts"
import type { Link } from "./link.ts"
import type { Pool } from "./pool.ts"
import { Signal } from "./signal.ts"
import { claim, type ClaimedRow, claimPastLocks, releaseClaim, untilNextDue } from "./sql.ts"

/** More rows in one statement would not be cheaper each, and the first would wait for the last. */
const maxClaim = 1000

/** After a claim that failed, doubled with each that fails after it, up to the longest. In milliseconds. */
const failedBackoff = { first: 50, longest: 5000 }

/** A row is due, but another session holds it: look again after this, doubled each time. In milliseconds. */
const lockedBackoff = 10

/** Passing over locked rows may be slow: it rests for this many times as long as it took. */
const lockedRest = 10

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
  private readonly frontier: Frontier
  /** Something may be due behind the frontier. */
  private back = true
  private lockedWait = lockedBackoff
  /** How often in a row something was due right after a claim that had not brought it: other sessions hold it. */
  private missed = 0
  /** When to pass over locked rows again at the earliest, by the local clock in milliseconds. */
  private pastLocksAt = 0
  private failedWait = failedBackoff.first

  constructor(options: DispatcherOptions) {
    this.options = options
    this.frontier = new Frontier(options.pollInterval)
  }

  /** Something became ready: look for it. */
  wake(): void {
    this.hungry = true
    this.back = true
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
      const due = yield* link.persist(untilNextDue(sql, tasks, { start: this.frontier.ahead, within: pollInterval() }))
      this.missed = due !== undefined && due <= 0 ? this.missed + 1 : 0
      // Once may be chance: a row that has just become due.
      if (this.missed > 1 && (yield* this.claimPastLocks)) return
      const wait = due === undefined ? Infinity : due > 0 ? Math.ceil(due) : this.nextLockedWait()
      this.dueAt = Math.min(this.dueAt, now() + Math.min(wait, pollInterval()), this.frontier.nextScan)
      while (!this.hungry && !this.stopped && now() < this.dueAt) yield* this.signal.wait(this.dueAt - now())
      this.hungry = true
      this.back = true
    })
  }

  /**
   * A claim looks at a few more rows than it wants. If other sessions hold all of these, it brings nothing. So this one
   * passes over locked rows, however many there are. False when nothing is due behind them.
   */
  private get claimPastLocks(): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function*() {
      const { now, pool, tasks } = this.options
      const limit = Math.min(pool.wanted, maxClaim)
      if (limit === 0) return (this.hungry = true)
      if (now() < this.pastLocksAt) return false
      const startedAt = now()
      for (const task of tasks) {
        if (this.stopped || (yield* this.claimTaskPastLocks(task, limit))) return true
      }
      this.pastLocksAt = now() + (now() - startedAt) * lockedRest
      return false
    })
  }

  /** False when it brought nothing. */
  private claimTaskPastLocks(task: string, limit: number): Effect.Effect<boolean> {
    const { lease, link, now, pool, sql } = this.options
    const token = crypto.randomUUID()
    const claimedAt = now()
    const statement = claimPastLocks(sql, { task, limit, token, lease, from: this.frontier.ahead })
    return Effect.matchEffect(link.once(statement), {
      onFailure: (error) => Effect.as(this.claimFailed(token, error), true),
      onSuccess: (rows) =>
        Effect.sync(() => {
          if (rows.length === 0) return false
          this.noteClaim(rows)
          this.hungry = this.back = true
          pool.admit(rows, token, { full: rows.length === limit, more: true, claimedAt })
          return true
        })
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
    const from = this.frontier.begin(startedAt, this.back)
    this.hungry = false
    this.back = false
    return link.once(claim(sql, { tasks, limit, token, lease, from })).pipe(
      Effect.matchEffect({
        onFailure: (error) => {
          this.frontier.failed(now(), from, now() - startedAt)
          return this.claimFailed(token, error)
        },
        onSuccess: (rows) =>
          Effect.sync(() => {
            const sorted = [...rows].sort((a, b) => a.due - b.due)
            this.claimed(sorted, { from, full: rows.length === limit, startedAt })
            pool.admit(sorted, token, { full: rows.length === limit, more: this.hungry, claimedAt: startedAt })
          })
      })
    )
  }

  private claimed(rows: ReadonlyArray<ClaimedRow>, { from, full, startedAt }: {
    readonly from: number | undefined
    readonly full: boolean
    readonly startedAt: number
  }): void {
    const now = this.noteClaim(rows)
    this.frontier.end({ from, full, last: rows.at(-1)?.due, now, took: now - startedAt })
    if (full) this.hungry = true
    // Fewer than asked for: that was all in front of the frontier, but perhaps not behind it.
    else if (from !== undefined && this.frontier.isCheap) this.hungry = this.back = true
  }

  /** A claim has succeeded, now by the local clock. */
  private noteClaim(rows: ReadonlyArray<ClaimedRow>): number {
    const now = this.options.now()
    this.lastClaim = now
    this.failedWait = failedBackoff.first
    this.lag = rows.reduce((longest, row) => Math.max(longest, row.waited), 0)
    if (rows.length > 0) this.lockedWait = lockedBackoff
    return now
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
