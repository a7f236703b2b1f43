// Former states: what each becomes, and what a task may do with them.
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "effect-pg-task"

class ReadV1 extends Schema.TaggedClass<ReadV1>()("Read", { file: Schema.String }) {}
class ReadV2 extends Schema.TaggedClass<ReadV2>()("ReadFrom", { path: Schema.String }) {}
class ReadV3 extends Schema.TaggedClass<ReadV3>()("ReadIn", { dir: Schema.String, name: Schema.String }) {}
class Hello extends Schema.TaggedClass<Hello>()("Hello", {}) {}
class Greet extends Schema.TaggedClass<Greet>()("Greet", {}) {}

const none = () => Effect.succeed(NextStep.none)

export const otherState = Step.make(ReadV3, {
  // error: the former state "Read" becomes a "Hello", which is neither "ReadIn" nor a former state of this step
  from: [Step.former(ReadV1, () => new Hello())],
  handler: none
})

export const missingLink = Step.make(ReadV3, {
  // error: the former state "Read" becomes a "ReadFrom", which is neither "ReadIn" nor a former state of this step
  from: [Step.former(ReadV1, ({ file }) => new ReadV2({ path: file }))],
  handler: none
})

export const sometimes = Step.make(ReadV3, {
  from: [
    Step.former(ReadV2, ({ path }) => new ReadV3({ dir: "", name: path })),
    // error: the former state "Read" becomes a "Hello", which is neither "ReadIn" nor a former state of this step
    Step.former(ReadV1, ({ file }) => file === "" ? new Hello() : new ReadV3({ dir: "", name: file }))
  ],
  handler: none
})

export const itself = Step.make(ReadV3, {
  // error: the former state "Read" goes round: it never becomes "ReadIn"
  from: [Step.former(ReadV1, (old) => old)],
  handler: none
})

export const round = Step.make(ReadV3, {
  from: [
    // error: the former state "Read" goes round: it never becomes "ReadIn"
    Step.former(ReadV1, ({ file }) => new ReadV2({ path: file })),
    // error: the former state "ReadFrom" goes round: it never becomes "ReadIn"
    Step.former(ReadV2, ({ path }) => new ReadV1({ file: path }))
  ],
  handler: none
})

export const sameTag = Step.make(Hello, {
  // error: the former state "Hello" has the tag of the state: change its schema with a decoding default in place of it
  from: [Step.former(Schema.TaggedStruct("Hello", { old: Schema.Number }), () => new Hello())],
  handler: none
})

export const twiceInOneStep = Step.make(ReadV3, {
  from: [
    // error: two former states of this step have the tag "Read"
    Step.former(ReadV1, ({ file }) => new ReadV3({ dir: "", name: file })),
    // error: two former states of this step have the tag "Read"
    Step.former(ReadV1, ({ file }) => new ReadV3({ dir: ".", name: file }))
  ],
  handler: none
})

export const context = Step.make(Hello, {
  // error: the former state "Greet" uses Step.Context, which only handlers have
  from: [Step.former(Greet, () => Effect.as(Step.Context, new Hello()))],
  handler: none
})

export const fails = Step.make(Hello, {
  // error: Type 'string' is not assignable to type 'never'
  // error: the former state "Greet" becomes a state of unknown tag, which is neither "Hello" nor a former state of this
  from: [Step.former(Greet, () => Effect.fail("no"))],
  handler: none
})

export const otherMistake = Step.make(ReadV3, {
  from: [Step.former(ReadV1, ({ file }) => new ReadV3({ dir: "", name: file }))],
  next: [Hello],
  // error: this step moves to "Greet", which is not in its `next`
  handler: () => Effect.succeed(NextStep.now(new Greet()))
})

const read = Step.make(ReadV3, {
  next: [Hello],
  from: [Step.former(ReadV1, ({ file }) => new ReadV3({ dir: "", name: file }))],
  handler: () => Effect.succeed(NextStep.now(new Hello()))
})
const hello = Step.make(Hello, { from: [Step.former(Greet, () => new Hello())], handler: none })
const greet = Step.make(Greet, { handler: none })

export const currentAndFormer = Task.make("Greeter", [
  read,
  // error: "Greet" is a former state of step "Hello", and the state of another step
  hello,
  greet
])

// A plain object literal has a `_tag` of type string: make states by their schemas.
const Other = Schema.TaggedStruct("Other", {})
const other = Step.make(Other, { from: [Step.former(Greet, () => Other.make({}))], handler: none })

export const twoSteps = Task.make("Greeter", [
  read,
  // error: "Greet" is a former state of two steps
  hello,
  // error: "Greet" is a former state of two steps
  other
])

const old = Step.make(Schema.TaggedStruct("Old", {}), { next: [Greet], handler: none })

export const movesToFormer = Task.make("Greeter", [
  read,
  hello,
  // error: step "Old" moves to the former state "Greet": move to what it became
  old
])

export const Greeter = Task.make("Greeter", [read, hello])

// error: Type 'ReadV1' is missing the following properties from type 'ReadV3': dir, name
export const enqueued = Greeter.enqueue(new ReadV1({ file: "" }))

export const declared = Task.make(
  Task.declare("Greeter", { states: [ReadV3, Hello, Greet] }),
  // error: no step for the state "Greet", which is declared
  [read, hello]
)
