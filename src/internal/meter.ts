/** Feeds the metrics. Those of one step and outcome are looked up once, not once an attempt. */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as Metrics from "../Metrics.ts"
import type { Held } from "./attempt.ts"
import type { RowOutcome } from "./outcome.ts"

export type Ending = "finished" | "moved" | "retried" | "parked" | "rejected" | "released" | "lost"

const endings: Record<RowOutcome["_tag"], Ending> = {
  Finish: "finished",
  Advance: "moved",
  Move: "moved",
  Retry: "retried",
  Park: "parked",
  Reject: "rejected",
  Release: "released"
}

export const endingOf = (outcome: RowOutcome): Ending => endings[outcome._tag]

interface StepMetrics {
  readonly ended: (ending: Ending) => Metric.Metric<number, unknown>
  readonly duration: Metric.Metric<number, unknown>
  readonly wait: Metric.Metric<number, unknown>
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
  ended: memoize((outcome: Ending) => Metric.withAttributes(Metrics.steps, { ...attributes, outcome })),
  duration: Metric.withAttributes(Metrics.stepDuration, attributes),
  wait: Metric.withAttributes(Metrics.stepWait, attributes)
})

export class Meter {
  private readonly context: Context.Context<never>
  private readonly byTask = memoize((task: string) => memoize((step: string) => stepMetrics({ task, step })))

  constructor(context: Context.Context<never>) {
    this.context = context
  }

  /** An attempt ended. What could not be decoded has no task and no step: its names may be anything. */
  ended(held: Held, ending: Ending, duration: number): void {
    const known = ending !== "rejected" && held.task !== undefined && held.tag !== undefined
    const metrics = this.byTask(known ? held.task! : "")(known ? held.tag! : "")
    metrics.ended(ending).updateUnsafe(1, this.context)
    if (!known) return
    metrics.duration.updateUnsafe(duration, this.context)
    metrics.wait.updateUnsafe(held.waited, this.context)
  }

  levels(counts: { readonly buffered: number; readonly running: number }): void {
    Metrics.buffered.updateUnsafe(counts.buffered, this.context)
    Metrics.running.updateUnsafe(counts.running, this.context)
  }

  stored(batch: number): void {
    Metrics.batchSize.updateUnsafe(batch, this.context)
  }

  leasesLost(count: number): void {
    if (count > 0) Metrics.leasesLost.updateUnsafe(count, this.context)
  }

  leasesTakenOver(count: number): void {
    if (count > 0) Metrics.leasesTakenOver.updateUnsafe(count, this.context)
  }

  reconnected(): void {
    Metrics.reconnects.updateUnsafe(1, this.context)
  }
}
