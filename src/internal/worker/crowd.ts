/**
 * How a worker answers notifications when it has peers: workers of the same tasks. A notification wakes all of them. If
 * each answered with a claim, a hundred would send a hundred claims for one row. So only few answer at once: one that
 * has claimed a row lately, and each other one with a probability. Few more claim some milliseconds later, in case all
 * of these are busy or dead. The rest look later, each at a moment of its own: the more there are, the later.
 *
 * A worker with no peer or one always answers at once. Each counts its peers by their probes (see listener.ts), so
 * workers of other tasks don't count.
 */

/** How many of all peers answer at once on average, beside one that has claimed a row lately; and how many soon. */
const answersAtOnce = 1
const answersSoon = 1

/** Fewer workers than these all answer at once. */
const fewest = 3

/** When those claim that do so soon, at the latest, in milliseconds. */
const soon = 12

/** When the others look, at the latest: this for each peer, up to the longest. In milliseconds. */
const latePerPeer = 30
export const longestDelay = 3000

/**
 * A row that nobody has claimed at once shows that too few answer, because most peers are busy or dead: then each
 * answers more often. A claim that has found nothing shows that enough do.
 */
const moreOften = 2
const lessOften = 0.7
const mostOften = 8

/** Notifications may be false: no more peers than these are believed, for no longer than this, in milliseconds. */
const maxPeers = 1000
const longestPresence = 600_000

/** A probe may be late. */
const presenceFactor = 1.5

/** A claim, or only a look whether something is due, so many milliseconds after the notification. */
export interface Answer {
  readonly _tag: "Claim" | "Look"
  readonly delay: number
}

export class Crowd {
  private readonly now: () => number
  private readonly random: () => number
  /** Until when each peer counts, by the local clock in milliseconds. */
  private readonly peers = new Map<string, number>()
  private eagerness = 1
  /** It has claimed a row, and no other worker was faster since. */
  private isFirst = false
  /** The late look that is to come, by the local clock in milliseconds. */
  private lateAt = -Infinity

  constructor(now: () => number, random: () => number = Math.random) {
    this.now = now
    this.random = random
  }

  /** A peer has sent a probe, and will send the next one within this many milliseconds. */
  heard(peer: string, within: number): void {
    if (!(within >= 0) || (!this.peers.has(peer) && this.peers.size >= maxPeers)) return
    this.peers.set(peer, this.now() + Math.min(within, longestPresence) * presenceFactor)
  }

  /** How many workers there are, with this one. */
  get size(): number {
    const now = this.now()
    for (const [peer, until] of this.peers) if (until < now) this.peers.delete(peer)
    return this.peers.size + 1
  }

  /** Not all of them answer each notification at once. */
  get isLarge(): boolean {
    return this.size >= fewest
  }

  /** How to answer a notification, and when. */
  answer(): Answer {
    const { size } = this
    if (size < fewest || this.isFirst) return { _tag: "Claim", delay: 0 }
    const rank = this.random() * size / this.eagerness
    if (rank < answersAtOnce) return { _tag: "Claim", delay: 0 }
    if (rank < answersAtOnce + answersSoon) return { _tag: "Claim", delay: soon * (1 + this.random()) / 2 }
    return { _tag: "Look", delay: this.late(size) }
  }

  /** One late look is enough for all notifications until then. */
  private late(size: number): number {
    const now = this.now()
    if (now >= this.lateAt) this.lateAt = now + Math.min(size * latePerPeer, longestDelay) * this.random()
    return Math.max(this.lateAt - now, 1)
  }

  /**
   * A claim after a notification has found rows, or none. Returns in how many milliseconds to look what is due next:
   * others do so before this worker, if it has found nothing, and was not expected to.
   */
  answered(found: boolean): number {
    const { isFirst, size } = this
    this.isFirst = found
    if (!found) this.eagerness = Math.max(this.eagerness * lessOften, 1)
    return found || isFirst || size < fewest ? 0 : this.late(size)
  }

  /** A later look has found a row that nobody has claimed. */
  foundLate(): void {
    this.eagerness = Math.min(this.eagerness * moreOften, mostOften)
  }
}
