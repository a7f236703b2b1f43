// What is inferred of declarations, and of tasks that are made of them. Compiled only.
import { Context, type DateTime, type Duration, Effect, Schema, SchemaGetter } from "effect"
import type { SqlClient } from "effect/sql"
import type { Scope } from "effect/Scope"
import { Admin, NextStep, Step, Task, type TaskError, type TaskId, Worker } from "../../../src/index.ts"
import { TaskTest } from "../../../src/testing/index.ts"
import { type Equal, holds } from "./Equal.ts"

class EncodeKey extends Context.Service<EncodeKey, string>()("EncodeKey") {}
class DecodeKey extends Context.Service<DecodeKey, string>()("DecodeKey") {}
class Mailer extends Context.Service<Mailer, { readonly send: Effect.Effect<void, Bounced> }>()("Mailer") {}
class Bounced extends Schema.TaggedError<Bounced>()("Bounced", {}) {}

const Secret = Schema.String.pipe(Schema.decodeTo(Schema.String, {
  decode: SchemaGetter.transformEffect((text: string) => Effect.map(DecodeKey, (key) => text.slice(key.length))),
  encode: SchemaGetter.transformEffect((text: string) => Effect.map(EncodeKey, (key) => key + text))
}))

class Place extends Schema.TaggedClass<Place>()("Place", { order: Schema.String }) {}
class Import extends Schema.TaggedClass<Import>()("Import", { secret: Secret }) {}
const Pack = Schema.TaggedStruct("Pack", { order: Schema.String })

const Order = Task.declare("Order", { states: [Place, Import, Pack], entry: [Place, Import] })
const Free = Task.declare("Free", { states: [Place, Pack] })

holds<
  Equal<
    typeof Order,
    Task.Declaration<"Order", typeof Place | typeof Import | typeof Pack, typeof Place | typeof Import>
  >
>()
holds<Equal<typeof Free, Task.Declaration<"Free", typeof Place | typeof Pack>>>()
holds<Equal<Task.State<typeof Order>, Place | Import | typeof Pack.Type>>()
holds<Equal<Task.EntryState<typeof Order>, Place | Import>>()
holds<Equal<Task.EntryState<typeof Free>, Place | typeof Pack.Type>>()
holds<Equal<Task.EnqueueServices<typeof Order>, SqlClient.SqlClient | EncodeKey>>()
holds<Equal<Task.EnqueueServices<typeof Order, Place>, SqlClient.SqlClient>>()

// To store a state takes the database, and what the schema of this very state needs to encode it.
type Enqueued<A, R = never> = Effect.Effect<A, TaskError.EnqueueError, SqlClient.SqlClient | R>
declare const later: Duration.Duration | undefined
declare const moment: DateTime.Utc | undefined
const placed = Order.enqueue(new Place({ order: "1" }), { delay: later })
const imported = Order.enqueue(new Import({ secret: "1" }), { at: moment })
const delayed = Order.delay(new Place({ order: "1" }), "1 day")
const many = Order.enqueueAll([new Place({ order: "1" }), new Place({ order: "2" })], { delay: "1 day", at: undefined })
const manySecrets = Order.enqueueAll([new Place({ order: "1" }), new Import({ secret: "2" })])
const either = Order.enqueue(Math.random() > 0.5 ? new Place({ order: "1" }) : new Import({ secret: "" }), {})
holds<Equal<typeof placed, Enqueued<TaskId.TaskId>>>()
holds<Equal<typeof imported, Enqueued<TaskId.TaskId, EncodeKey>>>()
holds<Equal<typeof delayed, Enqueued<TaskId.TaskId>>>()
holds<Equal<typeof many, Enqueued<ReadonlyArray<TaskId.TaskId>>>>()
holds<Equal<typeof manySecrets, Enqueued<ReadonlyArray<TaskId.TaskId>, EncodeKey>>>()
holds<Equal<typeof either, Enqueued<TaskId.TaskId, EncodeKey>>>()
Order.enqueue({ _tag: "Place", order: "1" })
Free.enqueue(Pack.make({ order: "1" }), undefined)

