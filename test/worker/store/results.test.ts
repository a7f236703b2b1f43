/** Tasks that end in a final state: their rows are kept, counted as gone in time, and deleted in the end. */
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Admin, NextStep, Step, Task } from "../../../src/index.ts"
import { deleteExpired } from "../../../src/internal/sql/results.ts"
import { start, workerTests } from "../../support/worker/Fixture.ts"
import { empty, insert, row, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

/** What a task is to do: how it ends, and after how many steps. */
const Way = Schema.Literals(["now", "delay", "commit", "none", "retry"])

class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number, way: Way }) {}
class AddInTransaction extends Schema.TaggedClass<AddInTransaction>()("AddInTransaction", { a: Schema.Number }) {}
class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}

const nextOf = ({ a, way }: Add): Effect.Effect<NextStep.NextStep<Sum>, string> => {
  const sum = new Sum({ sum: a + 1 })
  if (way === "retry") return Effect.fail("not yet")
  if (way === "none") return Effect.succeed(NextStep.none)
  if (way === "delay") return Effect.succeed(NextStep.delay(sum, "1 millis"))
  return Effect.succeed(way === "commit" ? NextStep.now(sum, { commit: Effect.void }) : NextStep.now(sum))
}

const Adder = Task.make("Adder", [
  Step.make(Add, { next: [Sum], retryLimit: 1, retryDelay: "1 hour", handler: nextOf }),
  Step.make(AddInTransaction, {
    next: [Sum],
    transactional: true,
    handler: ({ a }) => Effect.succeed(NextStep.now(new Sum({ sum: a + 1 })))
  }),
  Step.final(Sum, { keep: "7 days" })
])

const ended = (id: string) =>
  eventually(Effect.option(Admin.get(id)), (row) => row._tag === "Some" && row.value.status === "ended")

const states = {
  "a step": new Add({ a: 1, way: "now" }),
  "a step with a delay": new Add({ a: 1, way: "delay" }),
  "a step with a commit": new Add({ a: 1, way: "commit" }),
  "a transactional step": new AddInTransaction({ a: 1 })
}

workerTests("a task that ends in a final state", (test) => {
  for (const [how, state] of Object.entries(states)) {
    test(
      `is kept for as long as that says: moved there by ${how}`,
      Effect.gen(function*() {
        const id = yield* Adder.enqueue(state)
        yield* start({ tasks: [Adder] })
        yield* ended(id)
        const found = yield* Admin.get(id)
        assert.deepStrictEqual(yield* Admin.decode(Adder, found.raw), new Sum({ sum: 2 }))
        assert.strictEqual(found.endedAt!.epochMilliseconds, found.since.epochMilliseconds)
        assert.strictEqual(found.keptUntil!.epochMilliseconds - found.endedAt!.epochMilliseconds, 7 * 86_400_000)
        const [columns] = yield* run(
          "select is_running, lease_token, lease_until, error, tried, crashes from pg_task where id = $1::uuid",
          [id]
        )
        const nothing = { is_running: false, lease_token: null, lease_until: null, error: null, tried: 0, crashes: 0 }
        assert.deepStrictEqual(columns, nothing)
      })
    )
  }

  test(
    "ends also if somebody has inserted it there, or has moved it there",
    Effect.gen(function*() {
      const inserted = yield* insert(`{"Adder":{"Sum":{"sum":5}}}`)
      const edited = yield* Adder.enqueue(new Add({ a: 1, way: "now" }), { delay: "1 hour" })
      yield* Admin.edit(Adder, edited, new Sum({ sum: 6 }))
      yield* Admin.runNow(edited)
      yield* start({ tasks: [Adder] })
      for (const [id, sum] of [[inserted, 5], [edited, 6]] as const) {
        yield* ended(id)
        assert.deepStrictEqual(yield* Admin.decode(Adder, (yield* Admin.get(id)).raw), new Sum({ sum }))
      }
    })
  )

  test(
    "never runs again, whatever is due: a hand that makes all rows due deletes no result",
    Effect.gen(function*() {
      const id = yield* Adder.enqueue(new Add({ a: 1, way: "now" }))
      yield* start({ tasks: [Adder] })
      yield* ended(id)
      yield* run("update pg_task set wakeup_at = now() - interval '1 day', error = null")
      const other = yield* Adder.enqueue(new Add({ a: 1, way: "none" }))
      yield* eventually(row(other), (found) => found === undefined)
      assert.deepInclude(yield* row(id), { transitions: 1, token: null })
      assert.strictEqual((yield* Admin.get(id)).status, "ended")
    })
  )

  test(
    "leaves the other outcomes of its batch as they are",
    Effect.gen(function*() {
      const ways = Way.literals
      const all = Array.from({ length: 300 }, (_, n) => new Add({ a: n, way: ways[n % ways.length]! }))
      yield* Adder.enqueueAll(all)
      yield* start({ tasks: [Adder], concurrency: 100 })
      const counted = yield* eventually(
        Admin.counts({ task: "Adder" }),
        (counts) =>
          counts.every(({ status }) => status === "ended" || status === "scheduled")
          && counts.reduce((sum, { count }) => sum + count, 0) === 240
      )
      const seen = counted.map(({ count, status, step }) => [step, status, count])
      assert.sameDeepMembers(seen, [["Add", "scheduled", 60], ["Sum", "ended", 180]])
    })
  )
})

