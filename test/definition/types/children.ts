// Children: what is inferred of the states that hold them. Compiled only.
import { Context, Effect, Schema, SchemaGetter } from "effect"
import { NextStep, Step, Task, type TaskError } from "../../../src/index.ts"
import { type Equal, holds } from "./Equal.ts"

class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number }) {}
class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}
class TooLarge extends Schema.TaggedClass<TooLarge>()("TooLarge", {}) {}
const Adder = Task.declare("Adder", { states: [Add], final: [Sum, TooLarge] })
type Added = Sum | TooLarge

class Send extends Schema.TaggedClass<Send>()("Send", {}) {}
/** It has no final state: nothing is known of its end but that it has come. */
const Mail = Task.declare("Mail", { states: [Send] })

class Stop extends Schema.TaggedClass<Stop>()("Stop", {}) {}
class Gather extends Schema.TaggedClass<Gather>()("Gather", {
  title: Schema.String,
  tags: Schema.Array(Schema.String),
  one: Task.child(Adder),
  maybe: Schema.optional(Task.child(Adder)),
  all: Schema.Array(Task.child(Adder)),
  byName: Schema.Record(Schema.String, Task.child(Adder)),
  mail: Task.child(Mail)
}) {}

const child = Adder.child(new Add({ a: 1 }))
holds<Equal<typeof child, Task.Child<"Adder", Added>>>()

export const spawn = Step.make(Send, {
  next: [Gather],
  handler: () =>
    Effect.succeed(NextStep.now(
      new Gather({ title: "t", tags: [], one: child, all: [child], byName: { a: child }, mail: Mail.child(new Send()) })
    ))
})

// The results stand under the names of the fields that hold children, and have their shapes.
const gather = Step.wait(Gather, (on) => [
  on.children({
    next: [Sum],
    handler: Effect.fnUntraced(function*(state, results) {
      holds<Equal<typeof state, Gather>>()
      holds<Equal<keyof typeof results, "one" | "maybe" | "all" | "byName" | "mail">>()
      holds<Equal<typeof results.maybe, Added | undefined>>()
      holds<Equal<typeof results.mail, never>>()
      holds<Equal<typeof results.one, Added>>()
      holds<Equal<typeof results.all, ReadonlyArray<Added>>>()
      holds<Equal<typeof results.byName, { readonly [x: string]: Added }>>()
      yield* Effect.log(state.title)
      return NextStep.now(new Sum({ sum: results.all.length }))
    })
  }),
  on(Stop, { handler: () => Effect.succeed(NextStep.none) })
])
holds<Equal<Step.Error<typeof gather>, TaskError.TaskChildGoneError>>()
holds<Equal<Step.Services<typeof gather>, never>>()
holds<Equal<(typeof gather.on)[number]["tag"], "$children" | "Stop">>()

// `on.settled` tells for each what has become of it, and fails for none that is gone.
const settle = Step.wait(Gather, (on) => [
  on.settled({
    handler: Effect.fnUntraced(function*(_, { all, one }) {
      holds<Equal<typeof one, Task.Settled<Added>>>()
      holds<Equal<typeof all, ReadonlyArray<Task.Settled<Added>>>>()
      yield* Effect.log(all.flatMap((each) => each._tag === "Parked" ? [each.error] : []))
      return NextStep.none
    })
  })
])
holds<Equal<Step.Error<typeof settle>, never>>()

// A task that spawns its own kind. The function needs a type of its own, and nothing else does.
class Size extends Schema.TaggedClass<Size>()("Size", { folders: Schema.Number }) {}
class Open extends Schema.TaggedClass<Open>()("Open", { folder: Schema.String }) {}
class Inside extends Schema.TaggedClass<Inside>()("Inside", {
  folders: Schema.Array(Task.child((): Task.Forward<"Tree", typeof Size> => Tree))
}) {}
const Tree = Task.declare("Tree", { states: [Open, Inside], entry: [Open], final: [Size] })

export const TreeTask = Task.make(Tree, [
  Step.make(Open, {
    next: [Inside],
    handler: ({ folder }) => Effect.succeed(NextStep.now(new Inside({ folders: [Tree.child(new Open({ folder }))] })))
  }),
  Step.wait(Inside, (on) => [
    on.children({
      next: [Size],
      handler: (_, { folders }) => {
        holds<Equal<typeof folders, ReadonlyArray<Size>>>()
        return Effect.succeed(NextStep.now(new Size({ folders: folders.length })))
      }
    })
  ]),
  Step.final(Size)
])
holds<Equal<Task.State<typeof Tree>, Open | Inside | Size>>()
holds<Equal<Task.Result<typeof TreeTask>, Size>>()

// Two tasks that spawn each other: one of them is declared further down.
class Ping extends Schema.TaggedClass<Ping>()("Ping", {
  pong: Schema.optional(Task.child((): Task.Forward<"Pong", typeof Sum> => Pongs))
}) {}
const Pings = Task.declare("Ping", { states: [Ping], final: [Size] })
class Pong extends Schema.TaggedClass<Pong>()("Pong", { ping: Task.child(Pings) }) {}
const Pongs = Task.declare("Pong", { states: [Pong], final: [Sum] })
export const ping = new Ping({ pong: Pongs.child(new Pong({ ping: Pings.child(new Ping({})) })) })

// Services that encode the states of a child are needed to encode the state that holds it.
class Key extends Context.Service<Key, { readonly seal: (text: string) => string }>()("Key") {}
const Sealed = Schema.String.pipe(Schema.decodeTo(Schema.String, {
  decode: SchemaGetter.passthrough(),
  encode: SchemaGetter.transformEffect((text: string) => Effect.map(Effect.service(Key), ({ seal }) => seal(text)))
}))
class Secret extends Schema.TaggedClass<Secret>()("Secret", { text: Sealed }) {}
const Secrets = Task.declare("Secrets", { states: [Secret], final: [Sum] })
class Hold extends Schema.TaggedClass<Hold>()("Hold", { secret: Task.child(Secrets) }) {}
class HoldLater extends Schema.TaggedClass<HoldLater>()("HoldLater", {
  secret: Task.child((): Task.Forward<"Secrets", typeof Sum, Key> => Secrets)
}) {}
holds<Equal<typeof Hold.EncodingServices, Key>>()
holds<Equal<typeof HoldLater.EncodingServices, Key>>()