// With a key it returns more than the id. What may fail, and what is returned, depends on the options.
type Keyed<A, E = never> = Effect.Effect<A, TaskError.EnqueueError | E, SqlClient.SqlClient>
declare const state: Place
declare const perhaps: string | undefined
declare const anyOptions: Task.EnqueueOptions
declare const anyKey: Task.KeyOptions
const kept = Order.enqueue(state, { key: "1" })
const keptLater = Order.delay(state, "1 day", { key: "1", onConflict: "keep" })
const refused = Order.enqueue(state, { key: "1", onConflict: "fail", delay: "1 day" })
const refusedLater = Order.schedule(state, moment!, { key: "1", onConflict: "fail" })
const keptPerhaps = Order.enqueue(state, { key: perhaps })
const keptNever = Order.enqueue(state, { key: undefined })
const refusedPerhaps = Order.enqueue(state, { key: perhaps, onConflict: "fail" })
const open = Order.enqueue(state, anyOptions)
const openLater = Order.delay(state, "1 day", anyKey)
const keptAll = Order.enqueueAll([state], { key: (state) => state.order })
const refusedAll = Order.enqueueAll([state], { key: ({ order }) => order, onConflict: "fail", delay: "1 day" })
const keptRaw = Admin.enqueueRaw("", { key: "1" })
const noKeyRaw = Admin.enqueueRaw("")
holds<Equal<typeof kept, Keyed<Task.Enqueued>>>()
holds<Equal<typeof keptLater, Keyed<Task.Enqueued>>>()
holds<Equal<typeof refused, Keyed<Task.Enqueued, TaskError.TaskKeyTakenError>>>()
holds<Equal<typeof refusedLater, Keyed<Task.Enqueued, TaskError.TaskKeyTakenError>>>()
holds<Equal<typeof keptPerhaps, Keyed<TaskId.TaskId | Task.Enqueued>>>()
holds<Equal<typeof keptNever, Keyed<TaskId.TaskId>>>()
holds<Equal<typeof refusedPerhaps, Keyed<TaskId.TaskId | Task.Enqueued, TaskError.TaskKeyTakenError>>>()
holds<Equal<typeof open, Keyed<TaskId.TaskId | Task.Enqueued, TaskError.TaskKeyTakenError>>>()
holds<Equal<typeof openLater, Keyed<TaskId.TaskId | Task.Enqueued, TaskError.TaskKeyTakenError>>>()
holds<Equal<typeof keptAll, Keyed<ReadonlyArray<Task.Enqueued>>>>()
holds<Equal<typeof refusedAll, Keyed<ReadonlyArray<Task.Enqueued>, TaskError.TaskKeyTakenError>>>()
holds<Equal<typeof keptRaw, Keyed<Task.Enqueued>>>()
holds<Equal<typeof noKeyRaw, Keyed<TaskId.TaskId>>>()

// Its steps may come in any order.
const handler = () => Effect.succeed(NextStep.none)
const place = Step.make(Place, {
  next: [Pack],
  handler: ({ order }) => Effect.flatMap(Mailer, (mailer) => Effect.as(mailer.send, NextStep.now(Pack.make({ order }))))
})
const imports = Step.make(Import, { handler })
const pack = Step.make(Pack, { handler })
const OrderTask = Task.make(Order, [pack, place, imports])
type Steps = typeof pack | typeof place | typeof imports
holds<Equal<typeof OrderTask, Task.Task<"Order", Steps, typeof Place | typeof Import>>>()
holds<Equal<Task.State<typeof OrderTask>, Task.State<typeof Order>>>()
holds<Equal<Task.EntryState<typeof OrderTask>, Place | Import>>()
holds<Equal<Task.Services<typeof OrderTask>, Mailer | DecodeKey>>()
holds<Equal<Task.Error<typeof OrderTask>, Bounced>>()
const FreeTask = Task.make(Free, [place, pack])
holds<Equal<typeof FreeTask, Task.Task<"Free", typeof place | typeof pack>>>()
holds<Equal<Task.Error<typeof FreeTask | typeof OrderTask>, Bounced>>()

