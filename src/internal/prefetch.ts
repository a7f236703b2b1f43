/**
 * How many rows to claim ahead of the steps that run. Short steps want a deep buffer, so that one statement claims
 * for many; long ones none at all, because a row that waits here is kept from every other worker.
 */

/** Emptied sooner than this, the buffer was too small; later than that, it was too large. In milliseconds. */
const tooSoon = 100
const tooLate = 400

const start = 16

export class Prefetch {
  private readonly max: number
  private size = 0
  private claimedAt: number | undefined

  constructor(max: number) {
    this.max = max
  }

  /** How many rows may wait in the buffer. */
  get target(): number {
    return this.size
  }

  claimed(now: number): void {
    this.claimedAt = now
  }

  /** The buffer has run empty. */
  emptied(now: number): void {
    if (this.claimedAt === undefined) return
    const took = now - this.claimedAt
    this.claimedAt = undefined
    if (took < tooSoon) this.size = Math.min(this.max, Math.max(start, this.size * 2))
    else if (took > tooLate) this.size = Math.floor(this.size / 2)
  }

  /** A row waited too long in the buffer. */
  reset(): void {
    this.size = 0
  }
}
