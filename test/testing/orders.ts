/** Two tasks to be tested, and a database for them. */
import { Context, DateTime, Effect, Layer, Schema } from "effect"
import { Migrations, NextStep, Step, Task } from "effect-pg-task"
import { testDatabase } from "../support/database/Database.ts"

export class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { item: Schema.String }) {}

/** What the steps ask the outside world. */
export class Shop
  extends Context.Service<Shop, { readonly order: (item: string) => Effect.Effect<number, OutOfStock> }>()(
    "test/Shop"
  )
{}

const price = (of: (item: string) => Effect.Effect<number, OutOfStock>) => Effect.provideService(Shop, { order: of })
export const cheap = price(() => Effect.succeed(7))
export const soldOut = price((item) => Effect.fail(new OutOfStock({ item })))

export class Ordered extends Schema.TaggedClass<Ordered>()("Ordered", { item: Schema.String }) {}
export class Paid extends Schema.TaggedClass<Paid>()("Paid", { item: Schema.String, price: Schema.Number }) {}
export class Reviewed extends Schema.TaggedClass<Reviewed>()("Reviewed", { at: Schema.DateTimeUtcFromString }) {}
export class Archived extends Schema.TaggedClass<Archived>()("Archived", {}) {}

export const newYear = DateTime.makeUnsafe("2100-01-01T00:00:00Z")

export const Order = Task.make("Order", [
  Step.make(Ordered, {
    next: [Paid],
    retryLimit: 2,
    retryDelay: "1 hour",
    handler: Effect.fnUntraced(function*({ item }) {
      const shop = yield* Shop
      return NextStep.now(new Paid({ item, price: yield* shop.order(item) }))
    })
  }),
  Step.make(Paid, {
    next: [Reviewed],
    handler: () => Effect.succeed(NextStep.delay(new Reviewed({ at: newYear }), "3 days"))
  }),
  Step.make(Reviewed, {
    next: [Archived],
    handler: ({ at }) => Effect.succeed(NextStep.at(new Archived(), at))
  }),
  Step.make(Archived, { handler: () => Effect.succeed(NextStep.none) })
])

/** A second task, whose states say what to do: the order of things is what matters of it. */
class Job extends Schema.TaggedClass<Job>()("Job", {
  name: Schema.String,
  /** Then this, after so many hours. */
  after: Schema.optionalKey(Schema.Struct({ hours: Schema.Number, name: Schema.String }))
}) {}

export const Jobs = Task.make("Jobs", [
  Step.make(Job, {
    next: [Job],
    handler: ({ after }) =>
      Effect.succeed(
        after === undefined ? NextStep.none : NextStep.delay(new Job({ name: after.name }), `${after.hours} hours`)
      )
  })
])

export const job = (name: string, after?: { readonly hours: number; readonly name: string }) =>
  new Job(after === undefined ? { name } : { name, after })

export const Table = Migrations.layer.pipe(Layer.provideMerge(testDatabase))
