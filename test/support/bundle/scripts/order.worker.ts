// What the worker of orders runs.
import { Effect } from "effect"
import { NextStep, Step, Task, Worker } from "effect-pg-task"
import { Order, Pack, Place } from "./order.ts"

const OrderTask = Task.make(Order, [
  Step.make(Place, { next: [Pack], handler: ({ order }) => Effect.succeed(NextStep.now(new Pack({ order }))) }),
  Step.make(Pack, { handler: ({ order }) => Effect.as(Effect.log(`the handler packs ${order}`), NextStep.none) })
])

export const program = Worker.run({ tasks: [OrderTask] })
