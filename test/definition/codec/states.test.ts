import { assert } from "@effect/vitest"
import { Deferred, Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { received, throughTheTable } from "../../support/worker/States.ts"
import { start, workerTests } from "../../support/worker/Fixture.ts"
import { gone, insert, parked, rows } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

class Named extends Schema.TaggedClass<Named>()("Named", { filename: Schema.String }) {
  get upper() {
    return this.filename.toUpperCase()
  }
}
class Empty extends Schema.TaggedClass<Empty>()("Empty", {}) {}
const Struct = Schema.TaggedStruct("Struct", { n: Schema.Number, tags: Schema.Array(Schema.String) })
const EmptyStruct = Schema.TaggedStruct("EmptyStruct", {})

workerTests("what is stored of a state", (test) => {
  test(
    "is the task's name, then its tag, then its fields, as the Rust crate writes them",
    Effect.gen(function*() {
      const { seen, text } = yield* throughTheTable(Named, new Named({ filename: "name.txt" }))
      assert.strictEqual(text, `{"Show":{"Named":{"filename":"name.txt"}}}`)
      assert.instanceOf(seen, Named)
      assert.strictEqual(seen.upper, "NAME.TXT")
    })
  )

  test(
    "is the same for structs",
    Effect.gen(function*() {
      const { seen, text } = yield* throughTheTable(Struct, Struct.make({ n: 1, tags: ["a", "b"] }))
      assert.strictEqual(text, `{"Show":{"Struct":{"n":1,"tags":["a","b"]}}}`)
      assert.deepStrictEqual(seen, { _tag: "Struct", n: 1, tags: ["a", "b"] })
    })
  )

  test(
    "is an empty object if it has no fields",
    Effect.gen(function*() {
      const empty = yield* throughTheTable(Empty, new Empty())
      assert.strictEqual(empty.text, `{"Show":{"Empty":{}}}`)
      assert.instanceOf(empty.seen, Empty)
      const struct = yield* throughTheTable(EmptyStruct, EmptyStruct.make({}))
      assert.strictEqual(struct.text, `{"Show":{"EmptyStruct":{}}}`)
      assert.deepStrictEqual(struct.seen, { _tag: "EmptyStruct" })
    })
  )

  test(
    "keeps tags inside of its fields",
    Effect.gen(function*() {
      const Outer = Schema.TaggedStruct("Outer", { inner: Schema.Union([Struct, EmptyStruct]) })
      const { seen, text } = yield* throughTheTable(Outer, Outer.make({ inner: EmptyStruct.make({}) }))
      assert.strictEqual(text, `{"Show":{"Outer":{"inner":{"_tag":"EmptyStruct"}}}}`)
      assert.deepStrictEqual(seen, { _tag: "Outer", inner: { _tag: "EmptyStruct" } })
    })
  )

  for (
    const filename of ["", "\"", "\\", "\0", "\n\r\t\u007f\u2028", "ä", "😀", "\ud83d", "{}}", "\"}}},{\"", "%s $1"]
  ) {
    test(
      `gives back the text ${JSON.stringify(filename)}`,
      Effect.gen(function*() {
        const { seen, text } = yield* throughTheTable(Named, new Named({ filename }))
        assert.strictEqual(seen.filename, filename)
        assert.strictEqual(text, JSON.stringify({ Show: { Named: { filename } } }))
      })
    )
  }

  test(
    "may be megabytes, also on its way from step to step",
    Effect.gen(function*() {
      const Grown = Schema.TaggedStruct("Grown", { text: Schema.String, n: Schema.Number })
      const seen = yield* Deferred.make<number>()
      const task = Task.make("Big", [
        Step.make(Named, {
          next: [Grown],
          handler: ({ filename }) => Effect.succeed(NextStep.now(Grown.make({ text: filename + filename, n: 1 })))
        }),
        Step.make(Grown, {
          next: [Grown],
          handler: ({ n, text }) =>
            n === 1
              ? Effect.succeed(NextStep.delay(Grown.make({ text, n: 2 }), 0))
              : Effect.as(Deferred.succeed(seen, text.length), NextStep.none)
        })
      ])
      const id = yield* task.enqueue(new Named({ filename: "x😀\"".repeat(500_000) }))
      yield* start({ tasks: [task] })
      assert.strictEqual(yield* within(Deferred.await(seen), "the big state"), 4_000_000)
      yield* gone(id)
    })
  )
})

workerTests("what is read as a state", (test) => {
  const empties = [
    `{"Show":{"Empty":{}}}`,
    `{"Show":{"Empty":null}}`,
    ` { "Show" : { "Empty" : null } } `,
    `{"\\u0053how":{"Emp\\u0074y":{"more":1}}}`
  ]
  for (const step of empties) {
    test(
      `a state without fields: ${step}`,
      Effect.gen(function*() {
        assert.instanceOf(yield* received(Empty, step), Empty)
      })
    )
  }

  test(
    "a state in any spelling, with fields that nobody knows, and a tag of its own that doesn't count",
    Effect.gen(function*() {
      const step = `\n{"Show":\t{"Struct": {"tags":[], "more": {}, "_tag": "Other", "n":1e0}}}\n`
      assert.deepStrictEqual(yield* received(Struct, step), { _tag: "Struct", n: 1, tags: [] })
    })
  )

  const malformed: ReadonlyArray<readonly [step: string, error: string]> = [
    [`{"Show":{"Struct":{"n":"one","tags":[]}}}`, `at ["n"]`],
    [`{"Show":{"Struct":{"n":1}}}`, `at ["tags"]`],
    [`{"Show":{"Struct":[1]}}`, `the fields of state "Struct" must be an object or null`],
    [`{"Show":{"Struct":5}}`, `the fields of state "Struct" must be an object or null`],
    // A tag that no text of Postgres can hold. Rows in other states that the task doesn't have wait.
    [`{"Show":{"Gone\\u0000":{}}}`, `Show has no state "Gone`],
    [`{"Show":{"Struct":{},"Empty":{}}}`, `step must have the shape {"Task":{"State":{…}}}`],
    [`{"Show":{}}`, `step must have the shape {"Task":{"State":{…}}}`],
    [`{"Show":"Struct"}`, `step must have the shape {"Task":{"State":{…}}}`],
    [`["Show"]`, `step must have the shape {"Task":{"State":{…}}}`],
    [`null`, `step must have the shape {"Task":{"State":{…}}}`],
    [`{"Show":{"Struct":{"n":1,"tags":[]}}`, `step is not JSON`],
    [``, `step is not JSON`],
    [`garbage`, `step is not JSON`]
  ]
  test(
    "nothing else: such a row is parked, untried, with an error that says what is wrong with it",
    Effect.gen(function*() {
      const Show = Task.make("Show", [Step.make(Struct, { handler: () => Effect.die("never called") })])
      const ids = yield* Effect.forEach(malformed, ([step]) => insert(step))
      yield* start({ tasks: [Show] })
      for (const [index, [step, error]] of malformed.entries()) {
        const row = yield* parked(ids[index]!)
        assert.deepInclude(row, { step, tried: 0, token: null })
        assert.include(row.error, error)
      }
    })
  )
})

const Nonempty = Schema.TaggedStruct("Nonempty", { name: Schema.String.check(Schema.isMinLength(1)) })

workerTests("a state that doesn't fit", (test) => {
  const Show = Task.make("Show", [
    Step.make(Named, { handler: () => Effect.succeed(NextStep.none) }),
    Step.make(Nonempty, { handler: () => Effect.succeed(NextStep.none) })
  ])
  /** Callers in plain JavaScript, or with a cast, may hand over anything. */
  const enqueue = Show.enqueue as (state: unknown) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>

  const states: ReadonlyArray<readonly [title: string, state: unknown, tag: string, message: string]> = [
    [
      "its schema",
      { _tag: "Nonempty", name: "" },
      "Nonempty",
      `Show: the state "Nonempty" doesn't fit its schema, so nothing was stored: `
    ],
    ["its schema's types", { _tag: "Nonempty", name: 5 }, "Nonempty", `at ["name"]`],
    ["its class", { _tag: "Named", filename: 5 }, "Named", `at ["filename"]`],
    ["any step", { _tag: "Other" }, "Other", `Show has no state "Other": its states are "Named", "Nonempty"`],
    ["any step, though an object has one", { _tag: "toString" }, "toString", `Show has no state "toString"`],
    ["any step, without a tag", {}, "undefined", `Show has no state "undefined"`],
    ["any step, being nothing", undefined, "undefined", `Show has no state "undefined"`],
    ["any step, being a text", "Named", "undefined", `Show has no state "undefined"`]
  ]
  for (const [title, state, tag, message] of states) {
    test(
      `${title}: fails, and nothing is stored`,
      Effect.gen(function*() {
        const error = yield* Effect.flip(enqueue(state))
        assert.deepInclude(error, { _tag: "TaskInvalidStateError", task: "Show", state: tag })
        assert.include((error as Error).message, message)
        assert.deepStrictEqual(yield* rows, [])
      })
    )
  }
})
