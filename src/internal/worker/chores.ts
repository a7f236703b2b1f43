/**
 * Work that no event calls for. From time to time a poll asks along whether there is any, so that an idle worker sends no
 * statements of its own for that. A worker that is too busy to poll looks for each kind by itself.
 */
import type { Chores as Found } from "../sql/chores.ts"
import type { OthersLooks } from "./othersLooks.ts"

/** How often a poll asks, in milliseconds: more often than anybody looks by itself. */
const askEvery = 45_000

/**
 * Where the answer takes longer than this, the next task would wait for it: then no poll asks for a while, and each kind
 * is looked for beside the polls. In milliseconds.
 */
const tooSlow = 50
const restAfterSlow = 600_000

export type Chore = keyof Found

export interface ChoresOptions {
  readonly now: () => number
  /** The names of the worker's tasks. */
  readonly tasks: ReadonlyArray<string>
  /** A worker that leaves these looks to others does not ask. */
  readonly othersLooks: OthersLooks
}

export class Chores {
  private readonly options: ChoresOptions
  private readonly work: Array<{ readonly chore: Chore; readonly onFound: () => void }> = []
  // By the local clock, in milliseconds.
  private askAt = -Infinity
  private answeredAt = -Infinity

  constructor(options: ChoresOptions) {
    this.options = options
  }

  /** Calls this whenever there is work of this kind. */
  on(chore: Chore, onFound: () => void): void {
    this.work.push({ chore, onFound })
  }

  /** For a poll to ask along, if it is time for that: the names of the tasks. */
  takeShared(): ReadonlyArray<string> | undefined {
    const { now, othersLooks, tasks } = this.options
    if (othersLooks.areMade || now() < this.askAt) return undefined
    this.askAt = now() + askEvery
    return tasks
  }

  /** A poll has its answer, which took so many milliseconds. */
  answered(found: Found, took: number): void {
    this.answeredAt = this.options.now()
    if (took > tooSlow) this.askAt = this.answeredAt + restAfterSlow
    for (const { chore, onFound } of this.work) if (found[chore]) onFound()
  }

  /** A poll has asked within so many milliseconds. */
  isAsked(within: number): boolean {
    return this.options.now() - this.answeredAt < within
  }
}
