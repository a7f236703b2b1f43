/** The tasks of the shop in `dashboard.ts`. */
import { Effect, Random, Schema } from "effect"
import { Limit, NextStep, Step, Task } from "effect-pg-task"
import * as Dashboard from "effect-pg-task/Dashboard"

const Number = Schema.Int.annotate({ title: "Order number" })
const Total = Schema.Number.check(Schema.isGreaterThan(0)).annotate({
  description: "In euros. The bank takes 300 at most"
})

export class Place extends Schema.TaggedClass<Place>()("Place", {
  number: Number,
  customer: Schema.String,
  total: Total
}) {}

class Charge extends Schema.TaggedClass<Charge>()("Charge", {
  number: Number,
  total: Total,
  currency: Schema.Literals(["EUR", "USD"]),
  card: Dashboard.masked(Schema.String),
  note: Schema.optionalKey(Schema.String)
}) {}

class AwaitApproval extends Schema.TaggedClass<AwaitApproval>()("AwaitApproval", { number: Number, total: Total }) {}
class Pack extends Schema.TaggedClass<Pack>()("Pack", { number: Number, gift: Schema.Boolean }) {}
class Shipped extends Schema.TaggedClass<Shipped>()("Shipped", { number: Number, parcel: Schema.String }) {}
class Refused extends Schema.TaggedClass<Refused>()("Refused", { number: Number, why: Schema.String }) {}

// What a waiting order waits for.
class Approved extends Schema.TaggedClass<Approved>()("Approved", { by: Schema.String }) {}
class Rejected extends Schema.TaggedClass<Rejected>()("Rejected", { why: Schema.String }) {}

class CardDeclined extends Schema.TaggedError<CardDeclined>()("CardDeclined", { message: Schema.String }) {}
class BankIsBusy extends Schema.TaggedError<BankIsBusy>()("BankIsBusy", { message: Schema.String }) {}

// The bank takes three cards at a time. Of each customer, one order is placed at a time.
const Bank = Limit.make("bank", { running: 3 })
const Customer = Limit.make("customer", { running: 1 })

/** What a step does takes its time. */
const work = Effect.flatMap(Random.nextIntBetween(200, 1500), (millis) => Effect.sleep(millis))

const place = Step.make(Place, {
  limit: Customer.by(({ customer }) => customer),
  next: [Charge],
  handler: ({ number, total }) =>
    Effect.as(work, NextStep.now(new Charge({ number, total, currency: "EUR", card: "4242 4242 4242 4242" })))
})

const charge = Step.make(Charge, {
  limit: Bank,
  next: [AwaitApproval, Pack],
  retryLimit: 2,
  retryDelay: "4 seconds",
  handler: Effect.fnUntraced(function*({ number, total }) {
    yield* work
    if (total > 370) return yield* Effect.die(new CardDeclined({ message: `the bank takes no ${total}` }))
    if (total > 300) return yield* new CardDeclined({ message: "the limit of the card is 300" })
    if (yield* Random.nextBoolean) return yield* new BankIsBusy({ message: "please try again" })
    return NextStep.now(total > 200 ? new AwaitApproval({ number, total }) : new Pack({ number, gift: total > 100 }))
  })
})

const awaitApproval = Step.wait(AwaitApproval, (on) => [
  on(Approved, {
    next: [Pack],
    handler: ({ number }) => Effect.succeed(NextStep.now(new Pack({ number, gift: false })))
  }),
  on(Rejected, {
    next: [Refused],
    handler: ({ number }, { why }) => Effect.succeed(NextStep.now(new Refused({ number, why })))
  }),
  on.timeout("1 minute", {
    next: [Pack],
    handler: ({ number }) => Effect.succeed(NextStep.now(new Pack({ number, gift: false })))
  })
])

const pack = Step.make(Pack, {
  next: [Shipped],
  handler: ({ number }) => Effect.as(work, NextStep.now(new Shipped({ number, parcel: `P-${number}` })))
})

export const Order = Task.make("Order", [
  place,
  charge,
  awaitApproval,
  pack,
  Step.final(Shipped, { keep: "30 seconds" }),
  Step.final(Refused, { keep: "5 minutes" })
], { entry: [Place] })

export class Write extends Schema.TaggedClass<Write>()("Write", { issue: Schema.Int }) {}
class Send extends Schema.TaggedClass<Send>()("Send", { issue: Schema.Int }) {}

export const Newsletter = Task.make("Newsletter", [
  Step.make(Write, {
    next: [Send],
    handler: ({ issue }) => Effect.as(work, NextStep.delay(new Send({ issue }), "20 seconds"))
  }),
  Step.make(Send, {
    next: [Write],
    handler: ({ issue }) => Effect.as(work, NextStep.delay(new Write({ issue: issue + 1 }), "10 seconds"))
  })
])
