// What is inferred of tasks and workers. Compiled only.
import { Context, DateTime, Effect, FileSystem, Layer, Schema, SchemaGetter } from "effect"
import type { SqlClient } from "effect/sql"
import { NextStep, Step, Task, type TaskError, type TaskId, Worker } from "../../../src/index.ts"
import { type Equal, holds } from "./Equal.ts"

class DecodeKey extends Context.Service<DecodeKey, string>()("DecodeKey") {}
class EncodeKey extends Context.Service<EncodeKey, string>()("EncodeKey") {}
class Mailer extends Context.Service<Mailer, { readonly send: Effect.Effect<void> }>()("Mailer") {}

const Secret = Schema.String.pipe(Schema.decodeTo(Schema.String, {
  decode: SchemaGetter.transformEffect((text: string) => Effect.map(DecodeKey, (key) => text.slice(key.length))),
  encode: SchemaGetter.transformEffect((text: string) => Effect.map(EncodeKey, (key) => key + text))
}))

class Draft extends Schema.TaggedClass<Draft>()("Draft", { text: Schema.String }) {}
class Whisper extends Schema.TaggedClass<Whisper>()("Whisper", { secret: Secret }) {}
const Sent = Schema.TaggedStruct("Sent", { at: Schema.DateTimeUtcFromString })

const draft = Step.make(Draft, {
  next: [Whisper, Sent],
  handler: Effect.fnUntraced(function*({ text }) {
    yield* (yield* Mailer).send
    yield* Effect.addFinalizer(() => Effect.void)
    yield* Step.Context
    return NextStep.now(new Whisper({ secret: text }))
  })
})
const whisper = Step.make(Whisper, {
  next: [Draft, Sent],
  handler: ({ secret }) => Effect.succeed(NextStep.now(new Draft({ text: secret })))
})
const sent = Step.make(Sent, {
  handler: Effect.fnUntraced(function*() {
    yield* FileSystem.FileSystem
    return NextStep.none
  })
})

const Post = Task.make("Post", [draft, whisper, sent])
const now = DateTime.makeUnsafe("2030-01-01T00:00:00Z")
const draftState = new Draft({ text: "" })
const whisperState = new Whisper({ secret: "" })
const sentState = Sent.make({ at: now })

holds<Equal<typeof Post.name, "Post">>()
holds<Equal<typeof Post, Task.Task<"Post", typeof draft | typeof whisper | typeof sent>>>()
holds<Equal<Task.State<typeof Post>, Draft | Whisper | typeof Sent.Type>>()
holds<Equal<Step.State<(typeof Post.steps)[number]>, Draft | Whisper | typeof Sent.Type>>()

// To store a state takes the database, and what the schema of this very state needs to encode it.
type Enqueued<A, R = never> = Effect.Effect<A, TaskError.EnqueueError, SqlClient.SqlClient | R>
const enqueued = Post.enqueue(draftState)
const enqueuedSecret = Post.enqueue(whisperState)
const delayed = Post.delay(sentState, "1 day")
const delayedSecret = Post.delay(whisperState, "1 day")
const scheduled = Post.schedule(draftState, now)
const scheduledSecret = Post.schedule(whisperState, now)
const many = Post.enqueueAll([draftState, sentState])
const manySecrets = Post.enqueueAll([draftState, whisperState])
const none = Post.enqueueAll([])
const either = Post.enqueue(Math.random() > 0.5 ? draftState : whisperState)
holds<Equal<typeof enqueued, Enqueued<TaskId.TaskId>>>()
holds<Equal<typeof enqueuedSecret, Enqueued<TaskId.TaskId, EncodeKey>>>()
holds<Equal<typeof delayed, Enqueued<TaskId.TaskId>>>()
holds<Equal<typeof delayedSecret, Enqueued<TaskId.TaskId, EncodeKey>>>()
holds<Equal<typeof scheduled, Enqueued<TaskId.TaskId>>>()
holds<Equal<typeof scheduledSecret, Enqueued<TaskId.TaskId, EncodeKey>>>()
holds<Equal<typeof many, Enqueued<ReadonlyArray<TaskId.TaskId>>>>()
holds<Equal<typeof manySecrets, Enqueued<ReadonlyArray<TaskId.TaskId>, EncodeKey>>>()
holds<Equal<typeof none, Enqueued<ReadonlyArray<TaskId.TaskId>>>>()
holds<Equal<typeof either, Enqueued<TaskId.TaskId, EncodeKey>>>()

// One object whose tag is not known: what the schemas of both states need.
const merged = Post.enqueue({ _tag: Math.random() > 0.5 ? "Draft" : "Whisper", text: "", secret: "" })
holds<Equal<typeof merged, Enqueued<TaskId.TaskId, EncodeKey>>>()

Post.enqueueAll(new Set([draftState]))
Post.enqueue({ _tag: "Sent", at: now })

