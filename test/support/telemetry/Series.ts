/** Metrics of a test's own, that no other test feeds. */
import { Context, Effect, Layer, Metric } from "effect"
import { eventually } from "../worker/Wait.ts"

type Attributes = Readonly<Record<string, string>>

export interface Series {
  /** Provide it to whatever is to be measured. */
  readonly layer: Layer.Layer<never>
  /** What a metric with these attributes says now. Makes it, if nothing has fed it yet. */
  readonly value: <State>(metric: Metric.Metric<number, State>, attributes?: Attributes) => State
  /** All series of a metric that have been fed, without their units: their attributes, and what they say. */
  readonly all: (metric: Metric.Metric<number, unknown>) => ReadonlyArray<readonly [Attributes, unknown]>
  /** Waits until a counter or a gauge says this. */
  readonly until: (
    metric: Metric.Metric<number, Level>,
    value: number,
    attributes?: Attributes
  ) => Effect.Effect<unknown>
}

type Level = Metric.CounterState<number> | Metric.GaugeState<number>

const levelOf = (state: Level) => "count" in state ? state.count : state.value

export const capture = (): Series => {
  const registry: Metric.MetricRegistry = new Map()
  const context = Context.make(Metric.MetricRegistry, registry)
  const value: Series["value"] = (metric, attributes = {}) =>
    Metric.withAttributes(metric, attributes).valueUnsafe(context)
  return {
    layer: Layer.succeed(Metric.MetricRegistry, registry),
    value,
    all: ({ id }) =>
      Metric.snapshotUnsafe(context).filter((series) => series.id === id).map(({ attributes, state }) => {
        const { time_unit: _, unit: __, ...rest } = attributes ?? {}
        return [rest, state]
      }),
    until: (metric, expected, attributes = {}) =>
      eventually(Effect.sync(() => levelOf(value(metric, attributes))), (level) => level === expected)
  }
}
