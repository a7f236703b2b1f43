// What is inferred of waiting states: nothing is annotated but what is checked. Compiled only.
import { Context, Data, type DateTime, Effect, Schedule, Schema, SchemaGetter } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { NextStep, Step, Task, type TaskError, type TaskId } from "../../../src/index.ts"
import { type Equal, holds } from "./Equal.ts"

class Ask extends Schema.TaggedClass<Ask>()("Ask", { order: Schema.String, until: Schema.DateTimeUtc }) {}
class Pack extends Schema.TaggedClass<Pack>()("Pack", { order: Schema.String, by: Schema.String }) {}
class Refused extends Schema.TaggedClass<Refused>()("Refused", { why: Schema.String }) {}

class Bounced extends Data.TaggedError("Bounced") {}
class Busy extends Data.TaggedError("Busy") {}
class Mailer extends Context.Service<Mailer, { readonly send: Effect.Effect<void, Bounced> }>()("Mailer") {}
class Vault extends Context.Service<Vault, { readonly open: (text: string) => string }>()("Vault") {}

/** A signal whose schema needs a service to decode it. */
const Sealed = Schema.String.pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transformEffect((text: string) =>
      Effect.map(Effect.service(Vault), (vault) => vault.open(text))
    ),
    encode: SchemaGetter.passthrough()
  })
)
class Approved extends Schema.TaggedClass<Approved>()("Approved", { by: Sealed }) {}
const Rejected = Schema.TaggedStruct("Rejected", { why: Schema.String })

const wait = Step.wait(Ask, (on) => [
  on(Approved, {
    next: [Pack],
    retry: Schedule.exponential("1 second"),
    transactional: true,
    handler: Effect.fnUntraced(function*(state, signal) {
      holds<Equal<typeof state, Ask>>()
      holds<Equal<typeof signal, Approved>>()
      yield* (yield* Mailer).send
      return NextStep.now(new Pack({ order: state.order, by: signal.by }))
    })
  }),
  on(Rejected, {
    next: [Refused, Ask],
    retryLimit: 3,
    retryDelay: "1 minute",
    handler: (state, signal) => {
      holds<Equal<typeof state, Ask>>()
      holds<Equal<typeof signal, typeof Rejected.Type>>()
      return signal.why === ""
        ? Effect.succeed(NextStep.delay(state, "1 hour"))
        : Effect.succeed(NextStep.now(new Refused({ why: signal.why })))
    }
  }),
  // A timeout may be a duration, or a function of the state that returns a duration or a moment.
  on.timeout(({ until }) => {
    holds<Equal<typeof until, DateTime.Utc>>()
    return until
  }, {
    next: [Refused],
    handler: (state) => {
      holds<Equal<typeof state, Ask>>()
      return Effect.fail(new Busy())
    }
  })
])
holds<Equal<typeof wait.tag, "Ask">>()
holds<Equal<Step.State<typeof wait>, Ask>>()
holds<Equal<Step.Error<typeof wait>, Bounced | Busy>>()
holds<Equal<Step.Services<typeof wait>, Mailer | Vault>>()
holds<Equal<(typeof wait.next)[number], typeof Pack | typeof Refused | typeof Ask>>()
holds<Equal<(typeof wait.on)[number]["tag"], "Approved" | "Rejected" | "$timeout">>()

// A `commit` adds its errors and services; the attempt's own context and scope come from the worker.
const committed = Step.wait(Pack, (on) => [
  on.timeout("1 day", {
    handler: Effect.fnUntraced(function*() {
      yield* Step.Context
      yield* Effect.addFinalizer(() => Effect.void)
      return NextStep.noneWith({ commit: Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1`) })
    })
  })
])
holds<Equal<Step.Error<typeof committed>, SqlError>>()
holds<Equal<Step.Services<typeof committed>, SqlClient.SqlClient>>()

const pack = Step.make(Pack, { handler: () => Effect.succeed(NextStep.none) })
const Order = Task.make("Order", [wait, pack, Step.final(Refused)])
holds<Equal<Task.Signal<typeof Order>, Approved | typeof Rejected.Type>>()
holds<Equal<Task.Services<typeof Order>, Mailer | Vault>>()
holds<Equal<Task.Error<typeof Order>, Bounced | Busy>>()

declare const id: TaskId.TaskId
const rejected = Order.signal(id, Rejected.make({ why: "" }), { dedupe: "webhook 1" })
holds<Equal<typeof rejected, Effect.Effect<void, TaskError.SignalError, SqlClient.SqlClient>>>()
const byKey = Order.signalByKey("order-42", Rejected.make({ why: "" }))
holds<Equal<typeof byKey, Effect.Effect<void, TaskError.SignalError, SqlClient.SqlClient>>>()
const orEnqueued = Order.signalOrEnqueue("order-42", Rejected.make({ why: "" }), new Pack({ order: "", by: "" }))
holds<Equal<Effect.Success<typeof orEnqueued>, { readonly created: boolean }>>()
holds<Equal<Effect.Services<typeof orEnqueued>, SqlClient.SqlClient>>()

// A declaration sends the same signals, and knows no handlers.
const Declared = Task.declare("Order", { states: [Ask, Pack], signals: [Approved, Rejected], final: [Refused] })
holds<Equal<Task.Signal<typeof Declared>, Approved | typeof Rejected.Type>>()
export const DeclaredTask = Task.make(Declared, [wait, pack, Step.final(Refused)])

// Without `next` the task ends with it.
export const ends = Step.wait(Pack, (on) => [on(Rejected, { handler: () => Effect.succeed(NextStep.none) })])
holds<Equal<typeof ends.next, ReadonlyArray<never>>>()
