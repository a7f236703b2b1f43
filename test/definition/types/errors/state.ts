// A step's state, and those of its `next`: schemas with a tag.
import { Effect, Schema } from "effect"
import { NextStep, Step } from "effect-pg-task"

class Draft extends Schema.TaggedClass<Draft>()("Draft", {}) {}
class Plain {}

const handler = () => Effect.succeed(NextStep.none)

// error: Property '_tag' is missing in type '{ readonly to: string; }' but required in type 'Tagged'
export const untagged = Step.make(Schema.Struct({ to: Schema.String }), { handler })

// error: Type 'string' is not assignable to type 'Tagged'
export const noStruct = Step.make(Schema.String, { handler })

// error: Type 'number' is not assignable to type 'string'
export const number = Step.make(Schema.TaggedStruct(1, {}), { handler })

// error: Type 'typeof Plain' is missing the following properties from type 'StateSchema<unknown>'
export const plainClass = Step.make(Plain, { handler })

// error: Type 'Draft' is missing the following properties from type 'StateSchema<unknown>'
export const instance = Step.make(new Draft(), { handler })

// error: Argument of type 'string' is not assignable to parameter of type 'StateSchema<unknown>'
export const name = Step.make("Draft", { handler })

export const untaggedNext = Step.make(Draft, {
  // error: Property '_tag' is missing in type '{ readonly to: string; }' but required in type 'Tagged'
  next: [Schema.Struct({ to: Schema.String })],
  handler
})

export const namedNext = Step.make(Draft, {
  // error: Type 'string' is not assignable to type 'StateSchema<unknown>'
  next: ["Sent"],
  handler
})
