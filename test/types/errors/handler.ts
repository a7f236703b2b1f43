import { Effect, Schema } from "effect"
import { NextStep, Step } from "effect-pg-task"

class Draft extends Schema.TaggedClass<Draft>()("Draft", {}) {}
class Sent extends Schema.TaggedClass<Sent>()("Sent", {}) {}
class Paid extends Schema.TaggedClass<Paid>()("Paid", {}) {}

export const draft = Step.make(Draft, {
  next: [Sent],
  // error: this step moves to "Paid", which is not in its `next`
  handler: () => Effect.succeed(NextStep.now(new Paid()))
})

export const sent = Step.make(Sent, {
  // error: this final step moves to "Paid": add it to `next`, or return NextStep.none
  handler: () => Effect.succeed(NextStep.now(new Paid()))
})
