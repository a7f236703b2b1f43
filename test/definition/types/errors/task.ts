// The steps of a task: one for each state that a step of it may move to, and no two for one.
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "effect-pg-task"

class Draft extends Schema.TaggedClass<Draft>()("Draft", {}) {}
class Sent extends Schema.TaggedClass<Sent>()("Sent", { to: Schema.String }) {}
class Paid extends Schema.TaggedClass<Paid>()("Paid", {}) {}
const OtherSent = Schema.TaggedStruct("Sent", { to: Schema.Array(Schema.String) })
const WiderSent = Schema.TaggedStruct("Sent", { to: Schema.String, cc: Schema.String })
const OptionalSent = Schema.TaggedStruct("Sent", { to: Schema.String, cc: Schema.optionalKey(Schema.String) })
const StructSent = Schema.TaggedStruct("Sent", { to: Schema.String })

const handler = () => Effect.succeed(NextStep.none)
const draft = Step.make(Draft, { next: [Sent], handler })
const sent = Step.make(Sent, { next: [Sent, Paid], handler })
const paid = Step.make(Paid, { handler })
const draftOfOther = Step.make(Draft, { next: [OtherSent], handler })

export const missing = Task.make("Invoice", [
  // error: step "Draft" moves to "Sent", but no step of this task has that state
  draft,
  paid
])

export const missingLater = Task.make("Invoice", [
  draft,
  // error: step "Sent" moves to "Paid", but no step of this task has that state
  sent
])

export const twice = Task.make("Invoice", [
  // error: two steps of this task have the state "Paid"
  paid,
  draft,
  sent,
  // error: two steps of this task have the state "Paid"
  paid
])

export const differing = Task.make("Invoice", [
  // error: step "Draft" moves to a "Sent" that differs from the state of this task's step "Sent"
  draftOfOther,
  sent,
  paid
])

// What only one of the two schemas has would be lost.
export const wider = Task.make("Invoice", [
  // error: step "Draft" moves to a "Sent" that differs from the state of this task's step "Sent"
  Step.make(Draft, { next: [WiderSent], handler }),
  sent,
  paid
])

export const optional = Task.make("Invoice", [
  // error: step "Draft" moves to a "Sent" that differs from the state of this task's step "Sent"
  Step.make(Draft, { next: [OptionalSent], handler }),
  sent,
  paid
])

export const struct = Task.make("Invoice", [
  // error: step "Draft" moves to a "Sent" that differs from the state of this task's step "Sent"
  Step.make(Draft, { next: [StructSent], handler }),
  sent,
  paid
])

// error: a task needs at least one step
export const empty = Task.make("Invoice", [])

// error: Type 'typeof Draft' is missing the following properties from type 'Any<unknown>'
export const states = Task.make("Invoice", [Draft])

// error: is missing the following properties from type 'readonly Any<unknown>[]'
export const noArray = Task.make("Invoice", paid)

// error: Argument of type 'number' is not assignable to parameter of type 'string | Declaration<
export const noName = Task.make(1, [paid])

export const declared: Task.Task<"Invoice", typeof paid> = Task.make("Invoice", [paid])

// error: Type '"Draft"' is not assignable to type '"Paid"'
export const state: Task.State<typeof declared> = new Draft()

// error: is missing the following properties from type 'AnyDeclaration<unknown>'
export type OfAStep = Task.State<typeof paid>

// error: Type '"urgent"' is not assignable to type '"high" | "low" | undefined'
export const noPriority = Task.make("Invoice", [paid], { priority: "urgent" })

// Normal is what a task without the option has.
// error: Type '"normal"' is not assignable to type '"high" | "low" | undefined'
export const normal = Task.make("Invoice", [paid], { priority: "normal" })

// Its workers say so, not those who enqueue.
// error: 'priority' does not exist in type
export const withPriority = Task.declare("Invoice", { states: [Paid], priority: "high" })
