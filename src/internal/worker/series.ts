/**
 * A metric's series: one for each set of attributes. `Metric.withAttributes` works out which one it is at every
 * update, which is slow where the attributes change with every step; these know theirs.
 */
import * as Metric from "effect/Metric"

/** 1 millisecond to about 70 minutes, in powers of 4, and what is beyond. */
export const millis: ReadonlyArray<number> = Metric.exponentialBoundaries({ start: 1, factor: 4, count: 13 })

// Effect's exporters read units from attributes. Without one, a gauge becomes a ratio on its way to Prometheus.
export const inMillis = { time_unit: "milliseconds" } as const
export const inTasks = { unit: "{task}" } as const
export const inSteps = { unit: "{step}" } as const

type Attributes = Readonly<Record<string, string>>

/** A series of a counter that only grows. */
export const counterOf = (
  { description, id }: Metric.Counter<number>,
  attributes: Attributes
): Metric.Counter<number> => Metric.counter(id, { description, attributes, incremental: true })

/** A series of a histogram of times. */
export const timesOf = ({ description, id }: Metric.Histogram<number>, attributes: Attributes) =>
  Metric.histogram(id, { description, attributes: { ...inMillis, ...attributes }, boundaries: millis })