// A worker takes the database, and what handlers and schemas need: no scope, no context of the attempt.
const PostLive = Worker.layer({ tasks: [Post], concurrency: 5, lease: "10 seconds", shutdownTimeout: { seconds: 1 } })
const running = Worker.run({ tasks: [Post] })
type Needs = SqlClient.SqlClient | DecodeKey | EncodeKey | Mailer | FileSystem.FileSystem
holds<Equal<typeof PostLive, Layer.Layer<Worker.Worker, TaskError.WorkerError, Needs>>>()
holds<Equal<typeof running, Effect.Effect<void, TaskError.WorkerError, Needs>>>()
holds<Equal<Task.Services<typeof Post>, Exclude<Needs, SqlClient.SqlClient>>>()

// A task whose handlers and schemas need nothing: the database alone.
const Plain = Task.make("Plain", [Step.make(Draft, { handler: () => Effect.succeed(NextStep.none) })])
const PlainLive = Worker.layer({ tasks: [Plain] })
holds<Equal<typeof PlainLive, Layer.Layer<Worker.Worker, TaskError.WorkerError, SqlClient.SqlClient>>>()

// Several tasks: the sum of what they need, also in an array that was made elsewhere.
const BothLive = Worker.layer({ tasks: [Plain, Post] })
const tasks = [Plain, Post]
const ArrayLive = Worker.layer({ tasks })
holds<Equal<typeof BothLive, typeof PostLive>>()
holds<Equal<typeof ArrayLive, typeof PostLive>>()

// Of any tasks nobody knows what they need, unless it is said.
const anyTasks: ReadonlyArray<Task.Any> = tasks
const AnyLive = Worker.layer({ tasks: anyTasks })
holds<Equal<typeof AnyLive, Layer.Layer<Worker.Worker, TaskError.WorkerError, unknown>>>()
const knownTasks: ReadonlyArray<Task.Any<Exclude<Needs, SqlClient.SqlClient>>> = tasks
const KnownLive = Worker.layer({ tasks: knownTasks })
holds<Equal<typeof KnownLive, typeof PostLive>>()
// @ts-expect-error: the tasks need more
export const fewer: ReadonlyArray<Task.Any<Mailer>> = tasks
holds<Equal<Worker.Requirements<typeof tasks>, Needs>>()
holds<Equal<Step.Services<Step.Any>, unknown>>()

// The schemas of a step that only moves: it decodes its state and encodes the next.
const Mover = Step.make(Draft, { next: [Whisper], handler: () => Effect.succeed(NextStep.none) })
const Reader = Step.make(Whisper, { next: [Draft], handler: () => Effect.succeed(NextStep.none) })
holds<Equal<Step.Services<typeof Mover>, EncodeKey>>()
holds<Equal<Step.Services<typeof Reader>, DecodeKey>>()

// Once all is provided, nothing is left to provide.
declare const AllLive: Layer.Layer<Needs>
const complete = PostLive.pipe(Layer.provide(AllLive))
holds<Equal<typeof complete, Layer.Layer<Worker.Worker, TaskError.WorkerError>>>()

// Loops, cycles, and steps shared by tasks.
class Ping extends Schema.TaggedClass<Ping>()("Ping", {}) {}
class Pong extends Schema.TaggedClass<Pong>()("Pong", {}) {}
const ping = Step.make(Ping, { next: [Ping, Pong], handler: () => Effect.succeed(NextStep.now(new Pong())) })
const pong = Step.make(Pong, { next: [Ping], handler: () => Effect.succeed(NextStep.delay(new Ping(), "1 second")) })
const Rally = Task.make("Rally", [ping, pong])
const Again = Task.make("Again", [pong, ping])
Worker.layer({ tasks: [Rally, Again] })

// Names and tags that are known at run time only.
export const named = (name: string) =>
  Worker.layer({ tasks: [Task.make(name, [ping, pong]), Task.make(name, [ping, pong])] })
export const made = (tags: ReadonlyArray<string>) =>
  Task.make(
    "Made",
    tags.map((tag) => Step.make(Schema.TaggedStruct(tag, {}), { handler: () => Effect.succeed(NextStep.none) }))
  )

// A handler may enqueue other tasks: of other workers, or of its own.
const Parent = Task.make("Parent", [
  Step.make(Draft, {
    transactional: true,
    handler: Effect.fnUntraced(function*({ text }) {
      const ids = yield* Post.enqueueAll([new Draft({ text }), new Whisper({ secret: text })])
      holds<Equal<typeof ids, ReadonlyArray<TaskId.TaskId>>>()
      return NextStep.none
    })
  })
])
holds<Equal<Task.Services<typeof Parent>, SqlClient.SqlClient | EncodeKey>>()
holds<Equal<Step.Error<(typeof Parent.steps)[number]>, TaskError.EnqueueError>>()
