/**
 * The rows that a worker holds, and the fibers that run them. Synchronous: every method is called from some fiber's
 * turn and leaves the pool consistent, so there are no locks.
 *
 * A row's way: admitted → buffered → running → storing → gone; or, after `NextStep.now`, buffered again.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as MutableList from "effect/MutableList"
import type { TaskId } from "../../TaskId.ts"
import { type ClaimedTask, makeClaimedTask, type StoredOutcome } from "../attempt/claimedTask.ts"
import { Memory } from "./memory.ts"
import { type Ending, endingOf, type Outcome, type RowOutcome, withoutOutcome } from "../attempt/outcome.ts"
import { Prefetch } from "./prefetch.ts"
import type { ClaimedRow } from "../sql/claim.ts"
import { nextTransition } from "../sql/transitions.ts"

export interface PoolOptions {
  readonly concurrency: number
  /** The most rows that wait for a free slot. */
  readonly bufferSize: number
  /** A row whose lease was not renewed for longer may be another worker's. In milliseconds. */
  readonly maxUnrenewed: number
  /** The local clock, in milliseconds. */
  readonly now: () => number
  /** Runs an attempt, and notes its outcome in it. */
  readonly run: (held: ClaimedTask) => Fiber.Fiber<Outcome>
  /** Has an outcome written. The answer comes through {@link Pool.stored}. */
  readonly store: (held: ClaimedTask, outcome: RowOutcome) => void
  /** An attempt ended; so did the lease of the row, if it was lost. */
  readonly onEnd: (held: ClaimedTask, ending: Ending) => void
  /** A row that this worker gave up becomes due in so many milliseconds. */
  readonly onDue: (delay: number) => void
  /** The same, and others must be told: this worker doesn't want it. */
  readonly onLeft: () => void
  /** There is room for more, or nothing left to do. */
  readonly onChange: () => void
}

/** While many chains wait, a new task begins this rarely, in milliseconds. So endless chains can't keep it out. */
const newTaskEvery = 250

/** Steps to start before other work gets its turn. */
const startsAtOnce = 100

export class Pool {
  readonly held = new Map<TaskId, ClaimedTask>()
  private readonly options: PoolOptions
  private readonly prefetch: Prefetch
  /** Claimed and not yet begun. */
  private readonly fresh = MutableList.make<ClaimedTask>()
  /** Tasks whose next step is due at once, behind the others. */
  private readonly chains = MutableList.make<ClaimedTask>()
  private readonly slotWaiters: Array<() => void> = []
  private chainsTurn = false
  /** When a new task last began, by the local clock in milliseconds. */
  private newTaskAt = -Infinity
  private readonly memory = new Memory()
  private running = 0
  /** Slots among these that the quarantine has asked for, and has no row for yet. */
  private reserved = 0
  private storing = 0
  private draining = false
  private pumping = false

  constructor(options: PoolOptions) {
    this.options = options
    this.prefetch = new Prefetch(options)
  }

  /** How many rows to claim now; 0 while enough are here. */
  get demand(): number {
    const { bufferSize, concurrency } = this.options
    if (this.draining || this.storing >= bufferSize + concurrency) return 0
    const idle = concurrency - this.running - this.chains.length
    const ahead = this.memory.isFull ? 0 : this.ahead
    const room = Math.max(idle, 0) + ahead - this.fresh.length
    // Not one by one as slots get free: half a buffer at a time.
    return room > 0 && (idle > this.fresh.length || this.fresh.length * 2 <= ahead) ? room : 0
  }

  /** How many rows may wait for a slot. */
  private get ahead(): number {
    const target = this.prefetch.target(this.options.now())
    // Chains that fill every slot must not keep new tasks out.
    return this.chains.length > 0 ? Math.max(target, this.options.concurrency) : target
  }

  /** How many bytes to claim now. */
  get bytesLeft(): number {
    return this.memory.left
  }

  get counts(): { readonly buffered: number; readonly running: number; readonly storing: number } {
    return { buffered: this.fresh.length + this.chains.length, running: this.running, storing: this.storing }
  }

