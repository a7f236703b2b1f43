/**
 * A look at everything, in pieces: when one look takes so long that it is cut off, by a statement timeout or by this
 * library, it would be cut off each time. So claims look at one span of time after the other, from the newest to the
 * oldest. A span that is cut off, too, is made shorter; after one that was quick the next is longer.
 *
 * New tasks are claimed at the cursor meanwhile. Only older ones come in another order than they became due.
 */
import type { Window } from "../sql/claim.ts"

/** The length of the first span, in milliseconds. */
const firstSpan = 1000

/** How much longer or shorter the next span is. */
const factor = 4

/** No row became due before this span: what is left then is one piece. In milliseconds. */
const longestSpan = 1e13

/** A span this short can't be divided: it is left out, until everything is looked at again. In milliseconds. */
const shortestSpan = 1

export class Pieces {
  /** Not between one look at everything and the next. */
  isUnderway = true
  /** How long the look took that was cut off last. */
  private cutAfter: number
  private span = firstSpan
  /** Everything that became due at this time or later has been looked at. */
  private until: number
  /** The rows of the piece that became due before were claimed. */
  private claimedTo: number | undefined
  private took = 0

  /** `until`: the newest time to look at, in milliseconds since 1970. */
  constructor(until: number, cutAfter: number) {
    this.until = until
    this.cutAfter = cutAfter
  }

  /** The next piece. */
  get window(): Window {
    return { from: this.claimedTo ?? this.start, to: this.until }
  }

  private get start(): number | undefined {
    return this.span > longestSpan ? undefined : this.until - this.span
  }

  /** Everything has been looked at. */
  get isDone(): boolean {
    return this.until === -Infinity
  }

  /** How long all pieces took together, in milliseconds. */
  get cost(): number {
    return this.took
  }

  /** Would one look at everything be quick enough again? */
  get isNeedless(): boolean {
    return this.took * 2 < this.cutAfter
  }

  /** Looks at everything anew. */
  restart(until: number): void {
    this.until = until
    this.span = firstSpan
    this.took = 0
    this.isUnderway = false
  }

  /** The piece was looked at. `last`: when the last of its claimed rows became due, if there may be more. */
  succeeded(took: number, last: number | undefined): void {
    this.isUnderway = true
    this.took += took
    this.claimedTo = last
    if (last !== undefined) return
    this.until = this.start ?? -Infinity
    if (took * factor * 2 < this.cutAfter) this.span *= factor
  }

  /** The piece was cut off. */
  cutOff(took: number): void {
    this.isUnderway = true
    this.cutAfter = took
    this.claimedTo = undefined
    this.span = Math.min(this.span, longestSpan) / factor
    if (this.span >= shortestSpan) return
    this.until -= shortestSpan
    this.span = firstSpan
  }
}
