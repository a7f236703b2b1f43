/**
 * The rows that a worker holds, and the fibers that run them. Synchronous: every method is called from some fiber's
 * turn and leaves the pool consistent, so there are no locks.
 *
 * A row's way: admitted → buffered → running → storing → gone; or, after `NextStep.now`, buffered again.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { TaskId } from "../../TaskId.ts"
import { toPostgresText } from "../attempt/causeText.ts"
import { type Attempt, ClaimedTask, makeAttempt, type StoredOutcome } from "../attempt/claimedTask.ts"
import {
  endingOf,
  isAsync,
  type Outcome,
  type Released,
  type RowOutcome,
  type Waiting,
  withoutOutcome
} from "../attempt/outcome.ts"
import type { ClaimedRow } from "../sql/claim.ts"
import type { HistoryEntry } from "../sql/history.ts"
import type { LimitOfRow } from "../sql/limits.ts"
import type { Entered } from "../attempt/limit.ts"
import { Lanes } from "./lanes.ts"
import type { Admitted, PoolOptions } from "./poolOptions.ts"
import { Signal } from "./signal.ts"

type Continued = Extract<RowOutcome, { readonly _tag: "Continued" }>

/** Steps to start before other work gets its turn. */
const startsAtOnce = 100

export class Pool {
  readonly held = new Map<TaskId, ClaimedTask>()
  /** Set at every change. */
  readonly changed = new Signal()
  private readonly options: PoolOptions
  readonly lanes: Lanes
  private readonly slotWaiters: Array<() => void> = []
  /** When an attempt last ended, by the local clock in milliseconds. */
  private endedAt = -Infinity
  private running = 0
  /** Slots among these that the quarantine has asked for, and has no row for yet. */
  private reserved = 0
  private storing = 0
  private draining = false
  private pumping = false

  constructor(options: PoolOptions) {
    this.options = options
    this.lanes = new Lanes(options)
  }

  /** How many rows to claim now, of one lane or another; 0 while enough are here. */
  get demand(): number {
    return this.lanes.mostDemand(this.free)
  }

  /** A lane is to claim: how many rows now; 0 until it has room for more. */
  seek(lane: number): number {
    return this.lanes.seek(lane, this.free)
  }

  /** How many slots are free. Undefined while no more rows may come. */
  private get free(): number | undefined {
    const { bufferSize, concurrency } = this.options
    return this.draining || this.storing >= bufferSize + concurrency ? undefined : concurrency - this.running
  }

  get counts(): { readonly buffered: number; readonly running: number; readonly storing: number } {
    return { buffered: this.lanes.size, running: this.running, storing: this.storing }
  }

  /**
   * Rows of one claim, which was sent at `claimedAt`. `full`: as many as it asked for. `more`: another one follows at
   * once.
   */
  admit(rows: ReadonlyArray<ClaimedRow>, token: string, { claimedAt, full, lane = 0, more }: Admitted): void {
    const now = this.options.now()
    const busy = this.running - this.reserved + this.lanes.sizeTo(lane)
    const idle = Math.max(this.options.concurrency - busy, 0)
    // Slots may be free for two reasons: steps have ended since the claim was sent, or the quarantine held a slot and has
    // given it back. Only the first says that steps are short.
    const filled = rows.length >= idle || this.endedAt >= claimedAt
    this.lanes.answered(lane)
    const brought = { rows: rows.length, buffered: rows.length > idle, full: full && filled }
    if (rows.length > 0) this.lanes.claimed(lane, brought)
    for (const row of rows) {
      const claimed = this.register(row, token, now, lane)
      claimed.renewedAt = claimed.slotSince = claimedAt
      if (this.draining) this.store(claimed, { _tag: "Released" })
      else if (this.options.knocks.entersFirst(claimed)) this.knock(claimed, claimed.limit!)
      else this.lanes.addNew(claimed)
    }
    // If another claim follows, it is sent before these steps start. Otherwise they start now.
    if (more) queueMicrotask(() => this.pump())
    else this.pump()
  }

  /** Runs one row in a slot that {@link reserveSlot} got, and calls `onEnd` when its attempt has ended. */
  admitReserved(row: ClaimedRow, token: string, onEnd: () => void): void {
    const claimed = this.register(row, token, this.options.now(), 0)
    claimed.onEnd = () => {
      // Only now its task is known, if the row could be decoded.
      claimed.lane = this.lanes.laneOf(claimed)
      onEnd()
    }
    this.freeReserved()
    if (this.draining) this.store(claimed, { _tag: "Released" })
    else this.start(claimed)
  }

