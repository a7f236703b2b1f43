/** Whether a worker's memory stays flat. */
import type { Logbook } from "./RunLog.ts"

interface Sample {
  /** In megabytes, after a garbage collection. */
  readonly heap: number
  readonly rss: number
}

const samplesOf = (lines: ReadonlyArray<string>): ReadonlyArray<Sample> =>
  lines.filter((line) => line.startsWith("memory ")).map((line) => JSON.parse(line.slice("memory ".length)) as Sample)

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/** Shorter lives tell nothing. */
const enough = 24

/** Compares the last third of a worker's life with the second: the first one warms up. */
export const judgeMemory = (name: string, lines: ReadonlyArray<string>, log: Logbook): void => {
  const samples = samplesOf(lines)
  if (samples.length < enough) return
  const third = Math.floor(samples.length / 3)
  const middle = median(samples.slice(third, 2 * third).map(({ heap }) => heap))
  const last = median(samples.slice(2 * third).map(({ heap }) => heap))
  const rss = samples.map((sample) => sample.rss)
  log.say(
    `${name}: heap ${middle} MB in the middle, ${last} MB at last; rss ${rss[third]} MB to ${
      Math.max(...rss)
    } MB at most`
  )
  if (last > middle * 1.3 + 10) log.wrong(`${name} grows: its heap was ${middle} MB in the middle, ${last} MB at last`)
}
