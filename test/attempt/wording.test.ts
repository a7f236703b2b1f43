/** Words that people read when something is wrong: they say what, in units, and what to do. */
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Admin, NextStep, Step, Task } from "../../src/index.ts"
import { Job, jobs, start, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { insert, parked } from "../support/worker/Table.ts"

const Sum = Schema.TaggedStruct("Sum", { n: Schema.Number, more: Schema.Array(Schema.NullOr(Schema.Number)) })
class Product extends Schema.TaggedClass<Product>()("Product", { n: Schema.Finite }) {}

const done = () => Effect.succeed(NextStep.none)
const Sums = Task.make("Sums", [Step.make(Sum, { handler: done }), Step.make(Product, { handler: done })])

workerTests("words", (test) => {
  for (
    const [retryDelay, text] of [[Duration.nanos(20_400_000n), "20ms"], [Duration.micros(40n), "0ms"]] as const
  ) {
    test(
      `tell the wait before a retry to the millisecond: ${text}`,
      Effect.gen(function*() {
        const Jobs = Task.make("Jobs", [
          Step.make(Job, { retryLimit: 1, retryDelay, handler: () => Effect.fail("no") })
        ])
        const logs = Logs.capture()
        yield* start({ tasks: [Jobs] }).pipe(Effect.provide(logs.layer))
        yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
        assert.strictEqual((yield* logs.line("Retry in")).message, `Retry in ${text}: no`)
      })
    )
  }

  test(
    "tell that a field must be a number, not how JSON writes what is none",
    Effect.gen(function*() {
      yield* start({ tasks: [Sums] })
      for (
        const [fields, at] of [
          [`{"n":"text","more":[]}`, `["n"]`],
          [`{"n":true,"more":[]}`, `["n"]`],
          [`{"n":1,"more":[null,"x"]}`, `["more"][1]`]
        ] as const
      ) {
        const { error } = yield* parked(yield* insert(`{"Sums":{"Sum":${fields}}}`))
        assert.isTrue(
          error!.endsWith(`step doesn't fit the schema of state "Sum": Expected number\n  at ${at}`),
          error!
        )
      }
      const literals = Schema.TaggedStruct("Literal", { a: Schema.Literals(["NaN", "Infinity"]) })
      const Literals = Task.make("Literals", [Step.make(literals, { handler: done })])
      const refused = yield* Effect.flip(Admin.decode(Literals, `{"Literals":{"Literal":{"a":"x"}}}`))
      assert.include(refused.message, `Expected "NaN" | "Infinity"`)
    })
  )

  test(
    "don't send the maker of a struct to a class",
    Effect.gen(function*() {
      const refused = yield* Effect.flip(Sums.enqueue({ _tag: "Sum", n: "x" as never, more: [] }))
      assert.include(refused.message, `Expected number\n  at ["n"]`)
      assert.notInclude(refused.message, "new ")
    })
  )

  test(
    "say what to set when a pooler mixes up prepared statements",
    Effect.gen(function*() {
      // A pooler hands on a connection, and with it the statements that others prepared there, or didn't.
      const url = Redacted.make(yield* urlOfTest)
      const sql = Context.get(yield* Layer.build(PgClient.layer({ url, maxConnections: 1 })), SqlClient.SqlClient)
      const look = sql`select 1 as one`
      const handler = sql.withTransaction(
        Effect.all([look, sql`deallocate all`.unprepared, look]).pipe(Effect.as(NextStep.none))
      )
      const Jobs = jobs(() => handler)
      yield* start({ tasks: [Jobs] })
      const { error } = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.match(error!.split("\n")[0]!, /^SqlError: prepared statement ".+" does not exist.*\(SQLSTATE 26000\)$/)
      assert.include(error, "set `prepare: false` on the PgClient")
    })
  )
})
