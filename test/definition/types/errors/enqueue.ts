// What a task begins with: one of its own states, and the services to write it.
import { Context, DateTime, Effect, Layer, Schema, SchemaGetter } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "effect-pg-task"

class Draft extends Schema.TaggedClass<Draft>()("Draft", {}) {}
class Paid extends Schema.TaggedClass<Paid>()("Paid", { amount: Schema.Number }) {}

const handler = () => Effect.succeed(NextStep.none)
const Drafts = Task.make("Drafts", [Step.make(Draft, { handler })])
const now = DateTime.makeUnsafe("2030-01-01T00:00:00Z")

// error: Type '"Paid"' is not assignable to type '"Draft"'
export const enqueued = Drafts.enqueue(new Paid({ amount: 1 }))

// error: Type '"Paid"' is not assignable to type '"Draft"'
export const delayed = Drafts.delay(new Paid({ amount: 1 }), "1 day")

// error: Type '"Paid"' is not assignable to type '"Draft"'
export const scheduled = Drafts.schedule(new Paid({ amount: 1 }), now)

// error: Type '"Paid"' is not assignable to type '"Draft"'
export const many = Drafts.enqueueAll([new Draft(), new Paid({ amount: 1 })])

// error: Argument of type 'string' is not assignable to parameter of type 'Draft'
export const tag = Drafts.enqueue("Draft")

// error: Type 'Utc' is not assignable to type '"give either `delay` or `at`"
export const both = Drafts.enqueue(new Draft(), { delay: "1 day", at: now })

// error: Type 'Utc' is not assignable to type '"give either `delay` or `at`"
export const bothForMany = Drafts.enqueueAll([new Draft()], { delay: "1 day", at: now })

// error: Type '"soon"' is not assignable to type
export const soonByOption = Drafts.enqueue(new Draft(), { delay: "soon" })

// error: Type 'Date' is missing the following properties from type 'Zoned'
export const dateByOption = Drafts.enqueue(new Draft(), { at: new Date() })

// error: 'in' does not exist in type
export const misspelt = Drafts.enqueue(new Draft(), { in: "1 day" })

// error: Type 'string' is not assignable to type 'Wrong<"there is no such option">'
export const misspeltBeside = Drafts.enqueue(new Draft(), { key: "a", dely: "1 day" })

// error: Type 'string' is not assignable to type 'Wrong<"`onConflict` needs a `key`">'
export const withoutItsKey = Drafts.enqueue(new Draft(), { onConflict: "fail" })

// error: Type '"overwrite"' is not assignable to type 'OnConflict | undefined'
export const unknownConflict = Drafts.enqueue(new Draft(), { key: "a", onConflict: "overwrite" })

// error: Type 'number' is not assignable to type 'string'
export const numberForKey = Drafts.enqueue(new Draft(), { key: 42 })

// error: Type 'string' is not assignable to type '(state: NoInfer<Draft>)
export const oneKeyForMany = Drafts.enqueueAll([new Draft()], { key: "a" })

// error: 'delay' does not exist in type
export const delayTwice = Drafts.delay(new Draft(), "1 day", { delay: "1 day" })

// error: Argument of type '"soon"' is not assignable to parameter of type 'Input'
export const soon = Drafts.delay(new Draft(), "soon")

// error: Type 'Date' is missing the following properties from type 'Zoned'
export const date = Drafts.schedule(new Draft(), new Date())

// error: Type 'SqlClient' is not assignable to type 'never'
export const withoutClient = Effect.runPromise(Drafts.enqueue(new Draft()))

class Key extends Context.Service<Key, string>()("Key") {}
const Secret = Schema.String.pipe(Schema.decodeTo(Schema.String, {
  decode: SchemaGetter.passthrough(),
  encode: SchemaGetter.transformEffect((text: string) => Effect.map(Key, (key) => key + text))
}))
const Whisper = Schema.TaggedStruct("Whisper", { secret: Secret })
const Whispers = Task.make("Whispers", [Step.make(Whisper, { handler })])
declare const ClientLive: Layer.Layer<SqlClient.SqlClient>

export const withoutKey = Effect.runPromise(
  // error: Type 'Key' is not assignable to type 'never'
  Effect.provide(Whispers.enqueue(Whisper.make({ secret: "x" })), ClientLive)
)
