import { assert, describe, layer } from "@effect/vitest"
import { DateTime, Duration, Effect, Schema, Stream } from "effect"
import type { SqlClient } from "effect/sql"
import { Admin, Task, type TaskError } from "../../src/index.ts"
import { testDatabase } from "../support/database/Database.ts"
import { Greeter, insertEach, nobody, readName, SayHello } from "../support/cli/Greeter.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { insert, run } from "../support/worker/Table.ts"

const idsOf = (page: Admin.Page) => page.rows.map((row) => row.id)

const failure = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error)

workerTests("a list", (test) => {
  test(
    "is in the order of wakeup_at, and says what each row is",
    Effect.gen(function*() {
      const ids = yield* insertEach
      const page = yield* Admin.list()
      assert.deepStrictEqual(page.rows.map((row) => row.status), ["parked", "running", "ready", "scheduled"])
      assert.strictEqual(page.next, undefined)
      const [stuck] = page.rows
      assert.strictEqual(stuck!.id, ids.parked)
      assert.strictEqual(stuck!.task, "Greeter")
      assert.strictEqual(stuck!.step, "ReadName")
      assert.strictEqual(stuck!.tried, 3)
      assert.strictEqual(stuck!.crashes, 1)
      assert.strictEqual(stuck!.raw, readName("parked"))
      assert.closeTo(Duration.toHours(stuck!.age), 2, 0.01)
      assert.closeTo(Duration.toMinutes(page.rows[1]!.age), 2, 0.1)
      assert.isNotNull(page.rows[1]!.leaseUntil)
      const newest = yield* Admin.list({ order: "newestFirst" })
      assert.deepStrictEqual(idsOf(newest), idsOf(page).toReversed())
    })
  )

  const filters: Record<string, { readonly filter: Admin.Filter; readonly found: ReadonlyArray<string> }> = {
    "a status": { filter: { status: "scheduled" }, found: ["scheduled"] },
    "running alone": { filter: { status: ["running"] }, found: ["running"] },
    "some statuses": { filter: { status: ["ready", "parked"] }, found: ["parked", "ready"] },
    "no status": { filter: { status: [] }, found: [] },
    "a task": { filter: { task: "Greeter" }, found: ["parked", "running", "ready", "scheduled"] },
    "a task itself": { filter: { task: Greeter }, found: ["parked", "running", "ready", "scheduled"] },
    "another task's declaration": {
      filter: { task: Task.declare("Other", { states: [SayHello] }), status: "ready" },
      found: []
    },
    "another task": { filter: { task: "Other" }, found: [] },
    "a step": { filter: { step: "ReadName", status: "ready" }, found: ["ready"] },
    "another step": { filter: { step: "SayHello" }, found: [] },
    "a part of the error": { filter: { error: "timeout" }, found: ["parked"] },
    "parts of the error": { filter: { error: "httperror*timeout" }, found: ["parked"] },
    "what is special to SQL": { filter: { error: "100% of" }, found: ["parked"] },
    "an error with a wildcard of SQL": { filter: { error: "http_rror" }, found: [] },
    "old ones": { filter: { olderThan: "90 seconds" }, found: ["parked", "running"] },
    "new ones": { filter: { newerThan: "90 seconds" }, found: ["ready", "scheduled"] }
  }
  for (const [name, { filter, found }] of Object.entries(filters)) {
    test(
      `filters by ${name}`,
      Effect.gen(function*() {
        const ids: Record<string, string> = yield* insertEach
        assert.deepStrictEqual(idsOf(yield* Admin.list(filter)), found.map((which) => ids[which]!) as never)
        assert.strictEqual(yield* Admin.count(filter), found.length)
      })
    )
  }

  test(
    "holds rows that are no tasks, and tasks of any spelling",
    Effect.gen(function*() {
      const spellings: Record<string, readonly [task: string | null, step: string | null]> = {
        "garbage": [null, null],
        "{\"A\":{\"B\":": [null, null],
        "{\"A\":{\"B\":{}}}": ["A", "B"],
        " { \"A\" : { \"B\" : null } } ": ["A", "B"],
        "{\"A \\\"1\\\"\":{\"B \\\"2\\\"\":{}}}": ["A \"1\"", "B \"2\""],
        "{\"\\u0041\":{\"\\u0042\\u00e9\":{}}}": ["A", "Bé"],
        "{\"A\":{\"\\u0000\":{}}}": ["A", null],
        "{\"名前\":{\"👋\":{}}}": ["名前", "👋"]
      }
      for (const spelling of Object.keys(spellings)) yield* insert(spelling)
      const { rows } = yield* Admin.list()
      assert.deepStrictEqual(Object.fromEntries(rows.map((row) => [row.raw, [row.task, row.step]])), spellings as never)
      assert.strictEqual((yield* Admin.list({ task: null })).rows.length, 2)
      assert.strictEqual((yield* Admin.list({ step: "B \"2\"" })).rows.length, 1)
      const counts = yield* Admin.counts()
      assert.deepStrictEqual(
        counts.map(({ count, step, task }) => [task, step, count]).filter(([, step]) => step === "B" || step === null),
        [["A", "B", 2], ["A", null, 1], [null, null, 2]]
      )
    })
  )

  test(
    "reads long states, and times that no Date can hold",
    Effect.gen(function*() {
      const long = yield* insert(JSON.stringify({ Greeter: { ReadName: { filename: "x".repeat(100_000) } } }))
      yield* run("update pg_task set wakeup_at = 'infinity'")
      const { rows: [found] } = yield* Admin.list()
      assert.strictEqual(found!.id, long)
      assert.strictEqual(found!.step, "ReadName")
      assert.strictEqual(found!.status, "scheduled")
      assert.strictEqual(DateTime.toEpochMillis(found!.wakeupAt), 8.64e15)
      assert.deepStrictEqual(idsOf(yield* Admin.list({ after: `infinity~${nobody}` as Admin.Cursor })), [found!.id])
    })
  )

  test(
    "becomes JSON, and comes back from it",
    Effect.gen(function*() {
      yield* insertEach
      const { rows } = yield* Admin.list()
      const json = JSON.parse(JSON.stringify(rows.map((row) => Schema.encodeSync(Admin.Row)(row))))
      assert.match(json[0].createdAt, /^\d{4}-\d\d-\d\dT/)
      assert.isNumber(json[0].age)
      assert.deepStrictEqual(json.map((row: never) => Schema.decodeSync(Admin.Row)(row)), rows)
    })
  )
})