  /**
   * Rows of one claim, which was sent at `claimedAt`. `full`: as many as it asked for. `more`: another one follows at
   * once.
   */
  admit(
    rows: ReadonlyArray<ClaimedRow>,
    token: string,
    { claimedAt, full, more }: { readonly claimedAt: number; readonly full: boolean; readonly more: boolean }
  ): void {
    const now = this.options.now()
    const busy = this.running - this.reserved + this.chains.length + this.fresh.length
    const idle = Math.max(this.options.concurrency - busy, 0)
    if (rows.length > 0) {
      this.prefetch.claimed(now, { buffered: rows.length > idle, full })
    }
    for (const row of rows) {
      const held = this.take(row, token, now)
      held.renewedAt = claimedAt
      if (this.draining) this.store(held, { _tag: "Released" })
      else MutableList.append(this.fresh, held)
    }
    // The next claim is to be on its way while these run; without one, nothing comes before them.
    if (more) queueMicrotask(() => this.pump())
    else this.pump()
  }

  /** Runs one row in a slot that {@link reserveSlot} got, and calls `onEnd` when its attempt has ended. */
  admitReserved(row: ClaimedRow, token: string, onEnd: () => void): void {
    const held = this.take(row, token, this.options.now())
    held.onEnd = onEnd
    this.freeReserved()
    if (this.draining) this.store(held, { _tag: "Released" })
    else this.start(held)
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
    this.storing -= results.length
    for (const { current, held, outcome } of results) {
      // Also one that was refused: what a lost COMMIT left to others was given back before.
      if (outcome._tag === "Released") this.options.onLeft()
      if (current) this.goOn(held, outcome)
      else this.drop(held)
    }
    this.pump()
  }

  /** These rows' leases are lost. */
  lose(ids: Iterable<TaskId>): void {
    for (const id of ids) this.loseOne(id, "Lost")
    this.pump()
  }

  private loseOne(id: TaskId, why: "Lost" | "Cancelled"): void {
    const held = this.held.get(id)
    // A row that is being stored is fenced by its write.
    if (held === undefined || held.stage === "Storing") return
    held.stop = why
    if (held.fiber === undefined) this.drop(held)
    else held.fiber.interruptUnsafe()
  }

  /** A claimed row. An attempt of ours that still holds it has lost its lease: to us. */
  private take(row: ClaimedRow, token: string, now: number): ClaimedTask {
    const held = makeClaimedTask(row, token, now)
    this.loseOne(held.id, "Lost")
    const before = this.held.get(held.id)
    if (before !== undefined) this.memory.release(before)
    this.held.set(held.id, held)
    this.memory.hold(held)
    return held
  }

  /** A task was cancelled: its row is gone, and its lease with it. */
  cancel(id: string): void {
    this.loseOne(id as TaskId, "Cancelled")
    this.pump()
  }

  /** No more rows: gives back what is only buffered. Running steps go on to their end. */
  drain(): void {
    this.draining = true
    this.giveBack(0)
    this.options.onChange()
  }

  /** Gives back the rows that have waited for this many milliseconds, new tasks and chains. Another worker may be idle. */
  giveBack(age: number): void {
    const before = this.options.now() - age
    for (const held of MutableList.takeAll(this.fresh)) {
      if (this.hasWaited(held, this.fresh, before)) {
        this.prefetch.reset()
        this.store(held, { _tag: "Released" })
      }
    }
    for (const held of MutableList.takeAll(this.chains)) {
      // The next step of a chain takes its turn with everybody's: endless chains must not always come first.
      if (this.hasWaited(held, this.chains, before)) {
        this.store(held, this.draining ? { _tag: "Released" } : { _tag: "Released", delay: 0 })
      }
    }
  }

  /** Whether a row that was taken from a list has waited there since `before`. If not, it goes back to it. */
  private hasWaited(held: ClaimedTask, list: MutableList.MutableList<ClaimedTask>, before: number): boolean {
    if (held.stop !== undefined) return false
    if (held.heldSince <= before) return true
    MutableList.append(list, held)
    return false
  }

  /** Interrupts every running step. Its row is given back. */
  interruptRunning(): void {
    for (const held of this.held.values()) {
      if (held.fiber === undefined) continue
      held.stop ??= "Released"
      held.fiber.interruptUnsafe()
    }
  }

