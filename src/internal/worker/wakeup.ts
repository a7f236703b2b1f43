/**
 * Where the dispatcher sleeps, and how others wake it. It has no references to the other parts: they call it, from
 * synchronous code.
 */
import * as Effect from "effect/Effect"
import { Signal } from "./signal.ts"

/**
 * Why a sleep has ended:
 *
 * - `Due`: something is ready or due;
 * - `Look`: something may be, since a while ago;
 * - `Again`: the last look has asked for another one;
 * - `Poll`: none of these.
 */
export type Awake = "Again" | "Due" | "Look" | "Poll"

/** When to wake up, by the local clock in milliseconds. */
export interface Until {
  readonly due: number
  readonly again: number
  readonly poll: number
}

/** What others do to a dispatcher's sleep, or to those of all lanes. */
export interface Waker {
  /** Something became ready: look for it, in so many milliseconds (by default, at once). */
  readonly wake: (delay?: number) => void
  /**
   * This worker itself stored something that becomes due in so many milliseconds: nobody else will tell. Its lane, if it
   * is known.
   */
  readonly dueIn: (delay: number, lane?: number) => void
  /** This worker itself has made something ready that has been due for long: it is behind the cursor of the claims. */
  readonly dueBehind: () => void
  /** Something may have become ready, but others answer at once: it is enough to look in so many milliseconds. */
  readonly lookIn: (delay: number) => void
  /** The pool may have room for more. */
  readonly roomChanged: () => void
  /** Ends every sleep, for good. */
  readonly stop: () => void
}

export class Wakeup implements Waker {
  private readonly now: () => number
  private readonly signal = new Signal()
  private isStopped = false
  /** Something became ready, and nobody has taken that yet. */
  private woken = true
  /** The same, of something older than what was claimed last. */
  private behind = false
  /** When something becomes due that nobody else will tell of, by the local clock in milliseconds. */
  private dueAt = Infinity
  /** When to look for what became ready. */
  private wakeAt = Infinity
  /** When to look whether something is due. */
  private lookAt = Infinity
  private waitsForRoom = false

  constructor(now: () => number) {
    this.now = now
  }

  get stopped(): boolean {
    return this.isStopped
  }

  /** Something became ready since {@link take}. */
  get isWoken(): boolean {
    return this.woken
  }

  wake(delay = 0): void {
    if (delay === 0) this.woken = true
    else this.wakeAt = Math.min(this.wakeAt, this.now() + delay)
    this.signal.set()
  }

  dueIn(delay: number): void {
    const at = this.now() + delay
    if (at >= this.dueAt) return
    this.dueAt = at
    this.signal.set()
  }

  dueBehind(): void {
    this.behind = true
    this.dueIn(0)
  }

  /** Whether something became ready behind the cursor since the last time. */
  takeBehind(): boolean {
    const { behind } = this
    this.behind = false
    return behind
  }

  lookIn(delay: number): void {
    const at = this.now() + delay
    // Each notification may ask for the same look anew. To wake up for that would cost more than all the rest.
    if (at >= this.lookAt - 1) return
    this.lookAt = at
    this.signal.set()
  }

  roomChanged(): void {
    if (this.waitsForRoom) this.signal.set()
  }

  stop(): void {
    this.isStopped = true
    this.signal.set()
  }

  /** Whether something became ready since the last time. */
  take(): boolean {
    const woken = this.woken || this.now() >= this.wakeAt
    this.woken = false
    if (woken) this.wakeAt = Infinity
    return woken
  }

  /** A look for what is due next begins: what was told before, it sees. */
  forgetDue(): void {
    this.dueAt = this.wakeAt = this.lookAt = Infinity
  }

  /** Sleeps until something becomes ready or due, and no longer than until one of these times. */
  sleepUntil({ again, due, poll }: Until): Effect.Effect<Awake> {
    return Effect.suspend(() => {
      this.dueAt = Math.min(this.dueAt, due)
      const left = () => Math.min(this.dueAt, this.wakeAt, this.lookAt, again, poll) - this.now()
      const sleep = Effect.whileLoop({
        while: () => !this.woken && !this.isStopped && left() > 0,
        body: () => this.signal.wait(left()),
        step: () => {}
      })
      return Effect.map(sleep, () => {
        const now = this.now()
        if (this.woken || now >= Math.min(this.dueAt, this.wakeAt)) return "Due"
        if (now >= this.lookAt) return "Look"
        return now >= again ? "Again" : "Poll"
      })
    })
  }

  /** Sleeps until `time`, whatever becomes ready. */
  restUntil(time: number): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => !this.isStopped && this.now() < time,
      body: () => this.signal.wait(time - this.now()),
      step: () => {}
    })
  }

  /** Sleeps until the pool may have room, or something becomes ready, but no longer than until `time`. */
  waitForRoom(time = Infinity): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.waitsForRoom = true
      return Effect.map(this.signal.wait(time === Infinity ? undefined : time - this.now()), () => {
        this.waitsForRoom = false
      })
    })
  }
}