workerTests("one task", (test) => {
  test(
    "is found by its id, or by the first digits of it",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      const found = yield* Admin.get(parked)
      assert.strictEqual(found.error, "HttpError: 100% of it\n  caused by: Timeout")
      assert.strictEqual((yield* Admin.get(` ${parked.toUpperCase()}`)).id, found.id)
      assert.strictEqual(yield* Admin.findId(parked.slice(0, 13)), parked)
      assert.strictEqual(yield* Admin.findId(parked), parked)
    })
  )

  test(
    "isn't found by anything else",
    Effect.gen(function*() {
      assert.strictEqual((yield* failure(Admin.get("x' or true --")))._tag, "TaskIdError")
      assert.strictEqual((yield* failure(Admin.get(nobody)))._tag, "TaskNotFoundError")
      assert.match((yield* failure(Admin.findId("abc"))).message, /first 4 or more digits/)
      assert.match((yield* failure(Admin.findId("12xy"))).message, /is not the id of a task/)
      assert.match((yield* failure(Admin.findId("abcdef"))).message, /No task has an id that begins with "abcdef"/)
      for (const id of ["abcdef00", "abcdef01"]) {
        yield* run("insert into pg_task (id, step) values ($1::uuid, 'x')", [`${id}${nobody.slice(8)}`])
      }
      assert.match((yield* failure(Admin.findId("abcdef"))).message, /More than one/)
    })
  )

  test(
    "is decoded by its task's schemas",
    Effect.gen(function*() {
      const id = yield* Greeter.enqueue(new SayHello({ at: DateTime.makeUnsafe(0) }))
      const state = yield* Admin.decode(Greeter, (yield* Admin.get(id)).raw)
      assert.deepStrictEqual(state, new SayHello({ at: DateTime.makeUnsafe(0) }))
      const misfits = {
        "garbage": "step is not JSON",
        "{\"Other\":{\"ReadName\":{}}}": "This is a task \"Other\", not \"Greeter\"",
        "{\"Greeter\":{\"Nope\":{}}}": "Greeter has no state \"Nope\"",
        "{\"Greeter\":{\"ReadName\":{}}}": "Missing key"
      }
      for (const [raw, message] of Object.entries(misfits)) {
        const error = yield* failure(Admin.decode(Greeter, raw))
        assert.strictEqual(error._tag, "TaskInvalidStateError")
        assert.include(error.message, message)
      }
    })
  )
})

