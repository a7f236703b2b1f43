// What is inferred of former states. Compiled only.
import { Context, Effect, Schema, SchemaGetter, type Scope } from "effect"
import { NextStep, Step, Task, Worker } from "../../../src/index.ts"
import { type Equal, holds } from "./Equal.ts"

class ReadV1 extends Schema.TaggedClass<ReadV1>()("Read", { file: Schema.String }) {}
class ReadV2 extends Schema.TaggedClass<ReadV2>()("ReadFrom", { path: Schema.String }) {}
class ReadV3 extends Schema.TaggedClass<ReadV3>()("ReadIn", { dir: Schema.String, name: Schema.String }) {}
class Hello extends Schema.TaggedClass<Hello>()("Hello", {}) {}
class Greet extends Schema.TaggedClass<Greet>()("Greet", {}) {}
class Dirs extends Context.Service<Dirs, { readonly of: (path: string) => Effect.Effect<string> }>()("Dirs") {}
class Key extends Context.Service<Key, string>()("Key") {}

const none = () => Effect.succeed(NextStep.none)

// A chain in one list: the compiler checks that each ends in the state.
const read = Step.make(ReadV3, {
  next: [Hello],
  from: [
    Step.former(ReadV2, ({ path }) => new ReadV3({ dir: ".", name: path })),
    Step.former(ReadV1, ({ file }) => new ReadV2({ path: file }))
  ],
  handler: Effect.fnUntraced(function*({ dir, name }) {
    yield* Effect.log(dir, name)
    return NextStep.now(new Hello())
  })
})
type ReadFormers = Step.Former<typeof ReadV2, ReadV3, never> | Step.Former<typeof ReadV1, ReadV2, never>
holds<Equal<typeof read, Step.Step<typeof ReadV3, typeof Hello, never, never, ReadFormers>>>()
holds<Equal<(typeof read.from)[number]["tag"], "Read" | "ReadFrom">>()

// One that asks a service: the worker must have it.
const readWith = Step.make(ReadV3, {
  from: [
    Step.former(
      ReadV2,
      Effect.fnUntraced(function*({ path }) {
        return new ReadV3({ dir: yield* (yield* Dirs).of(path), name: path })
      })
    )
  ],
  handler: none
})
holds<Equal<Step.Services<typeof readWith>, Dirs>>()

// And so must it have what the former schema needs to decode.
const Secret = Schema.String.pipe(Schema.decodeTo(Schema.String, {
  decode: SchemaGetter.transformEffect((text: string) => Effect.map(Key, (key) => text.slice(key.length))),
  encode: SchemaGetter.passthrough()
}))
const Whisper = Schema.TaggedStruct("Whisper", { secret: Secret })
const decodes = Step.make(Hello, { from: [Step.former(Whisper, () => new Hello())], handler: none })
holds<Equal<Step.Services<typeof decodes>, Key>>()

// A scope is there.
const scoped = Step.make(Hello, {
  from: [Step.former(Greet, () => Effect.as(Effect.addFinalizer(() => Effect.void), new Hello()))],
  handler: none
})
holds<Equal<Step.Services<typeof scoped>, never>>()
holds<Equal<(typeof scoped.from)[number], Step.Former<typeof Greet, Hello, Scope.Scope>>>()

// Two branches, and a former state that becomes one of two others.
Step.make(ReadV3, {
  from: [
    Step.former(
      ReadV2,
      ({ path }) => path === "" ? new ReadV3({ dir: "", name: "" }) : new ReadV3({ dir: ".", name: path })
    ),
    Step.former(ReadV1, ({ file }) => file === "" ? new ReadV3({ dir: "", name: "" }) : new ReadV2({ path: file }))
  ],
  handler: none
})

// With retries, errors and all the rest.
Step.make(ReadV3, {
  next: [Hello],
  retryLimit: 5,
  retryDelay: "1 second",
  transactional: true,
  from: [Step.former(ReadV2, ({ path }) => new ReadV3({ dir: ".", name: path }))],
  handler: ({ name }) => name === "" ? Effect.fail("empty") : Effect.succeed(NextStep.now(new Hello()))
})

const hello = Step.make(Hello, { from: [Step.former(Greet, () => new Hello())], handler: none })
const Greeter = Task.make("Greeter", [read, hello])
holds<Equal<Task.State<typeof Greeter>, ReadV3 | Hello>>()
holds<Equal<Task.Services<typeof Greeter>, never>>()
Worker.layer({ tasks: [Greeter] })
Greeter.enqueue(new ReadV3({ dir: "", name: "" }))

// The same of a declaration: it names the states of today.
const Declared = Task.declare("Greeter", { states: [ReadV3, Hello], entry: [ReadV3] })
holds<Equal<Task.State<typeof Declared>, ReadV3 | Hello>>()
Worker.layer({ tasks: [Task.make(Declared, [read, hello])] })
holds<Equal<Task.Services<ReturnType<typeof withDirs>>, Dirs>>()
const withDirs = () => Task.make("Reader", [readWith])

// Any task with former states is any task.
export const all: ReadonlyArray<Task.Any<Dirs>> = [Greeter, withDirs()]
