// Final states: mistakes.
import { Context, Effect, Schema } from "effect"
import { NextStep, Step, Task, type TaskId } from "effect-pg-task"

class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number }) {}
class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}
class Lost extends Schema.TaggedClass<Lost>()("Lost", {}) {}

const add = Step.make(Add, {
  next: [Sum],
  handler: ({ a }) => Effect.succeed(NextStep.now(new Sum({ sum: a })))
})
const Adder = Task.make("Adder", [add, Step.final(Sum)])

class Names extends Context.Service<Names, string>()("Names") {}
const Total = Schema.TaggedStruct("Total", { total: Schema.Number })

export const otherState = Step.final(Sum, {
  // error: the former state "Total" becomes a "Lost", which is neither "Sum" nor a former state of this step
  from: [Step.former(Total, () => new Lost())]
})

export const needsServices = Step.final(Sum, {
  from: [
    // error: the former state "Total" needs services, which those who read the result don't have
    Step.former(Total, ({ total }) => Effect.as(Names, new Sum({ sum: total })))
  ]
})

export const formerAndState = Task.make("Adder", [
  add,
  // error: "Add" is a former state of step "Sum", and the state of another step
  Step.final(Sum, { from: [Step.former(Add, ({ a }) => new Sum({ sum: a }))] })
])

// error: a task "Adder" may begin with "Add": see its `entry`
export const begun = Adder.enqueue(new Sum({ sum: 1 }))

// error: a task needs a step that is not final
export const onlyFinal = Task.make("Sums", [Step.final(Sum)])

export const finalEntry = Task.make("Adder", [add, Step.final(Sum)], {
  // error: "Sum" is a final state: no task begins there
  entry: [Sum]
})

export const declaredEntry = Task.declare("Adder", {
  states: [Add],
  final: [Sum],
  // error: "Sum" is a final state: no task begins there
  entry: [Sum]
})

export const both = Task.declare("Adder", {
  states: [Add, Sum],
  // error: "Sum" is among `states`, too: a final state has no step there
  final: [Sum]
})

export const notFinal = Task.make(Task.declare("Adder", { states: [Add], final: [Sum] }), [
  add,
  // error: "Sum" is declared as a final state: make it with Step.final
  Step.make(Sum, { handler: () => Effect.succeed(NextStep.none) })
])

export const undeclaredFinal = Task.make(Task.declare("Adder", { states: [Add, Sum] }), [
  add,
  // error: "Sum" is not declared as a final state: move it from `states` to `final`
  Step.final(Sum)
])

// error: no step for the state "Lost", which is declared
export const missing = Task.make(Task.declare("Adder", { states: [Add], final: [Sum, Lost] }), [add, Step.final(Sum)])

declare const id: TaskId.TaskId
const Plain = Task.make("Plain", [Step.make(Add, { handler: () => Effect.succeed(NextStep.none) })])

// error: this task has no final state to wait for: add one, made with Step.final
Plain.execute(new Add({ a: 1 }))

// error: this task has no final state to wait for: add one, made with Step.final
Plain.await(id)

// error: a task "Adder" may begin with "Add": see its `entry`
Adder.execute(new Sum({ sum: 1 }))

// error: give either `delay` or `at`
Adder.execute(new Add({ a: 1 }), { delay: "1 minute", at: new Date() })
