import { assert } from "@effect/vitest"
import { Context, DateTime, Deferred, Duration, Effect, Option, Schema, SchemaGetter } from "effect"
import type { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { received, throughTheTable } from "../../support/worker/States.ts"
import { start, workerTests } from "../../support/worker/Fixture.ts"
import { row, rowWhere } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

/** A brand, as ids have it. */
const UserId = Schema.String.pipe(Schema.brand("UserId"))

const Rich = Schema.TaggedStruct("Rich", {
  at: Schema.DateTimeUtcFromString,
  date: Schema.Date,
  day: Schema.optional(Schema.DateFromString),
  by: UserId,
  option: Schema.Option(Schema.Number),
  key: Schema.optionalKey(Schema.String),
  nothing: Schema.NullOr(Schema.String),
  big: Schema.BigInt,
  wait: Schema.Duration,
  bytes: Schema.Uint8Array,
  set: Schema.ReadonlySet(Schema.String),
  map: Schema.ReadonlyMap(Schema.String, Schema.Number),
  many: Schema.Record(Schema.String, Schema.Date),
  number: Schema.Number,
  url: Schema.URL
})

const rich: typeof Rich.Type = {
  _tag: "Rich",
  at: DateTime.makeUnsafe("2030-01-01T00:00:00Z"),
  date: new Date("1999-12-31T23:59:59.999Z"),
  by: UserId.make("ada"),
  option: Option.some(1),
  nothing: null,
  big: 12345678901234567890n,
  wait: Duration.minutes(90),
  bytes: new Uint8Array([0, 255]),
  set: new Set(["a"]),
  map: new Map([["a", 1]]),
  many: { a: new Date(0) },
  number: Infinity,
  url: new URL("https://example.org/a?b")
}

workerTests("schemas with transformations", (test) => {
  test(
    "store what JSON can hold, and give handlers what they declare",
    Effect.gen(function*() {
      const { seen, text } = yield* throughTheTable(Rich, rich)
      assert.deepStrictEqual(seen, rich)
      const stored = JSON.parse(text).Show.Rich
      assert.deepInclude(stored, {
        at: "2030-01-01T00:00:00.000Z",
        date: "1999-12-31T23:59:59.999Z",
        by: "ada",
        nothing: null,
        big: "12345678901234567890",
        number: "Infinity"
      })
      assert.notProperty(stored, "key")
      assert.notProperty(stored, "_tag")
    })
  )

  test(
    "may be those of a class",
    Effect.gen(function*() {
      class Meeting extends Schema.TaggedClass<Meeting>()("Meeting", {
        at: Schema.DateTimeUtcFromString,
        with: Schema.Option(UserId)
      }) {}
      const state = new Meeting({ at: rich.at, with: Option.none() })
      const { seen } = yield* throughTheTable(Meeting, state)
      assert.instanceOf(seen, Meeting)
      assert.deepStrictEqual(seen, state)
    })
  )

  test(
    "may rename keys, and fill in what is missing",
    Effect.gen(function*() {
      const Renamed = Schema.TaggedStruct("Renamed", {
        fullName: Schema.String,
        age: Schema.Number.pipe(Schema.withDecodingDefaultKey(Effect.succeed(18)))
      }).pipe(Schema.encodeKeys({ fullName: "full_name" }))
      const { seen, text } = yield* throughTheTable(Renamed, { _tag: "Renamed", fullName: "Ada", age: 36 })
      assert.strictEqual(text, `{"Show":{"Renamed":{"full_name":"Ada","age":36}}}`)
      assert.deepStrictEqual(seen, { _tag: "Renamed", fullName: "Ada", age: 36 })
      assert.deepStrictEqual(yield* received(Renamed, `{"Show":{"Renamed":{"full_name":"Bob"}}}`), {
        _tag: "Renamed",
        fullName: "Bob",
        age: 18
      })
    })
  )
})

/** The key that secrets are written with. */
class Key extends Context.Service<Key, { readonly shift: number }>()("test/Key") {}

const shifted = (direction: 1 | -1) =>
  SchemaGetter.transformEffect((text: string) =>
    Effect.map(
      Key,
      ({ shift }) => String.fromCharCode(...Array.from(text, (char) => char.charCodeAt(0) + direction * shift))
    )
  )

const Secret = Schema.String.pipe(
  Schema.decodeTo(Schema.String, { decode: shifted(-1), encode: shifted(1) })
)

workerTests("schemas that need services", (test) => {
  class Loud extends Schema.TaggedClass<Loud>()("Loud", { text: Schema.String }) {}
  class Whisper extends Schema.TaggedClass<Whisper>()("Whisper", { secret: Secret, times: Schema.Number }) {}

  const Whispers = (seen: Deferred.Deferred<string>) =>
    Task.make("Whispers", [
      Step.make(Loud, {
        next: [Whisper],
        handler: ({ text }) => Effect.succeed(NextStep.now(new Whisper({ secret: text, times: 1 })))
      }),
      Step.make(Whisper, {
        next: [Whisper],
        handler: ({ secret, times }) =>
          times === 1
            ? Effect.succeed(NextStep.delay(new Whisper({ secret, times: 2 }), "1 day"))
            : Effect.as(Deferred.succeed(seen, secret), NextStep.none)
      })
    ])

  test(
    "get them where a state is enqueued, and in the worker",
    Effect.gen(function*() {
      const seen = yield* Deferred.make<string>()
      const task = Whispers(seen)
      const id = yield* task.enqueue(new Whisper({ secret: "hal", times: 2 }))
      assert.strictEqual((yield* row(id))!.step, `{"Whispers":{"Whisper":{"secret":"ibm","times":2}}}`)
      yield* start({ tasks: [task] })
      assert.strictEqual(yield* within(Deferred.await(seen), "the secret"), "hal")
    }).pipe(Effect.provideService(Key, { shift: 1 }))
  )

  test(
    "get them for the states that a step moves to",
    Effect.gen(function*() {
      const task = Whispers(yield* Deferred.make<string>())
      const id = yield* task.enqueue(new Loud({ text: "hal" }))
      yield* start({ tasks: [task] }).pipe(Effect.provideService(Key, { shift: 1 }))
      const waiting = yield* rowWhere(id, ({ transitions }) => transitions === 2)
      assert.deepInclude(waiting, { status: "scheduled", step: `{"Whispers":{"Whisper":{"secret":"ibm","times":2}}}` })
    })
  )

  test(
    "are not needed to enqueue another state",
    Effect.gen(function*() {
      yield* Whispers(yield* Deferred.make<string>()).enqueue(new Loud({ text: "hal" })) satisfies Effect.Effect<
        string,
        unknown,
        SqlClient.SqlClient
      >
    })
  )
})
