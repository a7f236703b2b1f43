// What a waiting state waits for, and which signals a task takes.
import { Effect, Schema } from "effect"
import { NextStep, Step, Task, type TaskId } from "effect-pg-task"

class AwaitApproval extends Schema.TaggedClass<AwaitApproval>()("AwaitApproval", { order: Schema.String }) {}
class Pack extends Schema.TaggedClass<Pack>()("Pack", { order: Schema.String }) {}
class Approved extends Schema.TaggedClass<Approved>()("Approved", { by: Schema.String }) {}
class Nobody extends Schema.TaggedClass<Nobody>()("Nobody", {}) {}

const done = () => Effect.succeed(NextStep.none)

// error: this state waits for nothing
export const nothing = Step.wait(AwaitApproval, () => [])

export const twice = Step.wait(AwaitApproval, (on) => [
  // error: two handlers for the signal "Approved"
  on(Approved, { handler: done }),
  // error: two handlers for the signal "Approved"
  on(Approved, { handler: done })
])

export const undeclared = Step.wait(AwaitApproval, (on) => [
  on(Approved, {
    next: [AwaitApproval],
    // error: this transition on "Approved" moves to "Pack", which is not in its `next`
    handler: ({ order }) => Effect.succeed(NextStep.now(new Pack({ order })))
  })
])

export const timeout = Step.wait(AwaitApproval, (on) => [
  on.timeout("1 day", {
    next: [AwaitApproval],
    // error: this timeout moves to "Pack", which is not in its `next`
    handler: ({ order }) => Effect.succeed(NextStep.now(new Pack({ order })))
  })
])

const wait = Step.wait(AwaitApproval, (on) => [on(Approved, { handler: done })])
const Order = Task.make("Order", [wait])
const Plain = Task.make("Plain", [Step.make(Pack, { handler: done })])
declare const id: TaskId.TaskId

// error: no state of task "Order" waits for the signal "Nobody"
export const unknown = Order.signal(id, new Nobody())

// error: no state of task "Plain" waits for signals
export const none = Plain.signal(id, new Approved({ by: "ada" }))

const Declared = Task.declare("Order", { states: [AwaitApproval], signals: [Approved, Nobody] })
// error: no step waits for the signal "Nobody", which is declared
export const missing = Task.make(Declared, [wait])

const Without = Task.declare("Order", { states: [AwaitApproval] })
export const notDeclared = Task.make(Without, [
  // error: this step waits for the signal "Approved", which is not declared: add it to `signals`
  wait
])
