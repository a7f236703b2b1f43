// What a declaration says, and what the steps of its task must be.
import { Effect, Schema } from "effect"
import { NextStep, Step, Task, Worker } from "effect-pg-task"

class Place extends Schema.TaggedClass<Place>()("Place", { order: Schema.String }) {}
class Pack extends Schema.TaggedClass<Pack>()("Pack", { order: Schema.String }) {}
class Ship extends Schema.TaggedClass<Ship>()("Ship", { order: Schema.String }) {}
class Refund extends Schema.TaggedClass<Refund>()("Refund", {}) {}
const OtherPack = Schema.TaggedStruct("Pack", { order: Schema.String })

const handler = () => Effect.succeed(NextStep.none)
const place = Step.make(Place, { next: [Pack], handler })
const pack = Step.make(Pack, { next: [Ship], handler })
const ship = Step.make(Ship, { handler })
const refund = Step.make(Refund, { handler })

const Order = Task.declare("Order", { states: [Place, Pack, Ship], entry: [Place] })

const Refunding = Task.declare("Order", { states: [Place, Pack, Ship, Refund] })

// error: no step for the state "Refund", which is declared
export const missing = Task.make(Refunding, [place, pack, ship])

export const undeclared = Task.make(Order, [
  place,
  pack,
  ship,
  // error: a step for the state "Refund", which is not declared: add it to `states`
  refund
])

const Differing = Task.declare("Order", { states: [Place, OtherPack, Ship] })

export const differing = Task.make(Differing, [
  place,
  // error: the state of step "Pack" differs from the "Pack" that is declared: use the same schema
  pack,
  ship
])

export const missingNext = Task.make(Order, [
  place,
  // error: step "Pack" moves to "Ship", but no step of this task has that state
  pack
])

// error: a task needs at least one step
export const withoutSteps = Task.make(Order, [])

export const entryTwice = Task.make(Order, [place, pack, ship], {
  // error: this task is declared already: give `entry` to Task.declare
  entry: [Place]
})

// error: a task needs at least one state
export const empty = Task.declare("Order", { states: [] })

// error: Property 'states' is missing
export const withoutStates = Task.declare("Order", {})

export const twice = Task.declare("Order", {
  states: [
    // error: two states of this task have the tag "Pack"
    Pack,
    Place,
    // error: two states of this task have the tag "Pack"
    OtherPack
  ]
})

export const noEntry = Task.declare("Order", {
  states: [Place, Pack],
  entry: [
    Place,
    // error: "Refund" is no state of this task
    Refund
  ]
})

export const otherEntry = Task.make("Order", [place, pack, ship], {
  entry: [
    // error: "Pack" is no state of this task
    OtherPack
  ]
})

export const emptyEntry = Task.make("Order", [place, pack, ship], {
  // error: a task needs at least one state to begin with; without `entry` it may begin with any
  entry: []
})

// error: a task "Order" may begin with "Place": see its `entry`
export const begun = Order.enqueue(new Pack({ order: "1" }))

// error: a task "Order" may begin with "Place": see its `entry`
export const delayed = Order.delay(new Pack({ order: "1" }), "1 day")

// error: a task "Order" may begin with "Place": see its `entry`
export const many = Order.enqueueAll([new Place({ order: "1" }), new Pack({ order: "1" })])

// error: a task "Order" may begin with "Place": see its `entry`
export const either = Order.enqueue(Math.random() > 0.5 ? new Place({ order: "1" }) : new Pack({ order: "1" }))

const OrderTask = Task.make("Order", [place, pack, ship, refund], { entry: [Place, Refund] })

// error: a task "Order" may begin with "
export const begunTask = OrderTask.enqueue(new Pack({ order: "1" }))

// error: Type '"Pack"' is not assignable to type '"Place"'
export const state: Task.EntryState<typeof Order> = new Pack({ order: "1" })

// error: is missing the following properties from type 'Any<unknown>': [TypeId], steps
export const worker = Worker.run({ tasks: [Order] })

// error: is missing the following properties from type 'Any<unknown>': [TypeId], steps
export type OfADeclaration = Task.Services<typeof Order>
