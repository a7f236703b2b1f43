// Children: mistakes.
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "effect-pg-task"

class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number }) {}
class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}
const Adder = Task.declare("Adder", { states: [Add], final: [Sum] })

class Shrink extends Schema.TaggedClass<Shrink>()("Shrink", {}) {}
class Shrunk extends Schema.TaggedClass<Shrunk>()("Shrunk", {}) {}
const Thumbnail = Task.declare("Thumbnail", { states: [Shrink], final: [Shrunk] })

class Gather extends Schema.TaggedClass<Gather>()("Gather", { sums: Schema.Array(Task.child(Adder)) }) {}

const done = () => Effect.succeed(NextStep.none)

// error: Property 'sums' is missing
export const forgotten = new Gather({})

// error: Type '"Thumbnail"' is not assignable to type '"Adder"'
export const otherTask = new Gather({ sums: [Thumbnail.child(new Shrink())] })

// error: Property 'a' is missing
export const final = Adder.child(new Sum({ sum: 1 }))

export const none = Step.wait(Add, (on) => [
  // error: the state "Add" holds no children: give it a field made by Task.child
  on.children({ handler: done })
])

export const noneSettled = Step.wait(Add, (on) => [
  // error: the state "Add" holds no children: give it a field made by Task.child
  on.settled({ handler: done })
])

export const undeclared = Step.wait(Gather, (on) => [
  on.children({
    next: [Gather],
    // error: this transition on children moves to "Sum", which is not in its `next`
    handler: (_, { sums }) => Effect.succeed(NextStep.now(new Sum({ sum: sums.length })))
  })
])

export const twice = Step.wait(Gather, (on) => [
  // error: two handlers for the children of one state
  on.children({ handler: done }),
  // error: two handlers for the children of one state
  on.children({ handler: done })
])

export const both = Step.wait(Gather, (on) => [
  // error: two handlers for the children of one state
  on.children({ handler: done }),
  // error: two handlers for the children of one state
  on.settled({ handler: done })
])

// error: is not assignable to parameter of type
export const noTask = Task.child("Adder")

// error: Type '"Adder"' is not assignable to type '"Sums"'
export const otherName = Task.child((): Task.Forward<"Sums", typeof Sum> => Adder)

// error: Type '"Sum"' is not assignable to type '"Shrunk"'
export const otherFinal = Task.child((): Task.Forward<"Adder", typeof Shrunk> => Adder)

// A function without a type of its own: the compiler can't work out a type that depends on itself.
class Size extends Schema.TaggedClass<Size>()("Size", {}) {}
// error: Type 'Inside' recursively references itself as a base type
// error: it does not have a return type annotation and is referenced directly or indirectly
// error: 'Inside' is referenced directly or indirectly in its own base expression
class Inside extends Schema.TaggedClass<Inside>()("Inside", { folders: Schema.Array(Task.child(() => Tree)) }) {}
// error: 'Tree' implicitly has type 'any' because it does not have a type annotation
// error: Type 'typeof Inside' is missing the following properties from type 'StateSchema<unknown>'
// error: "Size" is among `states`, too
const Tree = Task.declare("Tree", { states: [Inside], final: [Size] })
export { Tree }
