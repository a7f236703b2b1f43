/** What a parked row says: its first line is what people see in lists and logs, and what errors are counted by. */
import { assert } from "@effect/vitest"
import { Cause, Data, Duration, Effect, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep } from "../../src/index.ts"
import { Job, jobs, start, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { parked, run } from "../support/worker/Table.ts"

class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", {
  sku: Schema.String,
  wanted: Schema.Number
}) {}

class Refused extends Data.TaggedError("Refused")<{
  readonly message: string
  readonly order?: number
  readonly card?: Redacted.Redacted
  readonly after?: Duration.Duration
  readonly total?: bigint
  readonly reason?: Error
  readonly lines?: ReadonlyArray<{ readonly sku: string }>
}> {}

class Failed extends Data.TaggedError("Failed")<{ readonly cause: unknown }> {}

const circle: Record<string, unknown> = {}
circle["self"] = circle

/** What a step fails with, and the whole text that its row keeps. */
const errors: Record<string, { readonly error: unknown; readonly text: ReadonlyArray<string> }> = {
  "a tagged error tells its fields": {
    error: new OutOfStock({ sku: "A-17", wanted: 3 }),
    text: [`OutOfStock: {"sku":"A-17","wanted":3}`]
  },
  "a tagged error with a message tells its fields after it": {
    error: new Refused({ message: "the card was refused", order: 7, lines: [{ sku: "A-17" }] }),
    text: [`Refused: the card was refused {"order":7,"lines":[{"sku":"A-17"}]}`]
  },
  "fields that the message tells already are not repeated": {
    error: new Refused({ message: "order 7 was refused", order: 7 }),
    text: ["Refused: order 7 was refused"]
  },
  "a number that is a part of another one is not told already": {
    error: new Refused({ message: "order 17 was refused", order: 7 }),
    text: [`Refused: order 17 was refused {"order":7}`]
  },
  "fields stand on the first line, also of a message of several": {
    error: new Refused({ message: "no\n  because not", order: 7 }),
    text: [`Refused: no {"order":7}`, "  because not"]
  },
  "fields of Effect's own types are readable, and what is redacted stays so": {
    error: new Refused({ message: "no", card: Redacted.make("4111"), after: Duration.seconds(2), total: 12n }),
    text: [`Refused: no {"card":"<redacted>","after":{"_id":"Duration","_tag":"Millis","millis":2000},"total":"12n"}`]
  },
  "an error in a field is not told as a field": {
    error: new Refused({ message: "no", reason: new Error("inner") }),
    text: ["Refused: no"]
  },
  "a tagged object is told as a tagged error is": {
    error: { _tag: "OutOfStock", sku: "A-17" },
    text: [`OutOfStock: {"sku":"A-17"}`]
  },
  "a tag that says nothing by itself is told with its cause": {
    error: new Failed({ cause: new Failed({ cause: new TypeError("fetch failed", { cause: "no route" }) }) }),
    text: ["Failed: Failed: TypeError: fetch failed", "  caused by: no route"]
  },
  "what Effect wraps is unwrapped": {
    error: new Cause.UnknownError(new TypeError("fetch failed"), "An error occurred in Effect.tryPromise"),
    text: ["TypeError: fetch failed"]
  },
  "an error of Node tells its code": {
    error: Object.assign(new Error("the other side is gone"), { code: "ECONNRESET", errno: -104 }),
    text: [`Error: the other side is gone {"code":"ECONNRESET"}`]
  },
  "a circle among the fields is no harm": {
    error: { _tag: "Odd", ok: 1, circle },
    text: [`Odd: {"ok":1,"circle":{}}`]
  }
}

workerTests("the text of an error:", (test) => {
  for (const [what, { error, text }] of Object.entries(errors)) {
    test(
      what,
      Effect.gen(function*() {
        const Jobs = jobs(() => Effect.fail(error))
        yield* start({ tasks: [Jobs] })
        const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
        assert.deepStrictEqual(left.error?.split("\n"), text)
      })
    )
  }

  test(
    "long fields are cut",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.fail({ _tag: "Long", text: "x".repeat(100_000), after: 1 }))
      yield* start({ tasks: [Jobs] })
      const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.match(left.error!, /^Long: \{"text":"x+…","after":1\}$/)
      assert.isBelow(left.error!.length, 1000)
    })
  )

  test(
    "the database's own message, its code and its detail come first, in the row and in the log",
    Effect.gen(function*() {
      yield* run("create table mail (address text constraint one_address unique, age int check (age > 0))")
      const Jobs = jobs(Effect.fnUntraced(function*({ name }: Job) {
        const sql = yield* SqlClient.SqlClient
        if (name === "twice") yield* sql`insert into mail (address) values ('a@b'), ('a@b')`
        if (name === "defect") yield* Effect.orDie(sql`select * from nowhere`)
        yield* Effect.mapError(sql`insert into mail (age) values (0)`, (cause) => new Failed({ cause }))
        return NextStep.none
      }))
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs] }), logs.layer)
      const linesOf = Effect.fnUntraced(function*(name: string) {
        const left = yield* parked(yield* Jobs.enqueue(new Job({ name })))
        return left.error!.split("\n")
      })
      const duplicate = `SqlError: duplicate key value violates unique constraint "one_address" (SQLSTATE 23505)`
      assert.deepStrictEqual(yield* linesOf("twice"), [duplicate, "  detail: Key (address)=(a@b) already exists."])
      yield* logs.line(`Parked: ${duplicate}`)
      const [wrapped] = yield* linesOf("wrapped")
      assert.strictEqual(
        wrapped,
        `Failed: SqlError: new row for relation "mail" violates check constraint "mail_age_check" (SQLSTATE 23514)`
      )
      const [defect, ...stack] = yield* linesOf("defect")
      assert.strictEqual(defect, `Defect: SqlError: relation "nowhere" does not exist (SQLSTATE 42P01)`)
      assert.match(stack[0]!, /^ {4}at /)
    })
  )
})
