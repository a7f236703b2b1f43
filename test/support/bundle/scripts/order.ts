// What an order is to other programs.
import { Schema } from "effect"
import { Task } from "effect-pg-task"

export class Place extends Schema.TaggedClass<Place>()("Place", { order: Schema.String }) {}
export class Pack extends Schema.TaggedClass<Pack>()("Pack", { order: Schema.String }) {}

export const Order = Task.declare("Order", { states: [Place, Pack], entry: [Place] })
