// A program that only enqueues.
import { Order, Place } from "./order.ts"

export const program = Order.enqueue(new Place({ order: "1" }))
