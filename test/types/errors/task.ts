// The steps of a task: one for each state that a step of it may move to, and no two for one.
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "effect-pg-task"

class Draft extends Schema.TaggedClass<Draft>()("Draft", {}) {}
class Sent extends Schema.TaggedClass<Sent>()("Sent", { to: Schema.String }) {}
class Paid extends Schema.TaggedClass<Paid>()("Paid", {}) {}
const OtherSent = Schema.TaggedStruct("Sent", { to: Schema.Array(Schema.String) })

const handler = () => Effect.succeed(NextStep.none)
const draft = Step.make(Draft, { next: [Sent], handler })
const sent = Step.make(Sent, { next: [Sent, Paid], handler })
const paid = Step.make(Paid, { handler })
const draftOfOther = Step.make(Draft, { next: [OtherSent], handler })

// error: step "Draft" moves to "Sent", but no step of this task has that state
export const missing = Task.make("Invoice", [draft, paid])

// error: step "Sent" moves to "Paid", but no step of this task has that state
export const missingLater = Task.make("Invoice", [draft, sent])

// error: two steps of this task have the state "Paid"
export const twice = Task.make("Invoice", [paid, draft, sent, paid])

// error: step "Draft" moves to a "Sent" that differs from the state of this task's step "Sent"
export const differing = Task.make("Invoice", [draftOfOther, sent, paid])

// error: a task needs at least one step
export const empty = Task.make("Invoice", [])

// error: Type 'typeof Draft' is missing the following properties from type 'Any'
export const states = Task.make("Invoice", [Draft])

// error: is missing the following properties from type 'readonly Any[]'
export const noArray = Task.make("Invoice", paid)

// error: Argument of type 'number' is not assignable to parameter of type 'string'
export const noName = Task.make(1, [paid])
