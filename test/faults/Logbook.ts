/** What a run did, and what it found wrong. */

export interface Logbook {
  /** Counts something that was done. */
  readonly count: (what: string, times?: number) => void
  /** Tells a reader who watches. */
  readonly say: (text: string) => void
  /** A guarantee is broken. */
  readonly wrong: (what: string) => void
  readonly counts: ReadonlyMap<string, number>
  readonly wrongs: ReadonlyArray<string>
}

export const makeLogbook = (print: (line: string) => void): Logbook => {
  const counts = new Map<string, number>()
  const wrongs: Array<string> = []
  const startedAt = performance.now()
  const say = (text: string) => print(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(7)} s  ${text}`)
  return {
    counts,
    wrongs,
    say,
    count: (what, times = 1) => void counts.set(what, (counts.get(what) ?? 0) + times),
    wrong: (what) => {
      wrongs.push(what)
      say(`WRONG: ${what}`)
    }
  }
}

/** In the order of the alphabet: `12 kills, 3 restarts`. */
export const summary = ({ counts }: Logbook): string =>
  [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([what, times]) => `${times} ${what}`).join(", ")