workerTests("counts", (test) => {
  test(
    "are by task, step and status, with the oldest",
    Effect.gen(function*() {
      yield* insertEach
      yield* insertEach
      yield* Greeter.enqueue(new SayHello({ at: DateTime.makeUnsafe(0) }))
      const counts = yield* Admin.counts()
      assert.deepStrictEqual(
        counts.map((
          one
        ) => [one.step, one.status, one.count, one.retrying, Math.round(Duration.toMinutes(one.oldest))]),
        [
          ["ReadName", "parked", 2, 2, 120],
          ["ReadName", "ready", 2, 0, 1],
          ["ReadName", "running", 2, 0, 2],
          ["ReadName", "scheduled", 2, 2, 0],
          ["SayHello", "ready", 1, 0, 0]
        ]
      )
      assert.deepStrictEqual((yield* Admin.counts({ status: "ready" })).map((one) => one.count), [2, 1])
    })
  )

  test(
    "are none of an empty table",
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Admin.counts(), [])
    })
  )
})

workerTests("counts of errors", (test) => {
  const park = (error: string, count: number, step = "ReadName") =>
    run(
      `insert into pg_task (step, error, updated_at) select $1, $2, now() - n * interval '1 hour'
      from generate_series(1, ${count}) n`,
      [`{"Greeter":{"${step}":{}}}`, error]
    )

  test(
    "are by their first lines, the most frequent first",
    Effect.gen(function*() {
      yield* insertEach
      yield* park("Busy: try later\n  caused by: one thing", 2)
      yield* park("Busy: try later\n  caused by: another", 3)
      yield* park("Busy: try later", 4, "SayHello")
      yield* park(`${"x".repeat(600)}\nrest`, 1)
      yield* run("insert into pg_task (step, error) values ('broken', 'DecodeError: no')")
      const counts = yield* Admin.countErrors()
      assert.deepStrictEqual(
        counts.map(({ count, error, step }) => [count, step, error]),
        [
          [5, "ReadName", "Busy: try later"],
          [4, "SayHello", "Busy: try later"],
          [1, null, "DecodeError: no"],
          [1, "ReadName", "HttpError: 100% of it"],
          [1, "ReadName", "x".repeat(500)]
        ]
      )
      assert.closeTo(Duration.toHours(counts[0]!.oldest), 3, 0.1)
      assert.closeTo(Duration.toHours(counts[0]!.newest), 1, 0.1)
      assert.deepStrictEqual((yield* Admin.countErrors({ step: "SayHello" })).map((one) => one.count), [4])
      assert.deepStrictEqual((yield* Admin.countErrors({ error: "another" })).map((one) => one.count), [3])
      assert.deepStrictEqual((yield* Admin.countErrors({ status: "ready" })).length, 0)
      assert.deepStrictEqual((yield* Admin.countErrors({ limit: 2 })).map((one) => one.count), [5, 4])
    })
  )
})

describe("a database without the table", () => {
  const everything: Record<string, Effect.Effect<unknown, { readonly _tag: string }, SqlClient.SqlClient>> = {
    list: Admin.list(),
    stream: Stream.runDrain(Admin.stream()),
    get: Admin.get(nobody),
    findId: Admin.findId("0000"),
    counts: Admin.counts(),
    count: Admin.count(),
    countErrors: Admin.countErrors(),
    retry: Admin.retry(nobody),
    runNow: Admin.runNow([nobody]),
    cancel: Admin.cancel({ task: "Greeter" }),
    edit: Admin.editRaw(nobody, readName("a")),
    enqueueRaw: Admin.enqueueRaw(readName("a")),
    stopWorkers: Admin.stopWorkers()
  }
  layer(testDatabase)((it) => {
    it.effect.each(Object.keys(everything))("fails %s with what to do about it", (name) =>
      Effect.gen(function*() {
        const error = yield* failure(everything[name]!)
        assert.strictEqual(error._tag, "TaskTableError")
        assert.include((error as TaskError.TaskTableError).message, "Migrations.run")
      }))
  })
})
