/** A module with recurring tasks for `pg-task schedules prune`. */
import { Effect, Schema } from "effect"
import { NextStep, Recurring, Step, Task } from "../../../src/index.ts"

class Build extends Schema.TaggedClass<Build>()("Build", { tenant: Schema.String }) {}

export const Report = Task.make("Report", [Step.make(Build, { handler: () => Effect.succeed(NextStep.none) })])

const state = ({ name }: Recurring.Tick) => new Build({ tenant: name })

export const Nightly = Recurring.make("nightly", { cron: "0 3 * * *", task: Report, state })

/** It had a schedule of its own once. */
export const Tenants = Recurring.make("tenants", { task: Report, state })
