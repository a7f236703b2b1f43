/** The back-offs that this worker has heard of. Who got a slot before one is over must ask again before it starts. */
import { limitNameOf } from "../sql/limits.ts"

/** How long they are remembered once they are over: no row stays in memory for longer without a new look at it. */
const remembered = 60_000

export class BackOffs {
  /** False before the first look at them. */
  isKnown = false
  private readonly now: () => number
  /** Until when, by the local clock in milliseconds. */
  private readonly until = new Map<string, number>()

  constructor(now: () => number) {
    this.now = now
  }

  add(key: string, millis: number): void {
    const now = this.now()
    for (const [key, until] of this.until) if (until + remembered < now) this.until.delete(key)
    this.until.set(key, Math.max(this.until.get(key) ?? 0, now + millis))
  }

  /** Whether there is one, or was one lately. */
  has(key: string): boolean {
    return this.until.size > 0 && (this.until.has(key) || this.until.has(limitNameOf(key)))
  }

  /** Whether what was told of a row of this key at that time says nothing any more. */
  isHeldBack(key: string, since: number): boolean {
    if (!this.isKnown) return true
    if (!this.has(key)) return false
    return since < Math.max(this.until.get(key) ?? -Infinity, this.until.get(limitNameOf(key)) ?? -Infinity)
  }
}
