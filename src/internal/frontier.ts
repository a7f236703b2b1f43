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

/** A look at everything takes this share of the time. */
const fullScanShare = 20

/** Where that would be less often than the poll, it may take this one. */
const longestShare = 4

/** One that costs more than this is not made for each signal. In milliseconds. */
const cheapScan = 10

/** What a look that failed counts as at most: it says more of the server than of the rows. In milliseconds. */
const failedScan = 1000

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
  /** What the last claim came to, and the furthest that any did, in milliseconds since 1970 by Postgres's clock. */
  private reached: number | undefined
  private furthest = -Infinity
  /** When everything was looked at, by the local clock in milliseconds. */
  private scannedAt = 0
  /** What a claim takes that begins at the frontier: the way to the server and back, and the rows. */
  private claimTook = 0
  private lastCost = 0
  /** What a look at everything costs on top of that: the less of the last two, as one may have met a busy server. */
  private cost = 0
  /** Whether claims have begun at the frontier since everything was looked at. */
  private isBehind = false

  constructor(longest: () => number) {
    this.longest = longest
  }

  get isCheap(): boolean {
    return this.cost <= cheapScan
  }

  /** Where to look for what is next to become due: undefined for everywhere. */
  get ahead(): number | undefined {
    return this.isCheap || this.reached === undefined ? undefined : this.reached - slack
  }

  /** When everything must be looked at again, by the local clock. */
  get nextScan(): number {
    if (!this.isBehind) return Infinity
    const seldom = Math.min(this.longest(), this.cost * fullScanShare)
    return this.scannedAt + Math.max(fullScanEvery, seldom, this.cost * longestShare)
  }

  /** Where the next claim begins: undefined for everywhere. `back` when something behind the frontier may be due. */
  begin(now: number, back: boolean): number | undefined {
    const from = back ? this.ahead : this.reached
    return now >= this.nextScan ? undefined : from
  }

  /** A claim has ended that began at `from` and took so long, in milliseconds. */
  end({ from, full, last, now, took }: Claimed): void {
    if (from === undefined) this.scanned(now - took, Math.max(took - this.claimTook, 0))
    else {
      this.isBehind = true
      this.claimTook = took
    }
    if (last !== undefined) this.furthest = Math.max(this.furthest, last)
    if (full) this.reached = last
    else if (this.furthest > -Infinity) this.reached = this.furthest
  }

  /** One has failed: if that was because everything takes too long to look at, the next ones must not do so again. */
  failed(now: number, from: number | undefined, took: number): void {
    if (from !== undefined || this.reached === undefined) return
    this.scanned(now, Math.min(took, failedScan))
    this.isBehind = true
  }

  private scanned(at: number, cost: number): void {
    this.scannedAt = at
    this.cost = Math.min(cost, this.lastCost)
    this.lastCost = cost
    this.isBehind = false
  }
}
