import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { gone, parked, type Row, rowWhere, run } from "../support/worker/Table.ts"

class Wait extends Schema.TaggedClass<Wait>()("Wait", { how: Schema.String }) {}

const state = new Wait({ how: "long" })
const dateTime = DateTime.makeUnsafe("2030-01-01T00:00:00Z")
const commit = Effect.void

describe("NextStep", () => {
  it("says as plain data where the task goes", () => {
    assert.deepStrictEqual(NextStep.none.move, { _tag: "None" })
    assert.deepStrictEqual(NextStep.noneWith({ commit }).move, { _tag: "None" })
    assert.deepStrictEqual(NextStep.now(state).move, { _tag: "Now", state })
    assert.deepStrictEqual(NextStep.at(state, dateTime).move, { _tag: "At", state, dateTime })
    const { move } = NextStep.delay(state, "3 days")
    assert.strictEqual(move._tag, "Delay")
    assert.isTrue(move._tag === "Delay" && move.state === state && Duration.toDays(move.duration) === 3)
  })

  it("carries its commit effect, if any", () => {
    assert.isUndefined(NextStep.none.commit)
    assert.isUndefined(NextStep.now(state).commit)
    for (
      const next of [
        NextStep.noneWith({ commit }),
        NextStep.now(state, { commit }),
        NextStep.delay(state, 1, { commit }),
        NextStep.at(state, dateTime, { commit })
      ]
    ) assert.strictEqual(next.commit, commit)
  })

  it("is told from anything else", () => {
    for (const next of [NextStep.none, NextStep.now(state)]) assert.isTrue(NextStep.isNextStep(next))
    for (const other of [undefined, null, "none", {}, { move: { _tag: "None" } }, NextStep, state, Effect.void]) {
      assert.isFalse(NextStep.isNextStep(other))
    }
  })
})

class Begin extends Schema.TaggedClass<Begin>()("Begin", {}) {}
class End extends Schema.TaggedClass<End>()("End", { n: Schema.Number }) {}

const end = new End({ n: 1 })

/** A task whose first step returns this, and whose second one fails, so that its row stays. */
const after = (next: NextStep.NextStep<End, never, SqlClient.SqlClient>) =>
  Task.make("After", [
    Step.make(Begin, { next: [End], handler: () => Effect.succeed(next) }),
    Step.make(End, { handler: () => Effect.fail("the end") })
  ])

const enqueued = Effect.fnUntraced(function*(next: NextStep.NextStep<End, never, SqlClient.SqlClient>) {
  const task = after(next)
  const id = yield* task.enqueue(new Begin())
  yield* start({ tasks: [task] })
  return id
})

const moved = (row: Row) => row.transitions === 1 && row.token === null
const endText = `{"After":{"End":{"n":1}}}`
const day = 86_400_000

workerTests("the row after a step that returned", (test) => {
  test("none: is deleted", Effect.flatMap(enqueued(NextStep.none), gone))

  test(
    "now: holds the state, which runs at once",
    Effect.gen(function*() {
      const row = yield* parked(yield* enqueued(NextStep.now(end)))
      assert.deepInclude(row, { step: endText, transitions: 1, tried: 1, error: "the end" })
    })
  )

  test(
    "delay: holds the state, due so long from then by Postgres's clock",
    Effect.gen(function*() {
      const row = yield* rowWhere(yield* enqueued(NextStep.delay(end, "1 day")), moved)
      assert.deepInclude(row, { step: endText, status: "scheduled", delay: day, tried: 0, error: null })
    })
  )

  for (const duration of [Duration.zero, Duration.seconds(-5), Duration.days(-400_000), Duration.negativeInfinity]) {
    test(
      `delay by ${Duration.format(duration)}: runs at once`,
      Effect.gen(function*() {
        const row = yield* parked(yield* enqueued(NextStep.delay(end, duration)))
        assert.deepInclude(row, { step: endText, tried: 1, error: "the end" })
      })
    )
  }

  test(
    "delay without end: waits for thousands of years",
    Effect.gen(function*() {
      const row = yield* rowWhere(yield* enqueued(NextStep.delay(end, Duration.infinity)), moved)
      assert.strictEqual(row.status, "scheduled")
      assert.isAbove(row.delay, 5000 * 365 * day)
    })
  )

  test(
    "at: holds the state, due at that moment",
    Effect.gen(function*() {
      const id = yield* enqueued(NextStep.at(end, DateTime.makeUnsafe("2130-02-28T23:59:59.999Z")))
      assert.deepInclude(yield* rowWhere(id, moved), { step: endText, status: "scheduled", tried: 0, error: null })
      const [row] = yield* run("select wakeup_at = '2130-02-28 23:59:59.999Z'::timestamptz as exact from pg_task")
      assert.deepStrictEqual(row, { exact: true })
    })
  )

  for (const past of ["2001-01-01T00:00:00Z", "-002000-01-01T00:00:00Z", "-271821-04-20T00:00:00Z"]) {
    test(
      `at ${past}, long past: runs at once`,
      Effect.gen(function*() {
        const row = yield* parked(yield* enqueued(NextStep.at(end, DateTime.makeUnsafe(new Date(past)))))
        assert.deepInclude(row, { step: endText, tried: 1, error: "the end" })
      })
    )
  }

  test(
    "at the end of JavaScript's time: waits for thousands of years",
    Effect.gen(function*() {
      const id = yield* enqueued(NextStep.at(end, DateTime.makeUnsafe(new Date(8.64e15))))
      const row = yield* rowWhere(id, moved)
      assert.strictEqual(row.status, "scheduled")
      assert.isAbove(row.delay, 5000 * 365 * day)
    })
  )

  test(
    "a commit effect: what it wrote is there with the transition",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* run("create table note (text text)")
      const note = Effect.orDie(sql`insert into note values ('written')`)
      yield* gone(yield* enqueued(NextStep.noneWith({ commit: note })))
      assert.deepStrictEqual(yield* run("table note"), [{ text: "written" }])
    })
  )
})
