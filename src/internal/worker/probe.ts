/**
 * The notification that a worker sends to itself, to see whether notifications come through. Its peers, the workers of
 * the same tasks, learn from it that the worker is there, and whether it has looked for expired leases.
 */

/** When a worker sends its next probe by itself, as parts of the interval. */
export const nextByItself = 1.25

/** What a worker says of itself. */
export interface Probe {
  readonly workerId: string
  /** The name of the workers that run the same tasks. */
  readonly group: string
  /** Its next one comes within this many milliseconds. */
  readonly within: number
  /** How many workers it knows of, with itself, by their probes. */
  readonly size: number
  /** It has looked for expired leases, and rests for this many milliseconds. */
  readonly rest: number | undefined
}

export const readProbe = (payload: string): Probe => {
  const [, workerId = "", group = "", within, size, kind, rest] = payload.split(" ")
  return {
    workerId,
    group,
    within: Number(within),
    size: Number(size),
    rest: kind === "look" ? Number(rest) : undefined
  }
}

/** The probes of one worker. */
export class OwnProbe {
  private readonly name: string
  private readonly size: () => number
  private readonly intervalNow: () => number

  /** `size`: how many workers this one has heard of. `interval`: how often a probe is sent, in milliseconds. */
  constructor(workerId: string, group: string, size: () => number, interval: () => number) {
    this.name = `probe ${workerId} ${group}`
    this.size = size
    this.intervalNow = interval
  }

  /** How often one is sent, in milliseconds. */
  get interval(): number {
    return this.intervalNow()
  }

  get text(): string {
    return `${this.name} ${Math.ceil(this.interval * nextByItself)} ${this.size()}`
  }

  /** A probe that also tells of a look for expired leases, and how long the worker rests after it. */
  textOfLook(rest: number): string {
    return `${this.text} look ${rest}`
  }
}
