// Tasks with keys: `keep` and `fail`, by one caller after the other.
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { readFile } from "node:fs/promises"
import { Admin, NextStep, Step, Task } from "../../src/index.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import { row, rows, run } from "../support/worker/Table.ts"

class Build extends Schema.TaggedClass<Build>()("Build", { n: Schema.Number }) {}

const handler = () => Effect.succeed(NextStep.none)
const Report = Task.make("Report", [Step.make(Build, { handler })])
const Other = Task.make("Other", [Step.make(Build, { handler })])
const build = (n: number) => new Build({ n })
const textOf = (n: number, task = "Report") => `{"${task}":{"Build":{"n":${n}}}}`
const moment = DateTime.makeUnsafe("2130-02-28T23:59:59.999Z")

/** Ends a task, and keeps its row until some milliseconds from now. */
const end = (id: string, keptFor: number) =>
  run(
    `update pg_task set ended_at = now(), kept_until = now() + $2::float8 * interval '1 millisecond'
    where id = $1::uuid`,
    [id, keptFor]
  )

const steps = Effect.map(rows, (found) => found.map(({ step }) => step))

workerTests("enqueue with a key", (test) => {
  test(
    "stores the first, and returns it for the second, which changes nothing",
    Effect.gen(function*() {
      const first = yield* Report.enqueue(build(1), { key: "may" })
      assert.deepInclude(first, { created: true, status: "ready" })
      const second = yield* Report.enqueue(build(2), { key: "may", delay: "1 day", onConflict: "keep" })
      assert.deepStrictEqual(second, { id: first.id, created: false, status: "ready" })
      assert.deepStrictEqual(yield* steps, [textOf(1)])
    })
  )

  test(
    "says what the task is by then",
    Effect.gen(function*() {
      const { id, status } = yield* Report.enqueue(build(1), { key: "may", delay: "1 day" })
      assert.strictEqual(status, "scheduled")
      const now = () => Effect.map(Report.enqueue(build(2), { key: "may" }), ({ status }) => status)
      assert.strictEqual(yield* now(), "scheduled")
      yield* run("update pg_task set wakeup_at = now(), is_running = true")
      assert.strictEqual(yield* now(), "running")
      yield* run("update pg_task set is_running = false, error = 'no'")
      assert.strictEqual(yield* now(), "parked")
      yield* Admin.cancel(id)
      assert.strictEqual(yield* now(), "ready")
    })
  )

  test(
    "frees it when the row is deleted",
    Effect.gen(function*() {
      const first = yield* Report.enqueue(build(1), { key: "may" })
      yield* run("delete from pg_task")
      const second = yield* Report.enqueue(build(2), { key: "may" })
      assert.isTrue(second.created)
      assert.notStrictEqual(second.id, first.id)
    })
  )

  test(
    "keeps the keys of tasks, and their keys, apart",
    Effect.gen(function*() {
      yield* Report.enqueue(build(1), { key: "may" })
      assert.isTrue((yield* Report.enqueue(build(2), { key: "June" })).created)
      assert.isTrue((yield* Report.enqueue(build(3), { key: "june" })).created)
      assert.isTrue((yield* Other.enqueue(build(4), { key: "may" })).created)
      yield* Report.enqueue(build(5))
      yield* Report.enqueue(build(6))
      assert.strictEqual((yield* rows).length, 6)
    })
  )

  test(
    "works in the short forms",
    Effect.gen(function*() {
      const { id } = yield* Report.delay(build(1), "1 day", { key: "may" })
      assert.strictEqual((yield* Report.schedule(build(1), moment, { key: "may" })).id, id)
      assert.strictEqual((yield* row(id))!.delay, 86_400_000)
      assert.isTrue((yield* Report.schedule(build(1), moment, { key: "june" })).created)
    })
  )

  test(
    "stores the trace with it",
    Effect.gen(function*() {
      const span = yield* Effect.currentSpan
      yield* Report.enqueue(build(1), { key: "may" })
      yield* Report.enqueueAll([build(2)], { key: () => "june" })
      const trace = `00-${span.traceId}-${span.spanId}-01`
      assert.deepStrictEqual(yield* run("select trace from pg_task"), [{ trace }, { trace }])
    }).pipe(Effect.withSpan("producer"))
  )

  test(
    "takes any text of 1 to 500 characters, and no other",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const long = Task.make("任".repeat(200), [Step.make(Build, { handler })])
      // Characters that don't repeat: Postgres must not be able to compress them.
      const text = Array.from({ length: 500 }, (_, n) => String.fromCharCode(0x4e00 + (n * 7919) % 20_000)).join("")
      const keys = ["a", " ", `"'; drop`, "🔑".repeat(250), text]
      for (const key of keys) {
        const { id } = yield* long.enqueue(build(1), { key })
        assert.deepStrictEqual(yield* sql`select key from pg_task where id = ${id}`, [{ key }])
        assert.deepInclude(yield* long.enqueue(build(1), { key }), { id, created: false })
      }
      for (const key of ["", "a".repeat(501), "a\0b", "\ud800", 42 as never, null as never]) {
        const all = Report.enqueueAll([build(1)], { key: () => key })
        for (const error of [yield* Effect.flip(Report.enqueue(build(1), { key })), yield* Effect.flip(all)]) {
          assert.deepInclude(error, { _tag: "TaskOptionsError", task: "Report" })
          assert.match(error.message, /`key` must be a text of 1 to 500 characters/)
        }
      }
      assert.strictEqual((yield* rows).length, keys.length)
    })
  )
})

