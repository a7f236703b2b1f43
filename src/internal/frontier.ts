/**
 * Where claims begin to look. While another session keeps a transaction open, Postgres can't remove what was claimed
 * and deleted since: a claim that begins at the oldest row wades through all of that, and soon does nothing else. So
 * claims go on where the last one ended, and look at everything only now and then: the dearer, the more seldom.
 *
 * What becomes due behind the frontier (an error was cleared, a long transaction has enqueued) waits for the next look
 * at everything. Where that is cheap, it is the next claim.
 */

/** How often everything is looked at while each claim is full. In milliseconds. */
const fullScanEvery = 250

/** A look at everything may take this share of the time at most. */
const fullScanShare = 20

/** One that takes longer than this is not made for each signal. In milliseconds. */
const cheapScan = 50

/** Transactions that commit side by side become due in another order than they become visible. In milliseconds. */
const slack = 100

export interface Claimed {
  readonly from: number | undefined
  /** There may be more rows in front of it. */
  readonly full: boolean
  /** When the last of its rows became due. */
  readonly last: number | undefined
  /** By the local clock, in milliseconds. */
  readonly now: number
  readonly took: number
}

export class Frontier {
  /** The longest time between two looks at everything, in milliseconds. */
  private readonly longest: () => number
  /** What the last claim came to, in milliseconds since 1970 by Postgres's clock. */
  private reached: number | undefined
  /** By the local clock, in milliseconds. */
  private scannedAt = 0
  private lastTook = 0
  /** How long the last two took at least: one alone may have met a server that was away. */
  private scanTook = 0
  /** Whether claims have begun at the frontier since everything was looked at. */
  private isBehind = false

  constructor(longest: () => number) {
    this.longest = longest
  }

  get isCheap(): boolean {
    return this.scanTook <= cheapScan
  }

  /** Where to look for what is next to become due: undefined for everywhere. */
  get ahead(): number | undefined {
    return this.isCheap || this.reached === undefined ? undefined : this.reached - slack
  }

  /** When everything must be looked at again, by the local clock. */
  get nextScan(): number {
    if (!this.isBehind) return Infinity
    return this.scannedAt + Math.min(this.longest(), Math.max(fullScanEvery, this.scanTook * fullScanShare))
  }

  /** Where the next claim begins: undefined for everywhere. `back` when something behind the frontier may be due. */
  begin(now: number, back: boolean): number | undefined {
    const from = back ? this.ahead : this.reached
    return now >= this.nextScan ? undefined : from
  }

  /** A claim has ended that began at `from` and took so long, in milliseconds. */
  end({ from, full, last, now, took }: Claimed): void {
    this.isBehind = from !== undefined
    if (from === undefined) {
      this.scannedAt = now - took
      this.scanTook = Math.min(took, this.lastTook)
      this.lastTook = took
    }
    if (last !== undefined) this.reached = full ? last : Math.max(last, this.reached ?? last)
  }
}
