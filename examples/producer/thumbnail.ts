/**
 * The declaration: all that a producer has to import. There is no handler here, and nothing that a handler needs.
 */
import { Schema } from "effect"
import { Task } from "effect-pg-task"

export class Shrink extends Schema.TaggedClass<Shrink>()("Shrink", { photo: Schema.String }) {}
export class Publish extends Schema.TaggedClass<Publish>()("Publish", { photo: Schema.String }) {}

export const Thumbnail = Task.declare("Thumbnail", { states: [Shrink, Publish], entry: [Shrink] })