workerTests("a key that is taken, with `fail`", (test) => {
  test(
    "is an error that names the task that has it",
    Effect.gen(function*() {
      const { id } = yield* Report.enqueue(build(1), { key: "may", onConflict: "fail" })
      const error = yield* Effect.flip(Report.enqueue(build(2), { key: "may", onConflict: "fail" }))
      assert.deepInclude(error, {
        _tag: "TaskKeyTakenError",
        task: "Report",
        key: "may",
        id,
        message: `Report: the key "may" is taken by the task ${id}. Nothing was stored`
      })
      assert.deepStrictEqual(yield* steps, [textOf(1)])
    })
  )

  test(
    "stores none of many",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { id } = yield* Report.enqueue(build(1), { key: "1" })
      const all = Report.enqueueAll([build(3), build(2), build(1)], { key: ({ n }) => `${n}`, onConflict: "fail" })
      assert.deepInclude(yield* Effect.flip(all), { _tag: "TaskKeyTakenError", key: "1", id })
      // The caller's transaction goes on.
      yield* sql.withTransaction(Effect.andThen(Effect.flip(all), Report.enqueue(build(4))))
      assert.sameMembers(yield* steps, [textOf(1), textOf(4)])
    })
  )

  test(
    "is an error also if two of the same call have it",
    Effect.gen(function*() {
      const all = Report.enqueueAll([build(1), build(2), build(1)], { key: ({ n }) => `${n}`, onConflict: "fail" })
      assert.deepInclude(yield* Effect.flip(all), { _tag: "TaskKeyTakenError", key: "1", id: null })
      assert.deepStrictEqual(yield* rows, [])
    })
  )
})

workerTests("enqueueAll with keys", (test) => {
  test(
    "stores those whose key is free, and returns all in order",
    Effect.gen(function*() {
      const old = yield* Report.enqueue(build(2), { key: "even 2" })
      const all = yield* Report.enqueueAll([build(1), build(2), build(3), build(1)], {
        key: ({ n }) => `${n % 2 === 0 ? "even" : "odd"} ${n}`,
        delay: "1 day"
      })
      assert.deepStrictEqual(all.map(({ created, status }) => [created, status]), [
        [true, "scheduled"],
        [false, "ready"],
        [true, "scheduled"],
        [false, "scheduled"]
      ])
      assert.strictEqual(all[1]!.id, old.id)
      assert.strictEqual(all[3]!.id, all[0]!.id)
      assert.strictEqual((yield* row(all[0]!.id))!.step, textOf(1))
      assert.strictEqual((yield* rows).length, 3)
    })
  )

  test(
    "stores ten thousand at once, and nothing for none",
    Effect.gen(function*() {
      const states = Array.from({ length: 10_000 }, (_, n) => build(n))
      const first = yield* Report.enqueueAll(states, { key: ({ n }) => `${n}` })
      const second = yield* Report.enqueueAll(states, { key: ({ n }) => `${n}` })
      assert.isTrue(first.every(({ created }) => created))
      assert.deepStrictEqual(second, first.map((task) => ({ ...task, created: false })))
      assert.deepStrictEqual(yield* Report.enqueueAll([], { key: () => "" }), [])
    })
  )

  test(
    "refuses what is no key, in plain JavaScript",
    Effect.gen(function*() {
      for (const key of ["may", undefined, null]) {
        const error = yield* Effect.flip(Report.enqueueAll([build(1)], { key: key as never }))
        assert.match(error.message, /`key` must be a function that makes a key of a state/)
      }
      const options = [{ onConflict: "fail" }, { key: "may", onConflict: "later" }, { key: "may", onConflict: null }]
      for (const option of options) {
        const error = yield* Effect.flip(Report.enqueue(build(1), option as {}))
        assert.match(error.message, /`onConflict` (needs a `key`|must be one of "keep", "fail")/)
      }
      assert.deepStrictEqual(yield* rows, [])
    })
  )
})

