/** What a run did, and what it found wrong. */

export interface Logbook {
  /** Counts something that was done. */
  readonly count: (what: string, times?: number) => void
  /** Tells a reader who watches. */
  readonly say: (text: string) => void
  /** A guarantee is broken. */
  readonly wrong: (what: string) => void
  /** Since it began. */
  readonly minutes: () => number
  readonly counts: ReadonlyMap<string, number>
  readonly wrongs: ReadonlyArray<string>
}

export const makeLogbook = (print: (line: string) => void): Logbook => {
  const counts = new Map<string, number>()
  const wrongs: Array<string> = []
  const startedAt = performance.now()
  const seconds = () => (performance.now() - startedAt) / 1000
  const say = (text: string) => print(`${seconds().toFixed(1).padStart(7)} s  ${text}`)
  return {
    counts,
    wrongs,
    say,
    minutes: () => seconds() / 60,
    count: (what, times = 1) => void counts.set(what, (counts.get(what) ?? 0) + times),
    wrong: (what) => {
      wrongs.push(what)
      say(`WRONG: ${what}`)
    }
  }
}

/** What it came to, on one line. */
export const summary = (log: Logbook): string => {
  const n = (what: string) => log.counts.get(what) ?? 0
  return [
    `${log.minutes().toFixed(1)} minutes, ${n("rounds")} rounds`,
    `${n("workers killed")} workers killed, ${n("workers killed by their own step")} by their own step, ${
      n("producers killed")
    } producers; ${n("freeze")} frozen, ${n("connections terminated")} connections terminated`,
    `${n("workers stopped")} workers stopped`,
    `${n("restart fast") + n("restart immediate")} restarts of the server (${n("restart fast")} fast, ${
      n("restart immediate")
    } immediate)`,
    `${n("tasks")} tasks, ${n("steps")} steps, ${n("transfers")} transfers`,
    `${log.wrongs.length} findings`
  ].join("; ")
}

/** All that was counted, in the order of the alphabet: `12 free, 3 restart fast`. */
export const inventory = ({ counts }: Logbook): string =>
  [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([what, times]) => `${times} ${what}`).join(", ")
