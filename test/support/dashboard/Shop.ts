/** Tasks for the dashboard to show, and a worker whose steps wait for the test. */
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import * as Dashboard from "../../../src/Dashboard.ts"

export class Place extends Schema.TaggedClass<Place>()("Place", {
  order: Schema.Int,
  customer: Schema.Struct({
    name: Schema.String.check(Schema.isMaxLength(40)),
    email: Schema.optionalKey(Schema.String)
  })
}) {}

export class Charge extends Schema.TaggedClass<Charge>()("Charge", {
  order: Schema.Int.annotate({ description: "The number of the order" }),
  amount: Schema.Number.check(Schema.isGreaterThan(0)),
  currency: Schema.Literals(["EUR", "USD"]),
  card: Dashboard.masked(Schema.String),
  note: Schema.optionalKey(Schema.String),
  discount: Schema.NullOr(Schema.Number),
  gift: Schema.Boolean,
  items: Schema.Array(Schema.Struct({ sku: Schema.String, count: Schema.Int })),
  due: Schema.DateTimeUtcFromString
}) {}

export class Pack extends Schema.TaggedClass<Pack>()("Pack", { order: Schema.Int }) {}
export class Ship extends Schema.TaggedClass<Ship>()("Ship", { order: Schema.Int }) {}

const charge = Step.make(Charge, {
  next: [Pack],
  retryLimit: 1,
  retryDelay: "1 hour",
  handler: ({ amount, order }) =>
    amount > 1000
      ? Effect.fail(new Error(`the card was refused: ${amount} is too much`))
      : Effect.succeed(NextStep.now(new Pack({ order })))
})

export const Order = Task.make("Order", [
  Step.make(Place, { next: [Charge, Place], handler: () => Effect.succeed(NextStep.none) }),
  charge,
  Step.make(Pack, { next: [Ship], handler: ({ order }) => Effect.succeed(NextStep.now(new Ship({ order }))) }),
  Step.make(Ship, { handler: () => Effect.succeed(NextStep.none) })
], { entry: [Place, Charge] })

class Clean extends Schema.TaggedClass<Clean>()("Clean", {}) {}

export const Sweep = Task.make("Sweep", [
  Step.make(Clean, { next: [Clean], handler: () => Effect.succeed(NextStep.delay(new Clean(), "1 hour")) })
])

/** Fields of a `Charge` as they are stored. */
export const charging = (order: number, more: Readonly<Record<string, unknown>> = {}) => ({
  order,
  amount: 5000,
  currency: "EUR",
  card: "4242-secret",
  discount: null,
  gift: false,
  items: [{ sku: "tea", count: 2 }],
  due: "2030-01-31T08:00:00.000Z",
  ...more
})

export const rawOf = (state: string, fields: Readonly<Record<string, unknown>>, task = "Order"): string =>
  JSON.stringify({ [task]: { [state]: fields } })
