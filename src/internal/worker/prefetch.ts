/**
 * How many rows to claim ahead of the steps that run. Short steps want a deep buffer, so that one statement claims
 * for many; long ones none at all, because a row that waits here is kept from every other worker.
 */

/**
 * If the buffer ran empty sooner than this, it was too small, if more tasks are due; if later than that, it was too
 * large. In milliseconds.
 */
const tooSoon = 50
const tooLate = 400

/** What a worker has learned about its steps holds no longer than this without tasks: the next ones may be long. */
const memory = 1000

/** A claim brought more rows than there were free slots, or as many. */
interface Filled {
  /** Since when its rows have lasted, by the local clock in milliseconds. */
  readonly at: number
  /** Rows were left over for the buffer. */
  readonly buffered: boolean
  /** It brought a single row. */
  readonly single: boolean
}

/** What a claim has brought. */
export interface Brought {
  readonly rows: number
  /** As many as it asked for: so more are due, probably. */
  readonly full: boolean
  /** Some of them have to wait for a slot. */
  readonly buffered: boolean
}

export class Prefetch {
  private readonly max: number
  private readonly first: number
  private readonly concurrency: number
  private size = 0
  private filled: Filled | undefined
  /** The slots were empty soon after a claim of a single row. Whether more tasks are due, the next claim tells. */
  private isHungry = false
  /** When the last row of the buffer last went to a slot, by the local clock in milliseconds. */
  private emptiedAt: number | undefined
  /** When a claim last brought rows. */
  private claimedAt = -Infinity

  constructor({ bufferSize, concurrency }: { readonly bufferSize: number; readonly concurrency: number }) {
    this.max = bufferSize
    this.concurrency = concurrency
    this.first = Math.ceil(concurrency / 4)
  }

  /** How many rows may wait in the buffer. */
  target(now: number): number {
    if (now - this.claimedAt > memory) this.reset()
    return this.size
  }

  /**
   * A claim has brought rows. Only one that left no slot free says anything: `full`, when it brought all that it asked
   * for, or `buffered`, when some of its rows have to wait. A row that goes straight to a free slot is no sign that the
   * buffer is too small.
   */
  claimed(now: number, { buffered, full, rows }: Brought): void {
    if (now - this.claimedAt > memory) this.reset()
    this.claimedAt = now
    if (!full) this.size = this.size >> 1
    else if (this.isHungry && this.size < this.concurrency) this.grow()
    this.isHungry = false
    // A single row may have come at the end of a long step. Then it waits for a moment only, and yet is enough.
    const single = rows === 1
    const at = buffered && single ? this.emptiedAt ?? now : now
    this.filled = buffered || full ? { at, buffered, single } : undefined
  }

  /** The last row of the buffer has gone to a slot. */
  emptied(now: number): void {
    if (this.filled?.buffered === true) this.adapt(now, this.filled)
    this.emptiedAt = now
  }

  /** A slot is free, and there is no row for it. */
  starved(now: number): void {
    if (this.filled !== undefined) this.adapt(now, this.filled)
  }

  /** Nothing is known of the steps; or a row waited too long in the buffer. */
  reset(): void {
    this.size = 0
    this.isHungry = false
    this.emptiedAt = undefined
  }

  private adapt(now: number, { at, single }: Filled): void {
    const took = now - at
    this.filled = undefined
    if (took > tooLate) this.size = this.size >> 1
    if (took >= tooSoon) return
    if (single) this.isHungry = true
    else this.grow()
  }

  /** It begins with few rows, so that hardly any waits in vain if a long step comes next. */
  private grow(): void {
    this.size = Math.min(this.max, Math.max(this.first, this.size * 2))
  }
}