  private pump(): void {
    if (this.pumping) return
    // A step may end before `start` returns: its slot is then filled by this loop, not by a deeper one.
    this.pumping = true
    // Steps that never wait would keep the event loop, and with it the next claim, until the buffer is empty.
    if (this.fillSlots(startsAtOnce) === "More") setImmediate(() => this.pump())
    this.pumping = false
    this.options.onChange()
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
      const held = this.takeBuffered()
      if (held === undefined) break
      this.start(held)
    }
    return "Done"
  }

  /**
   * By turns from both queues, so that neither new tasks nor long chains wait for the other's end. But while more
   * chains wait than there are slots, hardly any task begins that may become one more.
   */
  private takeBuffered(): ClaimedTask | undefined {
    const now = this.options.now()
    const crowded = this.chains.length > this.options.concurrency && now - this.newTaskAt < newTaskEvery
    this.chainsTurn = crowded || !this.chainsTurn
    const held = this.chainsTurn ? this.takeChain() ?? this.takeNew(now) : this.takeNew(now) ?? this.takeChain()
    if (held === undefined) this.prefetch.starved(now)
    else if (this.fresh.length === 0) this.prefetch.emptied(now)
    return held
  }

  private takeChain(): ClaimedTask | undefined {
    return this.takeFrom(this.chains)
  }

  private takeNew(now: number): ClaimedTask | undefined {
    const held = this.takeFrom(this.fresh)
    if (held !== undefined) this.newTaskAt = now
    return held
  }

  private takeFrom(list: MutableList.MutableList<ClaimedTask>): ClaimedTask | undefined {
    for (;;) {
      const held = MutableList.take(list)
      if (held === MutableList.Empty) return undefined
      if (held.stop !== undefined) continue
      if (!this.isStale(held)) return held
      this.store(held, { _tag: "Released" })
    }
  }

  /** This process stood still for so long that others may have the row by now. The fence decides whether it is given back. */
  private isStale(held: ClaimedTask): boolean {
    return this.options.now() - held.renewedAt >= this.options.maxUnrenewed
  }

  private start(held: ClaimedTask): void {
    this.running++
    held.stage = "Running"
    held.outcome = undefined
    held.committed = undefined
    held.startedAt = this.options.now()
    held.waited += held.startedAt - held.heldSince
    held.fiber = this.options.run(held)
    held.fiber.addObserver((exit) => {
      held.fiber = undefined
      this.running--
      this.ended(held, held.outcome ?? withoutOutcome(held.stop, exit))
      this.pump()
    })
  }

  private ended(held: ClaimedTask, outcome: Outcome): void {
    const ended = outcome._tag === "Stored" ? outcome.outcome : outcome
    held.onEnd?.()
    held.onEnd = undefined
    this.options.onEnd(held, endingOf(held.stop, outcome))
    if (held.stop === "Lost" || held.stop === "Cancelled") return this.drop(held)
    held.storedAt = this.options.now()
    if (outcome._tag === "Stored") return this.goOn(held, ended)
    this.store(held, this.mayKeep(ended))
  }

  /** An outcome is in the row. */
  private goOn(held: ClaimedTask, outcome: RowOutcome): void {
    if (outcome._tag === "Continued") return this.advance(held, outcome.step)
    this.drop(held)
    const moved = outcome._tag === "Retried" || outcome._tag === "Rescheduled"
    if (moved && this.draining) this.options.onLeft()
    if (moved) this.options.onDue(outcome.delay ?? 0)
    else if (outcome._tag === "Released") this.options.onDue(0)
  }

  /** A chain is kept while there is room for it; else its next step takes its turn with everybody's. */
  private mayKeep(outcome: RowOutcome): RowOutcome {
    const isFull = this.chains.length >= this.options.bufferSize || this.memory.isFull
    return outcome._tag === "Continued" && (this.draining || isFull)
      ? { _tag: "Rescheduled", step: outcome.step, delay: 0 }
      : outcome
  }

  private store(held: ClaimedTask, outcome: RowOutcome): void {
    held.stage = "Storing"
    if ("step" in outcome && this.held.get(held.id) === held) this.memory.hold(held, outcome.step)
    this.storing++
    this.options.store(held, outcome)
  }

  private advance(held: ClaimedTask, step: string): void {
    held.step = step
    if (this.held.get(held.id) === held) this.memory.hold(held)
    held.tried = 0
    held.transitions = nextTransition(held.transitions)
    held.waited = 0
    held.stage = "Buffered"
    held.heldSince = this.options.now()
    // The write has extended the lease. How long ago, only Postgres knows; at the earliest when it was sent.
    held.renewedAt = Math.max(held.renewedAt, held.storedAt)
    if (this.draining) this.store(held, { _tag: "Released" })
    else MutableList.append(this.chains, held)
  }

  private drop(held: ClaimedTask): void {
    if (this.held.get(held.id) !== held) return
    this.held.delete(held.id)
    this.memory.release(held)
  }
}
