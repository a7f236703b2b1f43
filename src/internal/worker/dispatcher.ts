/** Claims due rows whenever the pool has room, and otherwise sleeps: until a signal, or until the next row is due. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { claim, claimBehind, type ClaimedRow, everything, type Found, type Window } from "../sql/claim.ts"
import { codeOf } from "../sql/errors.ts"
import type { Outlook } from "../sql/look.ts"
import type { Claimable } from "./pauses.ts"
import { Calls } from "./calls.ts"
import { type Claimed, ClaimCursor } from "./claimCursor.ts"
import type { Database } from "./database.ts"
import { type Pass, startOfPass } from "./pass.ts"
import type { Poll } from "./poll.ts"
import type { Pool } from "./pool.ts"
import { SkippedNotifications } from "./skippedNotifications.ts"
import { releaseUnanswered, mayHaveRun, timeOnceBack } from "./unanswered.ts"
import type { UnknownStates } from "./unknownStates.ts"
import type { Wakeup } from "./wakeup.ts"
import type { Answers } from "./wakeups.ts"

/** More rows in one statement would not be cheaper each, and the first would wait for the last. */
const maxClaim = 1000

/** After a claim that failed, doubled with each that fails after it, up to the longest. In milliseconds. */
const failedBackoff = { first: 50, longest: 5000 }

/** A row is due, but another session holds it: look again after this, doubled each time. In milliseconds. */
const lockedBackoff = 10

/**
 * Mostly it is the claim of another worker that holds these rows, for a moment. A look behind them reads many rows, so
 * it comes only after more claims in a row than these have found nothing else.
 */
const lockedByClaims = 2

/** A row that has been due for longer was not claimed by any worker that has answered at once. In milliseconds. */
const lateAfter = 20

/** The time between two polls is longer by up to this part of it, so that workers don't poll all at once. */
const pollJitter = 0.1

/** A poll that takes more than this share of the time reads many dead rows: then it is a claim, which avoids them. */
const pollShare = 20

/** More rows would have had too many bytes. */
const fills = (rows: ReadonlyArray<ClaimedRow>, bytes: number): boolean =>
  rows.length > 0 && rows.reduce((sum, row) => sum + row.bytes, 0) >= bytes

export interface DispatcherOptions {
  readonly sql: SqlClient
  readonly database: Database
  readonly pool: Pool
  readonly wakeup: Wakeup
  readonly poll: Poll
  readonly crowd: Answers
  /** Notifies other workers. */
  readonly notifyWorkers: Effect.Effect<void>
  /** The lane of the tasks that it claims: see lanes.ts. */
  readonly lane: number
  readonly tasks: ReadonlyArray<string>
  /** What may be claimed: changes when tasks are paused. */
  readonly pauses: Claimable
  readonly unknownStates: UnknownStates
  /** In milliseconds. */
  readonly lease: number
  readonly now: () => number
  /** The longest sleep, in milliseconds. May change: without notifications it is shorter. */
  readonly pollInterval: () => number
  /** The longest that it may become, in milliseconds. */
  readonly longestPoll: number
}

export class Dispatcher {
  /** When a claim last succeeded, by the local clock in milliseconds. */
  lastClaim: number | undefined
  /** How long the tasks of the last claim had been due, at most, in milliseconds. */
  lag = 0
  private readonly options: DispatcherOptions
  /** There may be due rows that we have not claimed. */
  private mayHaveDueRows = true
  private readonly cursor: ClaimCursor
  /** Something may be due behind the cursor. */
  private back = true
  /** No claim has followed the last sleep. */
  private isPoll = false
  /** The last poll took too long: the next one is a claim. */
  private isPollDear = false
  private jitter = 1
  /** The next claim answers a notification at once. */
  private isAnswer = false
  /** The next look comes after a notification that others have answered at once. */
  private isLate = false
  /** What the last look has found: when the next row is due, and when that was, by the local clock in milliseconds. */
  private outlook = { due: -Infinity, since: -Infinity }
  /** The last claim has found nothing, and others look before this worker: when it is to look, in milliseconds. */
  private leftLook: number | undefined
  private readonly calls: Calls
  /** A dear claim has found nothing: a look for what is due next tells how far the next one need not look. */
  private wadedInVain = false
  private lockedWait = lockedBackoff
  /** While claims pass over rows that other sessions hold. */
  private pass: Pass | undefined
  /** Nothing but such rows is due: wait before the next pass. */
  private passed = false
  /** How many claims in a row have found nothing but such rows in front. */
  private lockedClaims = 0
  /** The last pass took long: the next look at everything is one, too. */
  private manyLocked = false
  private failedWait = failedBackoff.first
  private readonly skipped = new SkippedNotifications()

  constructor(options: DispatcherOptions) {
    this.options = options
    this.cursor = new ClaimCursor(options.pollInterval)
    this.calls = new Calls(options.now)
  }

