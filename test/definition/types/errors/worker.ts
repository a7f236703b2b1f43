// A worker's tasks, and the services that their handlers and schemas need.
import { Context, Effect, FileSystem, Layer, Schema, SchemaGetter } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task, type TaskError, Worker } from "effect-pg-task"

class Draft extends Schema.TaggedClass<Draft>()("Draft", {}) {}
class Sent extends Schema.TaggedClass<Sent>()("Sent", { to: Schema.String }) {}

const handler = () => Effect.succeed(NextStep.none)
const One = Task.make("One", [Step.make(Draft, { handler })])
const Two = Task.make("Two", [Step.make(Draft, { handler })])
const AlsoOne = Task.make("One", [Step.make(Sent, { handler })])

export const twice = Worker.layer({
  tasks: [
    // error: two tasks of this worker have the name "One"
    One,
    Two,
    // error: two tasks of this worker have the name "One"
    AlsoOne
  ]
})

// error: two tasks of this worker have the name "Two"
export const runTwice = Worker.run({ concurrency: 5, tasks: [Two, Two] })

// error: a worker needs at least one task
export const empty = Worker.layer({ tasks: [] })

// error: Property 'tasks' is missing
export const none = Worker.layer({})

// error: is missing the following properties from type 'readonly Member[]'
export const noArray = Worker.layer({ tasks: One })

// error: Type '"soon"' is not assignable to type 'Input | undefined'
export const soon = Worker.layer({ tasks: [One], lease: "soon" })

class Mailer extends Context.Service<Mailer, { readonly send: (to: string) => Effect.Effect<void> }>()("Mailer") {}

const sent = Step.make(Sent, {
  handler: Effect.fnUntraced(function*({ to }) {
    const fs = yield* FileSystem.FileSystem
    const mailer = yield* Mailer
    yield* mailer.send(yield* Effect.orDie(fs.readFileString(to)))
    return NextStep.none
  })
})

declare const ClientLive: Layer.Layer<SqlClient.SqlClient>
declare const FilesLive: Layer.Layer<FileSystem.FileSystem>

const WorkerLive = Worker.layer({ tasks: [Task.make("Mails", [sent])] }).pipe(
  Layer.provide([ClientLive, FilesLive])
)

// error: Type 'Mailer' is not assignable to type 'never'
export const launched = Effect.runPromise(Layer.launch(WorkerLive))

export const ran = Effect.runPromise(
  // error: Type 'Mailer' is not assignable to type 'never'
  Worker.run({ tasks: [Task.make("Mails", [sent])] }).pipe(Effect.provide([ClientLive, FilesLive]))
)

// error: Type 'Mailer' is not assignable to type 'never'
export const annotated: Layer.Layer<Worker.Worker, TaskError.WorkerError> = WorkerLive

// Nobody knows what these tasks need.
const registry: ReadonlyArray<Task.Any> = [Task.make("Mails", [sent])]

export const ofAny = Effect.runPromise(
  // error: Type 'unknown' is not assignable to type 'never'
  Worker.run({ tasks: registry }).pipe(Effect.provide([ClientLive, FilesLive]))
)

// error: Type 'unknown' is not assignable to type 'SqlClient'
export const annotatedAny: Layer.Layer<Worker.Worker, TaskError.WorkerError, SqlClient.SqlClient> = Worker.layer({
  tasks: registry
})

const committing = Step.make(Draft, {
  handler: () => Effect.succeed(NextStep.noneWith({ commit: Effect.flatMap(Mailer, ({ send }) => send("ada")) }))
})

export const commits = Effect.runPromise(
  // error: Type 'Mailer' is not assignable to type 'never'
  Worker.run({ tasks: [Task.make("Commits", [committing])] }).pipe(Effect.provide(ClientLive))
)

class Key extends Context.Service<Key, string>()("Key") {}
const Secret = Schema.String.pipe(Schema.decodeTo(Schema.String, {
  decode: SchemaGetter.transformEffect((text: string) => Effect.map(Key, (key) => text.slice(key.length))),
  encode: SchemaGetter.passthrough()
}))
const Whisper = Schema.TaggedStruct("Whisper", { secret: Secret })

export const decodes = Effect.runPromise(
  // error: Type 'Key' is not assignable to type 'never'
  Worker.run({ tasks: [Task.make("Whispers", [Step.make(Whisper, { handler })])] }).pipe(Effect.provide(ClientLive))
)
