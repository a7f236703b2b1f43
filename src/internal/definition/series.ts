/** What all metrics of durations share: the public ones, and those of each step, which are made from them. */
import * as Metric from "effect/Metric"

/** The boundaries of histograms of durations, in powers of 4: from 1 millisecond to about 70 minutes, and beyond. */
export const durationBoundaries: ReadonlyArray<number> = Metric.exponentialBoundaries({
  start: 1,
  factor: 4,
  count: 13
})

/** Effect's exporters read units from attributes. */
export const inMillis = { time_unit: "milliseconds" } as const
