/** Feeds the metrics. The series of a step and an outcome are made once, not once an attempt. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as Metrics from "../../Metrics.ts"
import type { ClaimedTask } from "../attempt/claimedTask.ts"
import { type Ending, isTaken, type RowOutcome } from "../attempt/outcome.ts"
import { durationBoundaries, inMillis } from "../definition/series.ts"

// `Metric.withAttributes` works out the series of a set of attributes at every update. That is slow where the attributes
// change with every step, so each series is made once here.
type Attributes = Readonly<Record<string, string>>

/** A series of a counter that only grows. */
const counterOf = (
  { description, id }: Metric.Counter<number>,
  attributes: Attributes
): Metric.Counter<number> => Metric.counter(id, { description, attributes, incremental: true })

/** A series of a histogram of times. */
const timesOf = ({ description, id }: Metric.Histogram<number>, attributes: Attributes) =>
  Metric.histogram(id, {
    description,
    attributes: { ...inMillis, ...attributes },
    boundaries: durationBoundaries
  })

interface StepMetrics {
  readonly ended: (ending: Ending) => Metric.Counter<number>
  readonly duration: Metric.Histogram<number>
  readonly wait: Metric.Histogram<number>
}

const memoize = <K, A>(make: (key: K) => A): (key: K) => A => {
  const made = new Map<K, A>()
  return (key) => {
    const found = made.get(key)
    if (found !== undefined) return found
    const value = make(key)
    made.set(key, value)
    return value
  }
}

const stepMetrics = (attributes: { readonly task: string; readonly step: string }): StepMetrics => ({
  ended: memoize((outcome: Ending) => counterOf(Metrics.steps, { ...attributes, outcome })),
  duration: timesOf(Metrics.stepDuration, attributes),
  wait: timesOf(Metrics.stepWait, attributes)
})

export class WorkerMetrics {
  private readonly context: Context.Context<never>
  private readonly byTask = memoize((task: string) => memoize((step: string) => stepMetrics({ task, step })))
  private buffered = 0
  private running = 0

  constructor(context: Context.Context<never>) {
    this.context = context
    // Starts a counter at 0, so that an alarm on its rate also fires for the first event.
    for (const counter of [Metrics.leasesLost, Metrics.leasesRescued, Metrics.reconnects]) {
      counter.updateUnsafe(0, context)
    }
    for (const gauge of [Metrics.buffered, Metrics.running]) gauge.modifyUnsafe(0, context)
  }

  /** An attempt ended. What could not be decoded has no task and no step: its names may be anything. */
  ended(claimed: ClaimedTask, ending: Ending, duration: number): void {
    const known = ending !== "rejected" && claimed.task !== undefined && claimed.tag !== undefined
    const metrics = this.byTask(known ? claimed.task! : "")(known ? claimed.tag! : "")
    metrics.ended(ending).updateUnsafe(1, this.context)
    if (ending === "lost") this.leasesLost(1)
    if (!known) return
    metrics.duration.updateUnsafe(duration, this.context)
    metrics.wait.updateUnsafe(claimed.waited, this.context)
  }

  /** The outcome of an attempt was not written: a pending state has taken its place. */
  replaced({ tag, task }: ClaimedTask, ending: Ending): void {
    const attributes = { task: task ?? "", step: tag ?? "", outcome: ending }
    counterOf(Metrics.replaced, attributes).updateUnsafe(1, this.context)
  }

  /** An outcome is in the row. Signals have left that: a waiting state took one, or the task ended without them. */
  inRow(claimed: ClaimedTask, outcome: RowOutcome): void {
    if (isTaken(claimed, outcome)) this.signals(claimed, "taken", 1)
    if (outcome._tag === "Finished" && outcome.left !== undefined) this.signals(claimed, "left", outcome.left)
  }

  private signals(claimed: ClaimedTask, outcome: "taken" | "left", count: number): void {
    counterOf(Metrics.signals, { task: claimed.task ?? "", outcome }).updateUnsafe(count, this.context)
  }

  /** By how much they changed: several workers of one process share the gauges. */
  levels({ buffered, running }: { readonly buffered: number; readonly running: number }): void {
    if (buffered !== this.buffered) Metrics.buffered.modifyUnsafe(buffered - this.buffered, this.context)
    if (running !== this.running) Metrics.running.modifyUnsafe(running - this.running, this.context)
    this.buffered = buffered
    this.running = running
  }

  stored(batch: number): void {
    Metrics.batchSize.updateUnsafe(batch, this.context)
  }

  leasesLost(count: number): void {
    if (count > 0) Metrics.leasesLost.updateUnsafe(count, this.context)
  }

  leasesRescued(count: number): void {
    if (count > 0) Metrics.leasesRescued.updateUnsafe(count, this.context)
  }

  /** Ticks of a recurring task. */
  ticked(recurring: string, outcome: "started" | "missed" | "overlapped", count: number): void {
    if (count > 0) counterOf(Metrics.ticks, { recurring, outcome }).updateUnsafe(count, this.context)
  }

  reconnected(): void {
    Metrics.reconnects.updateUnsafe(1, this.context)
  }
}
