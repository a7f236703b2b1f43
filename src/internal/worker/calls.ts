/**
 * When a worker that has filled every slot notifies others of rows for which it has no room: few may have answered the
 * notification of these rows (see crowd.ts).
 */

/** More rows may be due this long after a claim has filled every slot. In milliseconds. */
const callAfter = 10

/** While a worker stays busy, it calls less and less often. In milliseconds. */
const callPause = { first: 1000, longest: 60_000 }

export class Calls {
  /** When to look whether more rows are due, by the local clock in milliseconds. */
  at = Infinity
  private readonly now: () => number
  private nextAt = -Infinity
  private pause = callPause.first

  constructor(now: () => number) {
    this.now = now
  }

  /** A claim has filled every slot. */
  filled(): void {
    this.at = Math.max(this.now() + callAfter, this.nextAt)
  }

  /** A claim or a look is under way. */
  cancel(): void {
    this.at = Infinity
  }

  /** Others were called. */
  called(): void {
    this.nextAt = this.now() + this.pause
    this.pause = Math.min(this.pause * 2, callPause.longest)
  }

  /** The worker has nothing to do. */
  reset(): void {
    this.pause = callPause.first
    this.nextAt = -Infinity
  }
}
