/** When keys are to be looked at again: at the next moment of their rate, or when a back-off is over. */
import * as Effect from "effect/Effect"
import { Signal } from "./signal.ts"

/** Moments are not looked at more often than this: at high rates, several starts come together. In milliseconds. */
const closest = 20

export class Moments {
  private readonly now: () => number
  private readonly due: (keys: ReadonlyArray<string>) => void
  /** By the local clock, in milliseconds. */
  private readonly times = new Map<string, number>()
  private readonly changed = new Signal()
  private next = Infinity

  constructor(now: () => number, due: (keys: ReadonlyArray<string>) => void) {
    this.now = now
    this.due = due
  }

  /** Looks at a key in so many milliseconds, unless it is looked at before. */
  add(key: string, wait: number): void {
    const time = this.now() + Math.max(Math.ceil(wait), closest)
    if (time >= (this.times.get(key) ?? Infinity)) return
    this.times.set(key, time)
    if (time >= this.next) return
    this.next = time
    this.changed.set()
  }

  /** Works until its fiber is interrupted. */
  get run(): Effect.Effect<never> {
    const wait = Effect.suspend(() => this.changed.wait(this.next === Infinity ? undefined : this.next - this.now()))
    return Effect.forever(Effect.map(wait, () => this.look()))
  }

  private look(): void {
    const now = this.now()
    if (now < this.next) return
    const due: Array<string> = []
    this.next = Infinity
    for (const [key, time] of this.times) {
      if (time <= now) due.push(key)
      else if (time < this.next) this.next = time
    }
    for (const key of due) this.times.delete(key)
    this.due(due)
  }
}
