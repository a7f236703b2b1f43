/**
 * How a worker answers notifications when it has peers: workers of the same tasks. A notification wakes all of them. If
 * each answered with a claim, a hundred would send a hundred claims for one row. So only few answer at once: one that
 * has claimed a row lately, and each other one with a probability. Few more claim some milliseconds later, in case all
 * of these are busy or dead. The rest look later, each at a moment of its own: the more there are, the later.
 *
 * A worker with no peer or one always answers at once. Each counts its peers by their probes (see listener.ts), so
 * workers of other tasks don't count. A new worker would have to wait for the probes of all others. So one of these
 * welcomes it with a probe that says how many workers it has counted: whoever is ready to do so first.
 */
import type { Probe } from "./probe.ts"

/** How many of all peers answer at once on average, beside one that has claimed a row lately; and how many soon. */
const answersAtOnce = 1
const answersSoon = 1

/** Fewer workers than these all answer at once. */
const fewest = 3

/** When those claim that do so soon, at the latest, in milliseconds. */
const soon = 6

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
const leastOften = 0.7

/** Notifications may be false: no more peers than these are believed, for no longer than this, in milliseconds. */
const maxPeers = 1000
const longestPresence = 600_000

/** A probe may be late. */
const presenceFactor = 1.5

/**
 * Of all peers this many are ready, on average, to welcome one that knows less than this part of what they know; and when
 * they do so at the latest, in milliseconds.
 */
const welcomes = 2
const knowsMuch = 0.7
const welcomeWithin = 1000

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
  /** No peer has to be forgotten before this time. */
  private peersUntil = Infinity
  /** How many workers there are as others say, and until when that is believed. */
  private said = { size: 0, until: -Infinity }
  private eagerness = 1
  /** It has claimed a row, and no other worker was faster since. */
  private isFirst = false
  /** The late look that is to come, by the local clock in milliseconds. */
  private lateAt = -Infinity

  constructor(now: () => number, random: () => number = Math.random) {
    this.now = now
    this.random = random
  }

  /** A peer has sent a probe. Returns in how many milliseconds to welcome it with one, if this worker is to do so. */
  heard({ size, within, workerId }: Pick<Probe, "size" | "within" | "workerId">): number | undefined {
    const isNew = !this.peers.has(workerId)
    if (!(within >= 0) || (isNew && this.peers.size >= maxPeers)) return undefined
    const until = this.now() + Math.min(within, longestPresence) * presenceFactor
    this.peers.set(workerId, until)
    this.peersUntil = Math.min(this.peersUntil, until)
    this.believe(size >= 0 ? Math.min(size, maxPeers) : 0, until)
    const isWelcomed = isNew && size < this.heardOf * knowsMuch && this.random() * this.peers.size < welcomes
    return isWelcomed ? this.random() * welcomeWithin : undefined
  }

  private believe(size: number, until: number): void {
    if (size >= this.said.size || this.said.until < this.now()) this.said = { size, until }
  }

  /** How many workers have sent probes lately, with this one. */
  get heardOf(): number {
    const now = this.now()
    if (now > this.peersUntil) {
      this.peersUntil = Infinity
      for (const [peer, until] of this.peers) {
        if (until < now) this.peers.delete(peer)
        else this.peersUntil = Math.min(this.peersUntil, until)
      }
    }
    return this.peers.size + 1
  }

  /** How many workers there are, with this one. */
  get size(): number {
    return this.said.until < this.now() ? this.heardOf : Math.max(this.heardOf, this.said.size)
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
    if (!found) this.eagerness = Math.max(this.eagerness * lessOften, leastOften)
    return found || isFirst || size < fewest ? 0 : this.late(size)
  }

  /** A later look has found a row that nobody has claimed. */
  foundLate(): void {
    this.eagerness = Math.min(this.eagerness * moreOften, mostOften)
  }
}
