/**
 * Where claims begin to look. While another session keeps a transaction open, Postgres cannot remove the rows that were
 * claimed and deleted since. A claim that starts at the oldest row must skip all of these dead rows, and gets slower and
 * slower. So each claim starts where the last one ended. A full scan from the start runs only from time to time; the
 * more it costs, the less often. If it is cut off, it is made in pieces (see pieces.ts).
 *
 * What becomes due behind the cursor (an error was cleared, a long transaction has enqueued) waits for the next full
 * scan. Where that is cheap, it is the next claim.
 */
import { everything, type Window } from "../sql/claim.ts"
import { Pieces } from "./pieces.ts"

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

/** A look that failed sooner has not failed because it was long. In milliseconds. */
const cutOffAfter = 10

/** A look that failed later may have been given up by this library. In milliseconds. */
const silence = 10_000

/** Transactions that commit side by side become due in another order than they become visible. In milliseconds. */
const slack = 100

export interface Claimed {
  readonly window: Window
  /** There may be more rows in front of it. */
  readonly full: boolean
  /** When the last of its rows became due. */
  readonly last: number | undefined
  /** By the local clock, in milliseconds. */
  readonly now: number
  readonly took: number
}

/** A look that failed. */
export interface Failed extends Pick<Claimed, "now" | "took" | "window"> {
  /** Postgres cancelled the statement: it has a time limit. */
  readonly cancelled: boolean
  /** By Postgres's clock, in milliseconds since 1970. */
  readonly serverTime: number
}

export class ClaimCursor {
  /** The longest time between two looks at everything, in milliseconds. */
  private readonly longest: () => number
  /** What the last claim came to, and the furthest that any did, in milliseconds since 1970 by Postgres's clock. */
  private reached: number | undefined
  private furthest = -Infinity
  /** When everything was looked at, by the local clock in milliseconds. */
  private scannedAt = 0
  /**
   * What a claim takes that begins at the cursor: the way to the server and back, and the rows. It is the less of the
   * last two: one that was held up for as long as a look at everything takes would make these looks seem cheap.
   */
  private claimTook = 0
  private lastClaimTook = 0
  private lastCost = 0
  /** What a look at everything costs on top of that: the less of the last two, as one may have met a busy server. */
  private cost = 0
  /** Whether claims have begun at the cursor since everything was looked at. */
  private isBehind = false
  /** How many looks at everything in a row had no answer. */
  private silences = 0
  /** While one look at everything is cut off. */
  private pieces: Pieces | undefined

  constructor(longest: () => number) {
    this.longest = longest
  }

  get isCheap(): boolean {
    return this.pieces === undefined && this.cost <= cheapScan
  }

  /** Where to look for what is next to become due: undefined for everywhere. */
  get ahead(): number | undefined {
    return this.isCheap || this.reached === undefined ? undefined : this.reached - slack
  }

  /** When everything must be looked at again, by the local clock. */
  get nextScan(): number {
    if (!this.isBehind) return Infinity
    if (this.pieces?.isUnderway === true) return this.scannedAt + (this.cost > cheapScan ? this.cost * longestShare : 0)
    const seldom = Math.min(this.longest(), this.cost * fullScanShare)
    return this.scannedAt + Math.max(fullScanEvery, seldom, this.cost * longestShare)
  }

  /** Where the next claim looks. `back` when something behind the cursor may be due. */
  begin(now: number, back: boolean): Window {
    const from = now >= this.nextScan ? undefined : back ? this.ahead : this.reached
    return from === undefined ? this.pieces?.window ?? everything : { from, to: undefined }
  }

  /** A claim has ended that took this long, in milliseconds. */
  end({ full, last, now, took, window }: Claimed): void {
    if (window.from === undefined) this.silences = 0
    if (window.to !== undefined) return this.endPiece(now, took, full ? last : undefined)
    if (window.from === undefined) this.scanned(now - took, Math.max(took - this.claimTook, 0))
    else {
      this.isBehind = true
      this.claimTook = Math.min(took, this.lastClaimTook)
      this.lastClaimTook = took
    }
    this.advance({ full, last })
  }

  /**
   * Nothing that may be claimed was due at this time, at the cursor or behind it: so claims need not begin before it.
   * Rows that this worker can't claim may be there, in any number.
   */
  seenAll(at: number): void {
    this.advance({ full: false, last: at })
  }

  private advance({ full, last }: Pick<Claimed, "full" | "last">): void {
    if (last !== undefined) this.furthest = Math.max(this.furthest, last)
    if (full) this.reached = last
    else if (this.furthest > -Infinity) this.reached = this.furthest
  }

  private endPiece(now: number, took: number, last: number | undefined): void {
    const { pieces } = this
    if (pieces === undefined) return
    pieces.succeeded(took, last)
    this.pace(now, pieces.isDone ? pieces.cost : took)
    if (!pieces.isDone) return
    if (pieces.isNeedless) this.pieces = undefined
    else pieces.restart(this.reached!)
  }

  /**
   * Claims have passed over rows that other sessions hold, up to `last`: the next ones begin behind these. They come
   * back to what was passed over as to everything that is behind the cursor.
   */
  passed(pass: Omit<Claimed, "window"> & { readonly from: number | undefined }): void {
    this.advance(pass)
    if (pass.from === undefined) this.pace(pass.now, pass.took)
  }

  /** Whether a look at everything, or a piece of it, is due at once. */
  goesOn(now: number): boolean {
    return this.pieces !== undefined && now >= this.nextScan
  }

  /** A look has failed. If it is too long, and was cut off for that, the next ones must not be cut off again. */
  failed(look: Failed): void {
    const { now, serverTime, took, window } = look
    if (window.from !== undefined && window.to === undefined) return
    const cost = Math.min(took, failedScan)
    if (!this.wasCutOff(look)) {
      if (this.reached === undefined) return
      this.scanned(now, cost)
      this.isBehind = true
      return
    }
    if (window.to !== undefined) this.pieces?.cutOff(took)
    else this.pieces = new Pieces(serverTime, took)
    this.reached ??= serverTime
    this.furthest = Math.max(this.furthest, this.reached)
    this.pace(now, cost)
  }

  /** No answer within many seconds may be the network's fault, but hardly twice in a row. */
  private wasCutOff({ cancelled, took }: Failed): boolean {
    if (cancelled) return took >= cutOffAfter
    if (took < silence) return false
    this.silences++
    return this.silences > 1
  }

  private scanned(at: number, cost: number): void {
    this.scannedAt = at
    this.cost = Math.min(cost, this.lastCost)
    this.lastCost = cost
    this.isBehind = false
  }

  /** The next look at everything, or at a piece, waits the longer the more this one cost. */
  private pace(at: number, cost: number): void {
    this.scannedAt = at
    this.cost = this.lastCost = cost
    this.isBehind = true
  }
}
