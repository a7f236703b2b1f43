/** What became of attempts, as the metrics have it. */
import type { Metric } from "effect"
import { Metrics } from "../../../src/index.ts"
import type { Series } from "./Series.ts"

/** The attributes of the one step of `jobs`. */
export const ofJob = { task: "Jobs", step: "Job" }

/** Attempts of a step, by their outcome. */
export const outcomes = (series: Series, of: { readonly task: string; readonly step: string } = ofJob) =>
  Object.fromEntries(
    series.all(Metrics.steps)
      .filter(([{ step, task }]) => task === of.task && step === of.step)
      .map(([{ outcome }, state]) => [outcome, (state as Metric.CounterState<number>).count])
  )
