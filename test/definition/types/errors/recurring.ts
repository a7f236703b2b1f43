// What a recurring task starts, and when.
import { Effect, Schema } from "effect"
import { NextStep, Recurring, Step, Task } from "effect-pg-task"

class Build extends Schema.TaggedClass<Build>()("Build", {}) {}
class Send extends Schema.TaggedClass<Send>()("Send", { to: Schema.String }) {}

const handler = () => Effect.succeed(NextStep.none)
const Report = Task.make("Report", [Step.make(Build, { handler })])
const state = () => new Build()

// error: "0 3 * *" is no cron expression: it must have five or six fields
export const fewFields = Recurring.make("nightly", { cron: "0 3 * *", task: Report, state })

// error: Type '"Send"' is not assignable to type '"Build"'
export const otherState: Recurring.Options<typeof Report>["state"] = () => new Send({ to: "ada" })

// error: is not assignable to type 'Wrong<"`missed: "all"` needs `overlap: "allow"`
export const allBeside = Recurring.make("nightly", { cron: "0 3 * * *", task: Report, state, missed: "all" })

// error: Type '"never"' is not assignable to type
export const unknownPolicy = Recurring.make("nightly", { cron: "0 3 * * *", task: Report, state, missed: "never" })