// A task is a declaration.
export const asDeclaration: typeof Order = OrderTask
const Declared = Task.make("Order", [place, imports, pack], { entry: [Place, Import] })
holds<Equal<Task.EntryState<typeof Declared>, Place | Import>>()
export const declared: typeof Order = Declared
declare const entry: readonly [typeof Place] | undefined
const Perhaps = Task.make("Order", [place, pack], { entry })
holds<Equal<Task.EntryState<typeof Perhaps>, Place>>()
Task.make("Order", [place, pack], { entry: undefined }).enqueue(Pack.make({ order: "" }))
const Optional = Task.make("Order", [place, pack], {})
holds<Equal<Task.EntryState<typeof Optional>, Place | typeof Pack.Type>>()

// What takes a task takes its declaration, where no handler is needed.
declare const raw: string
const decoded = Admin.decode(Order, raw)
const decodedTask = Admin.decode(OrderTask, raw)
const edited = Admin.edit(Order, raw, Pack.make({ order: "" }))
const editedSecret = Admin.edit(OrderTask, raw, new Import({ secret: "" }))
const rows = TaskTest.enqueued(Order)
holds<Equal<typeof decoded, Effect.Effect<Task.State<typeof Order>, TaskError.TaskInvalidStateError, DecodeKey>>>()
holds<Equal<typeof decodedTask, typeof decoded>>()
holds<Equal<typeof edited, Effect.Effect<void, Admin.EditError, SqlClient.SqlClient>>>()
holds<Equal<typeof editedSecret, Effect.Effect<void, Admin.EditError, SqlClient.SqlClient | EncodeKey>>>()
holds<Equal<Effect.Success<typeof rows>, ReadonlyArray<TaskTest.Enqueued<Task.State<typeof Order>>>>>()
Admin.list({ task: Order })
Admin.count({ task: OrderTask, status: "parked" })

// Tasks that enqueue themselves and each other, without an annotation.
class Ping extends Schema.TaggedClass<Ping>()("Ping", { n: Schema.Number }) {}
class Pong extends Schema.TaggedClass<Pong>()("Pong", {}) {}
const Pings = Task.declare("Pings", { states: [Ping] })
const Pongs = Task.declare("Pongs", { states: [Pong] })
const PingsTask = Task.make(Pings, [
  Step.make(Ping, {
    handler: Effect.fnUntraced(function*({ n }) {
      yield* Pings.enqueue(new Ping({ n: n - 1 }))
      yield* Pongs.enqueueAll([new Pong()])
      return NextStep.none
    })
  })
])
const PongsTask = Task.make(Pongs, [
  Step.make(Pong, { handler: () => Effect.as(Pings.delay(new Ping({ n: 1 }), "1 second"), NextStep.none) })
])
holds<Equal<Task.Services<typeof PingsTask>, SqlClient.SqlClient>>()

// Workers as values.
const worker = Worker.make({ tasks: [PingsTask, PongsTask, OrderTask], concurrency: 2 })
holds<
  Equal<
    typeof worker,
    Effect.Effect<
      Worker.Worker["Service"],
      TaskError.WorkerError,
      Scope | SqlClient.SqlClient | Mailer | DecodeKey
    >
  >
>()

// Names and tags that are known at run time only.
export const named = <Name extends string>(name: Name): Task.Task<Name, typeof place | typeof pack> =>
  Task.make(Task.declare(name, { states: [Place, Pack] }), [place, pack])
export const made = (tags: ReadonlyArray<string>) =>
  Task.declare("Made", { states: tags.map((tag) => Schema.TaggedStruct(tag, {})) })
