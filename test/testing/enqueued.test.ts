import { assert, describe, it, layer } from "@effect/vitest"
import { type Cause, Duration, Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { Admin, type TaskError } from "effect-pg-task"
import { TaskTest } from "effect-pg-task/testing"
import { expectTypeOf } from "vitest"
import {
  Archived,
  job,
  Jobs,
  newYear,
  Order,
  type Ordered,
  type OutOfStock,
  type Paid,
  type Reviewed,
  type Shop,
  Table
} from "./orders.ts"

layer(Table)("TaskTest.enqueued", (it) => {
  const test = Effect.gen(function*() {
    yield* Jobs.delay(job("1"), "2 hours")
    yield* Jobs.enqueue(job("2"))
    yield* Jobs.enqueueAll(["3", "4", "5"].map((name) => job(name)))
    yield* Jobs.schedule(job("6"), newYear)
    yield* Order.enqueue(new Archived())
    const rows = yield* TaskTest.enqueued(Jobs)
    assert.deepStrictEqual(rows.map(({ state }) => state), ["1", "2", "3", "4", "5", "6"].map((name) => job(name)))
    assert.deepStrictEqual(
      rows.map(({ status }) => status),
      ["scheduled", "ready", "ready", "ready", "ready", "scheduled"]
    )
    return rows.map(({ dueIn }) => Duration.toMillis(dueIn))
  })

  it.effect("lists the task's rows as they were enqueued", () =>
    Effect.gen(function*() {
      const [first, second] = yield* test
      assert.isAtMost(first!, 7_200_000)
      assert.isAbove(first!, 7_000_000)
      assert.strictEqual(second, 0)
    }))

  it.effect("does so also where the rows have taken places that others have left", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const states = (from: number) => Array.from({ length: 100 }, (_, n) => job(String(from + n)))
      yield* Admin.cancel({ task: "Jobs" })
      yield* Jobs.enqueueAll(states(0))
      yield* sql`delete from pg_task where step ~ '[3-6]"'`
      yield* sql`vacuum pg_task`
      yield* Jobs.enqueueAll(states(1000))
      yield* Jobs.enqueueAll(states(2000))
      const found = (yield* TaskTest.enqueued(Jobs)).map(({ state }) => state)
      assert.deepStrictEqual(found.slice(-200), [...states(1000), ...states(2000)])
    }))

  it.effect("does so in a transaction, where it knows exactly when they are due", () =>
    Effect.gen(function*() {
      yield* Admin.cancel({ task: "Jobs" })
      assert.deepStrictEqual((yield* test).slice(0, 5), [7_200_000, 0, 0, 0, 0])
    }).pipe(TaskTest.rolledBack))
})

describe("TaskTest's types", () => {
  it("are those of the tasks", () => {
    type Ran = TaskTest.Result<typeof Order>
    type Ordering = Extract<Ran, { readonly step: "Ordered" }>
    expectTypeOf<Ordering["state"]>().toEqualTypeOf<Ordered>()
    expectTypeOf<Extract<Ordering, { readonly _tag: "Continued" }>["next"]>().toEqualTypeOf<Paid>()
    expectTypeOf<Extract<Ordering, { readonly _tag: "Parked" }>["cause"]>().toEqualTypeOf<
      Cause.Cause<OutOfStock | SqlError | TaskError.TaskInvalidStateError>
    >()
    expectTypeOf<Effect.Services<ReturnType<typeof TaskTest.runAll<readonly [typeof Order, typeof Jobs]>>>>()
      .toEqualTypeOf<SqlClient.SqlClient | Shop>()
    expectTypeOf<Effect.Success<ReturnType<typeof TaskTest.enqueued<typeof Order>>>>()
      .toEqualTypeOf<ReadonlyArray<TaskTest.Enqueued<Ordered | Paid | Reviewed | Archived>>>()
  })
})