workerTests("an ended task whose result is kept", (test) => {
  test(
    "has its key until then, and counts as absent afterwards",
    Effect.gen(function*() {
      const first = yield* Report.enqueue(build(1), { key: "may" })
      yield* end(first.id, 60_000)
      assert.deepInclude(yield* Report.enqueue(build(2), { key: "may" }), { id: first.id, created: false })
      const all = Report.enqueueAll([build(2)], { key: () => "may" })
      assert.deepInclude((yield* all)[0], { id: first.id, created: false })
      yield* end(first.id, -1)
      assert.deepInclude((yield* all)[0], { created: true, status: "ready" })
      yield* run("delete from pg_task where id <> $1::uuid", [first.id])
      yield* run("update pg_task set key = 'may'")
      const second = yield* Report.enqueue(build(2), { key: "may" })
      assert.isTrue(second.created)
      yield* run("delete from pg_task where id = $1::uuid", [second.id])
      yield* run("update pg_task set key = 'may'")
      const sql = yield* SqlClient.SqlClient
      assert.isTrue((yield* sql.withTransaction(Report.enqueue(build(2), { key: "may" }))).created)
      // Its row is left to whoever deletes results.
      assert.sameMembers(yield* steps, [textOf(1), textOf(2)])
    })
  )
})

workerTests("a row that has the key, and is locked", (test) => {
  test(
    "keeps nobody waiting, and is not locked by it",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { id } = yield* Report.enqueue(build(1), { key: "may" })
      const look = Effect.all([
        Report.enqueue(build(2), { key: "may" }),
        Report.enqueueAll([build(2)], { key: () => "may" }),
        Effect.flip(Report.enqueue(build(2), { key: "may", onConflict: "fail" })),
        sql.withTransaction(Effect.tap(Report.enqueue(build(2), { key: "may" }), sql`select 1`))
      ])
      const changes = [
        "select 1 from pg_task for update",
        "update pg_task set wakeup_at = now() + interval '1 day'",
        "update pg_task set key = null",
        "delete from pg_task"
      ]
      for (const change of changes.slice(0, 2)) {
        const commit = yield* holding(change)
        assert.strictEqual((yield* look)[0].id, id)
        yield* commit
      }
      // In a transaction that stays open.
      const { config } = yield* PgClient.PgClient
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* look
        yield* Effect.provide(run("select 1 from pg_task for update nowait"), PgClient.layer(config))
      }))
      // What frees the key is not committed either.
      for (const change of changes.slice(2)) {
        yield* run("update pg_task set key = 'may'")
        const commit = yield* holding(change)
        assert.strictEqual((yield* look)[0].id, id)
        yield* commit
      }
    })
  )
})

workerTests("a key from SQL", (test) => {
  test(
    "is unique there, too",
    Effect.gen(function*() {
      const insert = run(`insert into pg_task (step, key) values ('${textOf(1)}', 'may') on conflict do nothing`)
      yield* insert
      yield* insert
      assert.strictEqual((yield* rows).length, 1)
      assert.isFalse((yield* Report.enqueue(build(2), { key: "may" })).created)
      yield* run(`insert into pg_task (step, key) values ('${textOf(1, "Other")}', 'may')`)
      const refused = yield* Effect.flip(run(`insert into pg_task (step, key) values ('${textOf(3)}', 'may')`))
      assert.strictEqual(refused._tag, "SqlError")
    })
  )

  test(
    "gives the task that has it a new state, as the SQL reference says",
    Effect.gen(function*() {
      const page = yield* Effect.promise(() =>
        readFile(new URL("../../docs/sql-reference.md", import.meta.url), "utf8")
      )
      const replace = /insert into pg_task as t[^;]*;/.exec(page)![0]
      yield* run(replace)
      yield* run("update pg_task set wakeup_at = now() + interval '1 hour'")
      yield* run(replace.replace("name.txt\"", "other.txt\""))
      const [found] = yield* run("select step, wakeup_at <= now() as due, pending, transitions from pg_task")
      assert.deepStrictEqual(found, {
        step: `{"Greeter":{"ReadName":{"filename":"other.txt"}}}`,
        due: true,
        pending: null,
        transitions: 1
      })
    })
  )

  test(
    "is there for Admin",
    Effect.gen(function*() {
      const raw = yield* Admin.enqueueRaw(textOf(1), { key: "may", delay: "1 day" })
      assert.deepInclude(raw, { created: true, status: "scheduled" })
      assert.deepInclude(yield* Admin.enqueueRaw(textOf(2), { key: "may" }), { id: raw.id, created: false })
      const refused = yield* Effect.flip(Admin.enqueueRaw(textOf(2), { key: "may", onConflict: "fail" }))
      assert.strictEqual(refused._tag, "TaskKeyTakenError")
      yield* Other.enqueue(build(2), { key: "may" })
      yield* Report.enqueue(build(3))
      const { rows: both } = yield* Admin.list({ key: "may" })
      assert.sameDeepMembers(both.map(({ key, task }) => [task, key]), [["Other", "may"], ["Report", "may"]])
      assert.strictEqual(yield* Admin.cancel({ task: Report, key: "may" }), 1)
      assert.strictEqual(yield* Admin.count({ key: "may" }), 1)
      assert.strictEqual(yield* Admin.count(), 2)
    })
  )
})