  /** Claims until its {@link Wakeup} is stopped, and ends after the claim under way. */
  get run(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => !this.options.wakeup.stopped,
      body: () => this.turn,
      step: () => {}
    })
  }

  private get turn(): Effect.Effect<unknown> {
    const { lane, pool, wakeup } = this.options
    if (this.wadedInVain) return this.sleep
    if (wakeup.take()) this.notified()
    if (wakeup.takeBehind()) this.lookAgain()
    if (!this.mayHaveDueRows) return this.leftLook === undefined ? this.sleep : this.leaveLook(this.leftLook)
    const limit = Math.min(pool.seek(lane), maxClaim)
    if (limit > 0) return this.claim(limit)
    if (this.options.now() >= this.calls.at) return this.callOthers
    return wakeup.waitForRoom(Math.min(this.calls.at, pool.lanes.roomAt(lane)))
  }

  /** More rows may be due than this worker has room for, and idle workers may not know. */
  private get callOthers(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { database, lane, notifyWorkers, poll, pool } = this.options
      this.calls.cancel()
      pool.lanes.rest(lane)
      return database.withTimeout(poll.look(this.cursor.ahead, 0)).pipe(
        Effect.flatMap(({ wait }) => {
          if (wait === null || wait > 0) return Effect.void
          this.calls.called()
          return notifyWorkers
        }),
        Effect.catch((error) => database.markLost(error))
      )
    })
  }

  private notified(): void {
    this.isAnswer = true
    this.skipped.notified()
    this.lookAgain()
  }

  /** Rows may be due, in front of the cursor and behind it. */
  private lookAgain(): void {
    this.mayHaveDueRows = true
    this.back = true
  }

  /** Asks what is due next, and sleeps until then, until something becomes ready, or until the poll. */
  private get sleep(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { database, lane, now, poll, pool, wakeup } = this.options
      wakeup.forgetDue()
      pool.lanes.rest(lane)
      this.wadedInVain = false
      this.jitter = 1 + Math.random() * pollJitter
      const startedAt = now()
      const from = this.cursor.ahead
      const horizon = this.options.longestPoll * (1 + pollJitter)
      return Effect.matchEffect(database.withTimeout(poll.look(from, horizon)), {
        onFailure: (error) => this.failed(error, { window: { from, to: undefined }, took: now() - startedAt }),
        onSuccess: (next) => {
          if (this.isPoll) this.polled(now() - startedAt)
          return this.doze(next, from)
        }
      })
    })
  }

  /** Others look at once what is due next. This worker does so later, unless something happens before. */
  private leaveLook(delay: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { lane, pool, wakeup } = this.options
      pool.lanes.rest(lane)
      this.leftLook = undefined
      wakeup.lookIn(delay)
      return this.rest(this.outlook)
    })
  }

  private get pollInterval(): number {
    return this.options.pollInterval() * this.jitter
  }

  private polled(took: number): void {
    this.lastClaim = this.options.now()
    this.lag = 0
    this.isPollDear = took * pollShare > this.options.pollInterval()
  }

  private doze({ at, due: isDue, skipped, wait: due }: Outlook, from: number | undefined): Effect.Effect<void> {
    const { now, unknownStates } = this.options
    if (this.isPoll && due !== null && due <= 0) return this.foundDue(-due)
    unknownStates.seen(isDue)
    const isLocked = due !== null && due <= 0
    // The last claims have looked at a few rows in front, and others hold all of these: what is behind them?
    if (isLocked && !this.passed && this.lockedClaims >= lockedByClaims) {
      return Effect.sync(() => {
        this.pass = startOfPass(from)
        this.mayHaveDueRows = true
      })
    }
    if (!isLocked) this.cursor.seenAll(at)
    const wait = due === null ? Infinity : due > 0 ? Math.ceil(due) : this.nextLockedWait()
    this.passed = false
    this.lockedClaims = isLocked ? this.lockedClaims + 1 : 0
    this.outlook = { due: now() + wait, since: now() }
    return this.rest({ ...this.outlook, again: now() + this.skipped.wait(skipped) })
  }

  /** A row has been due for so many milliseconds. */
  private foundDue(overdue: number): Effect.Effect<void> {
    const { crowd, now } = this.options
    // Those that have answered the notification at once are about to claim it.
    if (this.isLate && overdue < lateAfter && crowd.isLarge) {
      return this.rest({ due: Infinity, since: now(), again: now() + lateAfter * (1 + Math.random()) })
    }
    return Effect.sync(() => {
      if (this.isLate && overdue > lateAfter) crowd.foundLate()
      this.lookAgain()
    })
  }

  /** The poll interval may change meanwhile. */
  private rest(until: { readonly due: number; readonly since: number; readonly again?: number }): Effect.Effect<void> {
    const { now, wakeup } = this.options
    const { again = Infinity, since } = until
    const due = Math.min(until.due, this.cursor.nextScan)
    this.calls.reset()
    return Effect.flatMap(wakeup.sleepUntil({ due, again, poll: since + this.pollInterval }), (why) => {
      if (why === "Poll" && !wakeup.stopped && now() < since + this.pollInterval) return this.rest(until)
      this.isPoll = true
      this.isLate = why === "Look" || (why === "Again" && this.isLate)
      if (why === "Look") this.skipped.notified()
      // A look from the cursor on, or a dear one, doesn't find everything, or not for long: a claim sees to that.
      if (why === "Due" || this.isPollDear || this.cursor.ahead !== undefined) this.lookAgain()
      return Effect.void
    })
  }

  private nextLockedWait(): number {
    const wait = this.lockedWait
    this.lockedWait *= 2
    return wait
  }

  /** Claims at the cursor, or behind the rows that other sessions hold. */
  private claim(limit: number): Effect.Effect<void> {
    const { lane, lease, database, now, pauses, pool, sql, wakeup } = this.options
    const startedAt = now()
    const { pass, window } = this.nextLook(startedAt)
    const options = { tasks: pauses.claimable, limit, bytes: pool.lanes.memory.left, token: crypto.randomUUID(), lease }
    this.mayHaveDueRows = this.isPoll = this.isPollDear = false
    this.isLate = false
    this.leftLook = undefined
    this.calls.cancel()
    const statement = pass === undefined ? claim(sql, options, window) : claimBehind(sql, options, pass.position)
    return Effect.matchEffect(database.withTimeout(statement), {
      onFailure: (error) => this.failed(error, { window, took: now() - startedAt, token: options.token }),
      onSuccess: (found) =>
        Effect.sync(() => {
          const rows = [...found.rows].sort((a, b) => a.due - b.due)
          const full = rows.length === limit || fills(rows, options.bytes)
          const look = { window, full, last: rows.at(-1)?.due, now: now(), took: now() - startedAt }
          const lookIn = this.noteClaim(rows, full)
          if (pass === undefined) this.claimed(look)
          else this.passOn({ ...pass, took: pass.took + look.took }, look, found)
          if (lookIn > 0 && pass === undefined && !this.wadedInVain) this.leftLook = lookIn
          const more = this.mayHaveDueRows || wakeup.isWoken
          pool.admit(rows, options.token, { full, more, claimedAt: startedAt, lane })
        })
    })
  }

  private nextLook(now: number): { readonly window: Window; readonly pass: Pass | undefined } {
    let { pass } = this
    this.pass = undefined
    if (pass !== undefined) return { pass, window: { from: pass.from, to: undefined } }
    const window = this.cursor.begin(now, this.back)
    this.back = false
    if (this.manyLocked && window === everything) pass = startOfPass(undefined)
    return { pass, window }
  }

  /** Returns how long the look for what is due next may wait, in milliseconds. */
  private noteClaim(rows: ReadonlyArray<ClaimedRow>, full: boolean): number {
    const { crowd, now } = this.options
    this.lastClaim = now()
    const lookIn = this.isAnswer ? crowd.answered(rows.length > 0) : 0
    this.isAnswer = false
    if (full && crowd.isLarge) this.calls.filled()
    this.failedWait = failedBackoff.first
    this.lag = rows.reduce((longest, row) => Math.max(longest, row.waited), 0)
    if (rows.length > 0) this.lockedWait = lockedBackoff
    return lookIn
  }

  private claimed(look: Claimed): void {
    if (look.last !== undefined) this.lockedClaims = 0
    this.cursor.end(look)
    this.wadedInVain = look.last === undefined && !this.cursor.isCheap
    if (look.full || this.cursor.goesOn(look.now)) this.mayHaveDueRows = true
    // Fewer than asked for: that was all in front of the cursor, but perhaps not behind it.
    else if (look.window.from !== undefined && this.cursor.isCheap) this.mayHaveDueRows = this.back = true
  }

  private passOn(pass: Pass, { full, last, now }: Claimed, { furthest, next }: Found): void {
    if (full || next !== undefined) this.mayHaveDueRows = true
    if (!full && next !== undefined) {
      this.pass = { ...pass, position: next }
      return
    }
    this.passed = !full
    this.cursor.passed({ from: pass.from, full, last: full ? last : furthest, now, took: pass.took })
    this.manyLocked = !this.cursor.isCheap
  }

  private get waitAfterFailure(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { now, wakeup } = this.options
      const until = now() + this.failedWait
      this.failedWait = Math.min(this.failedWait * 2, failedBackoff.longest)
      return wakeup.restUntil(until)
    })
  }

  /** A look has failed. If it was a claim with this token, it may have been carried out all the same. */
  private failed(error: SqlError, look: {
    readonly window: Window
    readonly took: number
    readonly token?: string
  }): Effect.Effect<void> {
    const { database, lane, now, pool, wakeup } = this.options
    const { took, token, window } = look
    pool.lanes.rest(lane)
    const unanswered = { ...this.options, isStopping: () => wakeup.stopped }
    return Effect.gen({ self: this }, function*() {
      yield* database.markLost(error)
      if (token !== undefined && mayHaveRun(error)) yield* releaseUnanswered(unanswered, token, window.from)
      const serverTime = yield* timeOnceBack(unanswered)
      const cancelled = codeOf(error) === "57014"
      if (serverTime !== undefined) this.cursor.failed({ window, took, cancelled, serverTime, now: now() })
      // A cause that fails every claim may not affect other statements. Without a pause, the worker would do nothing
      // but retry claims.
      yield* this.waitAfterFailure
      this.lookAgain()
    })
  }
}
