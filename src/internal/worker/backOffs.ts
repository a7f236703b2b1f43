/** The back-offs that this worker has heard of. Who got a slot before one is over must ask again before it starts. */
import { limitNameOf } from "../sql/limits.ts"

/** How long they are remembered once they are over: no row stays in memory for longer without a new look at it. */
const remembered = 60_000

/** One that is told of again may seem to end a little later. In milliseconds. */
const blur = 1000

/** By the local clock, in milliseconds. */
interface Heard {
  readonly at: number
  readonly until: number
}

export class BackOffs {
  /** False before the first look at them. */
  isKnown = false
  private readonly now: () => number
  private readonly heard = new Map<string, Heard>()

  constructor(now: () => number) {
    this.now = now
  }

  add(key: string, millis: number): void {
    const at = this.now()
    const until = at + millis
    for (const [key, { until }] of this.heard) if (until + remembered < at) this.heard.delete(key)
    const before = this.heard.get(key)
    if (before === undefined || before.until + blur < until || before.until < at) this.heard.set(key, { at, until })
  }

  /** Whether there is one, or was one lately. */
  has(key: string): boolean {
    return this.heard.size > 0 && this.of(key).length > 0
  }

  /** Whether a slot that was seen at that time says nothing any more. */
  isHeldBack(key: string, since: number): boolean {
    return !this.isKnown || this.heard.size > 0 && this.of(key).some(({ until }) => since < until)
  }

  /** Whether one was heard of since a row has asked. */
  isNewSince(key: string, since: number): boolean {
    return this.heard.size > 0 && this.of(key).some(({ at }) => since < at)
  }

  private of(key: string): ReadonlyArray<Heard> {
    const [own, whole] = [this.heard.get(key), this.heard.get(limitNameOf(key))]
    return [...(own === undefined ? [] : [own]), ...(whole === undefined ? [] : [whole])]
  }
}