workerTests("a result", (test) => {
  const result = (set: string) =>
    Effect.gen(function*() {
      const id = yield* insert(`{"Adder":{"Sum":{"sum":5}}}`)
      yield* run(`update pg_task set ended_at = now() - interval '2 hours', ${set} where id = $1::uuid`, [id])
      return id
    })
  const kept = "kept_until = now() + interval '1 hour'"
  const over = "kept_until = now() - interval '1 second'"

  test(
    "is listed and counted with its status, in its order among the others",
    Effect.gen(function*() {
      const first = yield* result(kept)
      const second = yield* Adder.enqueue(new Add({ a: 1, way: "now" }))
      const third = yield* result(kept)
      const all = yield* Admin.list()
      assert.deepStrictEqual(all.rows.map(({ id }) => id), [first, second, third] as ReadonlyArray<string>)
      const pages = [yield* Admin.list({ limit: 1 })]
      while (pages.at(-1)!.next !== undefined) {
        pages.push(yield* Admin.list({ limit: 1, after: pages.at(-1)!.next }))
      }
      assert.deepStrictEqual(pages.flatMap(({ rows }) => rows.map(({ id }) => id)), all.rows.map(({ id }) => id))
      assert.deepStrictEqual((yield* Admin.list({ status: "ended" })).rows.map(({ id }) => id as string), [
        first,
        third
      ])
      assert.strictEqual(yield* Admin.count({ status: "ended" }), 2)
      assert.strictEqual(yield* Admin.count({ status: ["ready", "scheduled", "running", "parked"] }), 1)
      assert.strictEqual((yield* Admin.list({ status: "ended", olderThan: "1 hour" })).rows.length, 2)
    })
  )

  test(
    "counts as gone once its time is over, also before it is deleted",
    Effect.gen(function*() {
      const id = yield* result(over)
      assert.strictEqual((yield* Effect.flip(Admin.get(id)))._tag, "TaskNotFoundError")
      assert.strictEqual((yield* Effect.flip(Admin.findId(id.slice(0, 8))))._tag, "TaskNotFoundError")
      const edited = yield* Effect.flip(Admin.edit(Adder, id, new Sum({ sum: 6 })))
      assert.strictEqual(edited._tag, "TaskNotFoundError")
      assert.strictEqual((yield* Effect.flip(Admin.cancel(id)))._tag, "TaskNotFoundError")
      assert.deepStrictEqual((yield* Admin.list()).rows, [])
      assert.deepStrictEqual(yield* Admin.counts(), [])
      assert.strictEqual(yield* Admin.count({ task: "Adder" }), 0)
      assert.deepStrictEqual(yield* run("select * from pg_task_status"), [])
    })
  )

  test(
    "can't be edited, retried or run, and can be deleted",
    Effect.gen(function*() {
      const id = yield* result(kept)
      const error = yield* Effect.flip(Admin.edit(Adder, id, new Sum({ sum: 6 })))
      assert.deepInclude(error, { _tag: "TaskEditError", reason: "Ended" })
      assert.strictEqual(yield* Admin.retry(id), 0)
      assert.strictEqual(yield* Admin.runNow(id), 0)
      assert.strictEqual(yield* Admin.cancel(id), 1)
      assert.strictEqual(yield* row(id), undefined)
    })
  )

  test(
    "is deleted in batches once its time is over, and no other row with it",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* run(
        `insert into pg_task (step, ended_at, kept_until)
        select '{"Adder":{"Sum":{"sum":5}}}', now(), now() - interval '1 second' from generate_series(1, 1500)`
      )
      const left = yield* result(kept)
      const ready = yield* insert(`{"Adder":{"Add":{"a":5,"way":"now"}}}`)
      assert.isTrue(yield* deleteExpired(sql))
      assert.deepStrictEqual(yield* run("select count(*)::int as n from pg_task"), [{ n: 502 }])
      assert.isFalse(yield* deleteExpired(sql))
      const rest = yield* run("select id::text from pg_task order by created_at")
      assert.deepStrictEqual(rest, [{ id: left }, { id: ready }])
    })
  )

  test(
    "no task begins with one",
    Effect.gen(function*() {
      const error = yield* Effect.flip(Adder.enqueue(new Sum({ sum: 5 }) as never))
      assert.deepInclude(error, {
        _tag: "TaskInvalidStateError",
        message:
          `Adder: a task may not begin with "Sum", a final state, but with "Add", "AddInTransaction". Nothing was stored`
      })
      yield* empty
    })
  )
})