  /** Waits for a free slot, ahead of the buffer: in vain once the pool drains. Must be used, or returned. */
  get reserveSlot(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const granted = () => resume(Effect.void)
      this.slotWaiters.push(granted)
      this.pump()
      return Effect.sync(() => {
        const index = this.slotWaiters.indexOf(granted)
        if (index >= 0) this.slotWaiters.splice(index, 1)
        else this.returnSlot()
      })
    })
  }

  returnSlot(): void {
    this.freeReserved()
    this.pump()
  }

  private freeReserved(): void {
    this.running--
    this.reserved--
  }

  /** Outcomes were written, or were refused: then the row belongs to somebody else. */
  stored(results: ReadonlyArray<StoredOutcome>): void {
    const { afterCommit } = this.options
    this.storing -= results.length
    for (const { claimed, current, outcome } of results) {
      // Also one that was refused: what a lost COMMIT left to others was given back before.
      if (outcome._tag === "Released") afterCommit.left()
      if (current) this.afterStored(claimed, outcome)
      else this.forget(claimed)
    }
    this.pump()
  }

  /** These rows' leases are lost. */
  lose(ids: Iterable<TaskId>): void {
    for (const id of ids) this.loseOne(id, "Lost")
    this.pump()
  }

  private loseOne(id: TaskId, why: "Lost" | "Cancelled"): void {
    const claimed = this.held.get(id)
    // A row that is being stored is fenced by its write.
    if (claimed === undefined || claimed.stage === "Storing") return
    const { attempt } = claimed
    if (attempt !== undefined) attempt.stop = why
    if (attempt?.fiber === undefined) this.forget(claimed)
    else attempt.fiber.interruptUnsafe()
  }

  /** A claimed row. An attempt of ours that still holds it has lost its lease: to us. */
  private register(row: ClaimedRow, token: string, now: number, lane: number): ClaimedTask {
    const claimed = new ClaimedTask(row, token, now, lane)
    this.loseOne(claimed.id, "Lost")
    const before = this.held.get(claimed.id)
    if (before !== undefined) this.lanes.memory.release(before)
    this.held.set(claimed.id, claimed)
    this.lanes.memory.hold(claimed)
    return claimed
  }

  /** A task was cancelled: its row is gone, and its lease with it. */
  cancel(id: string): void {
    this.loseOne(id as TaskId, "Cancelled")
    this.pump()
  }

  /** No more rows: gives back what is only buffered. Running steps go on to their end. */
  drain(): void {
    this.draining = true
    this.releaseWaiting(0)
    this.noteChange()
  }

  /** Gives back the rows that have waited for this many milliseconds, new tasks and chains. Another worker may be idle. */
  releaseWaiting(age: number): void {
    for (const { chains, fresh } of this.lanes.takeWaiting(age)) {
      for (const claimed of fresh) if (this.isHeld(claimed)) this.store(claimed, { _tag: "Released" })
      for (const claimed of chains) {
        // The next step of a chain takes its turn with everybody's: endless chains must not always come first.
        if (this.isHeld(claimed)) this.store(claimed, { _tag: "Released", ...(this.draining ? {} : { delay: 0 }) })
      }
    }
  }

  /** Interrupts every running step. Its row is given back. */
  interruptRunning(): void {
    for (const { attempt } of this.held.values()) {
      if (attempt?.fiber === undefined) continue
      attempt.stop ??= "Released"
      attempt.fiber.interruptUnsafe()
    }
  }

  /** The row needs a slot of its limit before it may run. */
  private knock(claimed: ClaimedTask, limit: LimitOfRow): void {
    claimed.stage = "Storing"
    this.storing++
    this.options.knocks.enter(claimed, limit)
  }

  /** Rows have a slot now, or have left this worker. */
  entered(results: ReadonlyArray<Entered>): void {
    this.storing -= results.length
    for (const { claimed, limit, refused } of results) {
      if (refused !== undefined) this.store(claimed, { _tag: "Rejected", error: toPostgresText(refused) })
      else if (limit === undefined) this.forget(claimed)
      else {
        Object.assign(claimed, { limit, stage: "Buffered", heldSince: this.options.now() })
        if (this.draining) this.store(claimed, { _tag: "Released" })
        else this.lanes.addNew(claimed)
      }
    }
    this.pump()
  }

  private pump(): void {
    if (this.pumping) return
    // A step may end before `start` returns: its slot is then filled by this loop, not by a deeper one.
    this.pumping = true
    // Steps that never wait would keep the event loop, and with it the next claim, until the buffer is empty.
    if (this.fillSlots(startsAtOnce) === "More") setImmediate(() => this.pump())
    this.pumping = false
    this.noteChange()
  }

  private noteChange(): void {
    this.options.metrics.levels(this.counts)
    this.options.wakeup.roomChanged()
    this.changed.set()
  }

  private fillSlots(most: number): "Done" | "More" {
    const { concurrency } = this.options
    for (let started = 0; this.running < concurrency; started++) {
      if (started === most) return "More"
      const waiter = this.draining ? undefined : this.slotWaiters.shift()
      if (waiter !== undefined) {
        this.running++
        this.reserved++
        waiter()
        continue
      }
      const claimed = this.takeBuffered()
      if (claimed === undefined) break
      this.start(claimed)
    }
    return "Done"
  }

  private takeBuffered(): ClaimedTask | undefined {
    for (;;) {
      const claimed = this.lanes.take()
      if (claimed === undefined) return undefined
      if (!this.isHeld(claimed)) continue
      if (!this.isStale(claimed)) return claimed
      this.store(claimed, { _tag: "Released" })
    }
  }

  /** It was not lost, or cancelled, or claimed anew, meanwhile. */
  private isHeld(claimed: ClaimedTask): boolean {
    return this.held.get(claimed.id) === claimed
  }

  /** This process stood still for so long that others may have the row by now. The fence decides whether it is given back. */
  private isStale(claimed: ClaimedTask): boolean {
    return this.options.now() - claimed.renewedAt >= this.options.maxUnrenewed
  }

  private start(claimed: ClaimedTask): void {
    const attempt = makeAttempt(claimed, this.options.now())
    this.running++
    claimed.stage = "Running"
    claimed.attempt = attempt
    claimed.waited += attempt.startedAt - claimed.heldSince
    const fiber = this.options.run(attempt)
    attempt.fiber = fiber
    fiber.addObserver((exit) => {
      attempt.fiber = undefined
      claimed.attempt = undefined
      this.running--
      this.ended(attempt, attempt.outcome ?? withoutOutcome(attempt.stop, exit))
      this.pump()
    })
  }

  private ended(attempt: Attempt, outcome: Outcome): void {
    const { claimed, hasLeft, knocks, startedAt, stop } = attempt
    this.endedAt = this.options.now()
    claimed.onEnd?.()
    claimed.onEnd = undefined
    if (hasLeft) return this.forget(claimed)
    if (knocks !== undefined && stop === undefined) return this.knock(claimed, knocks)
    this.options.metrics.ended(claimed, endingOf(stop, outcome), this.endedAt - startedAt)
    const isGone = stop === "Lost" || stop === "Cancelled"
    claimed.storedAt = this.endedAt
    // The outcome is stored, also where the row was claimed anew, or deleted, before the answer to the COMMIT came.
    if (outcome._tag === "Stored") return this.afterStored(claimed, outcome.outcome, isGone)
    if (isGone) return this.forget(claimed)
    this.store(claimed, this.limitChain(claimed, outcome), this.options.toHistory?.(attempt, outcome))
  }

  /** An outcome is in the row, which may no longer be this worker's by now. */
  private afterStored(claimed: ClaimedTask, outcome: RowOutcome, isGone = false): void {
    const { afterCommit, knocks, metrics, wakeup } = this.options
    metrics.inRow(claimed, outcome)
    afterCommit.committed({ claimed, outcome })
    if (claimed.limit !== undefined) knocks.left(claimed.limit)
    if (outcome._tag === "Continued" && !isGone) return this.advance(claimed, outcome)
    this.forget(claimed)
    if (outcome._tag === "Waiting") return this.afterWaiting(claimed, outcome)
    const moved = outcome._tag === "Retried" || outcome._tag === "Rescheduled"
    if (moved && this.draining) afterCommit.left()
    if (moved) wakeup.dueIn(outcome.delay ?? 0, claimed.lane)
    else if (outcome._tag === "Released") this.afterReleased(claimed, outcome)
  }

  private afterReleased(claimed: ClaimedTask, outcome: Released): void {
    if (outcome.replaced !== undefined) this.options.metrics.replaced(claimed, endingOf(undefined, outcome))
    this.options.wakeup.dueIn(0, claimed.lane)
  }

  /** A row waits from now on. If the answer to the write was lost, it may be due at once. */
  private afterWaiting({ lane }: ClaimedTask, { dueIn }: Waiting): void {
    if (this.draining) this.options.afterCommit.left()
    if (dueIn !== null) this.options.wakeup.dueIn(dueIn ?? 0, lane)
  }

  /** A chain is kept while there is room for it; else its next step takes its turn with everybody's. */
  private limitChain(claimed: ClaimedTask, outcome: RowOutcome): RowOutcome {
    return outcome._tag === "Continued" && (this.draining || !this.lanes.hasRoomForChain(claimed))
      ? { ...outcome, _tag: "Rescheduled", delay: 0 }
      : outcome
  }

  private store(claimed: ClaimedTask, outcome: RowOutcome, history?: HistoryEntry): void {
    claimed.stage = "Storing"
    if ("step" in outcome && this.isHeld(claimed)) this.lanes.memory.hold(claimed, outcome.step)
    this.storing++
    const { asyncOutbox, outbox } = this.options
    Queue.offerUnsafe(
      isAsync(outcome) ? asyncOutbox : outbox,
      history === undefined ? { claimed, outcome } : { claimed, outcome, history }
    )
  }

  private advance(claimed: ClaimedTask, { limit, step }: Continued): void {
    claimed.advance(step, limit)
    if (this.isHeld(claimed)) this.lanes.memory.hold(claimed)
    claimed.stage = "Buffered"
    claimed.heldSince = this.options.now()
    // The write has extended the lease. How long ago, only Postgres knows; at the earliest when it was sent.
    claimed.renewedAt = Math.max(claimed.renewedAt, claimed.storedAt)
    if (this.draining) this.store(claimed, { _tag: "Released" })
    else if (limit !== undefined && limit.rate === undefined) this.knock(claimed, limit)
    else this.lanes.addChain(claimed)
  }

  private forget(claimed: ClaimedTask): void {
    if (!this.isHeld(claimed)) return
    this.held.delete(claimed.id)
    this.lanes.memory.release(claimed)
  }
}
