import { assert } from "@effect/vitest"
import { DateTime, Duration, Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { Admin, NextStep, Step, Task, TaskError } from "../../src/index.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { row, rows, run } from "../support/worker/Table.ts"

class Place extends Schema.TaggedClass<Place>()("Place", { order: Schema.String }) {}
const Pack = Schema.TaggedStruct("Pack", { order: Schema.String.check(Schema.isMinLength(1)) })

const Order = Task.declare("Order", { states: [Place, Pack], entry: [Place] })
const state = new Place({ order: "1" })
const moment = DateTime.makeUnsafe("2130-02-28T23:59:59.999Z")
const day = 86_400_000

const isExact = (ids: ReadonlyArray<string>) =>
  run(`select wakeup_at = '2130-02-28T23:59:59.999Z' as exact from pg_task where id = any($1::uuid[])`, [ids])

workerTests("enqueue with options", (test) => {
  test(
    "is due at once without any",
    Effect.gen(function*() {
      for (const options of [undefined, {}, { delay: undefined }, { at: undefined, delay: undefined }]) {
        assert.deepInclude(yield* row(yield* Order.enqueue(state, options)), { status: "ready", delay: 0 })
      }
    })
  )

  test(
    "is due `delay` from now",
    Effect.gen(function*() {
      assert.strictEqual((yield* row(yield* Order.enqueue(state, { delay: "3 days" })))!.delay, 3 * day)
      const [first, second] = yield* Order.enqueueAll([state, state], { delay: { hours: 1 } })
      assert.strictEqual((yield* row(first!))!.delay, 3_600_000)
      assert.strictEqual((yield* row(second!))!.delay, 3_600_000)
    })
  )

  test(
    "is due `at` a moment",
    Effect.gen(function*() {
      const one = yield* Order.enqueue(state, { at: moment })
      const many = yield* Order.enqueueAll([state, state], { at: moment })
      assert.deepStrictEqual(yield* isExact([one, ...many]), [{ exact: true }, { exact: true }, { exact: true }])
    })
  )

  test(
    "is due at once after a negative delay, and at a moment in the past",
    Effect.gen(function*() {
      const past = DateTime.makeUnsafe("2001-09-09T01:46:40Z")
      const ids = [
        yield* Order.enqueue(state, { delay: Duration.seconds(-5) }),
        yield* Order.enqueue(state, { at: past }),
        ...yield* Order.enqueueAll([state], { delay: Duration.seconds(-5) }),
        ...yield* Order.enqueueAll([state], { at: past })
      ]
      for (const id of ids) assert.strictEqual((yield* row(id))!.status, "ready")
    })
  )
})

/** Callers in plain JavaScript may hand over anything. */
const anyOf = (value: unknown) => value as never

workerTests("enqueue refuses, in plain JavaScript", (test) => {
  const either = "give either `delay` or `at`"
  const duration = `\`delay\` must be a duration, such as "5 minutes"`
  const dateTime = `\`at\` must be a DateTime of Effect, such as DateTime.makeUnsafe("2030-01-01T09:00:00Z")`
  const object = `the options must be an object, such as { delay: "5 minutes" }`
  const cases: Record<string, readonly [options: unknown, message: string]> = {
    "both `delay` and `at`": [{ delay: "1 day", at: moment }, either],
    "a delay that is none": [{ delay: "soon" }, duration],
    "null for a delay": [{ delay: null }, duration],
    "a date that is no DateTime": [{ at: new Date() }, dateTime],
    "a text for a date": [{ at: "2030-01-01" }, dateTime],
    "no object": ["5 minutes", object],
    "the index that `map` hands over": [0, object],
    null: [null, object]
  }
  for (const [title, [options, message]] of Object.entries(cases)) {
    test(
      title,
      Effect.gen(function*() {
        const errors = [
          yield* Effect.flip(Order.enqueue(state, anyOf(options))),
          yield* Effect.flip(Order.enqueueAll([state], anyOf(options))),
          yield* Effect.flip(Admin.enqueueRaw(`{"Order":{"Place":{"order":"1"}}}`, anyOf(options)))
        ]
        for (const error of errors) {
          assert.instanceOf(error, TaskError.TaskOptionsError)
          assert.strictEqual(error.task, "Order")
          assert.strictEqual(error.message, `Order: ${message}. Nothing was stored`)
        }
        assert.deepStrictEqual(yield* rows, [])
      })
    )
  }

  test(
    "a short form without its time",
    Effect.gen(function*() {
      const delayed = yield* Effect.flip(Order.delay(state, anyOf(undefined)))
      assert.strictEqual(delayed.message, `Order: ${duration}. Nothing was stored`)
      const scheduled = yield* Effect.flip(Order.schedule(state, anyOf(undefined)))
      assert.strictEqual(scheduled.message, `Order: ${dateTime}. Nothing was stored`)
    })
  )
})

const OrderTask = Task.make(Order, [
  Step.make(Place, { next: [Pack], handler: ({ order }) => Effect.succeed(NextStep.now(Pack.make({ order }))) }),
  Step.make(Pack, { handler: () => Effect.succeed(NextStep.none) })
])

workerTests("a task with an entry", (test) => {
  test(
    "begins there",
    Effect.gen(function*() {
      const ids = [yield* Order.enqueue(state), yield* OrderTask.enqueue(state), ...yield* Order.enqueueAll([state])]
      for (const id of ids) assert.strictEqual((yield* row(id))!.step, `{"Order":{"Place":{"order":"1"}}}`)
    })
  )

  test(
    "begins nowhere else, in plain JavaScript either",
    Effect.gen(function*() {
      const packed = anyOf(Pack.make({ order: "1" }))
      const attempts: ReadonlyArray<Effect.Effect<unknown, TaskError.EnqueueError, SqlClient.SqlClient>> = [
        Order.enqueue(packed),
        Order.delay(packed, "1 day"),
        Order.schedule(packed, moment),
        Order.enqueueAll([state, packed]),
        OrderTask.enqueue(packed)
      ]
      for (const attempt of attempts) {
        assert.deepInclude(yield* Effect.flip(attempt), {
          _tag: "TaskInvalidStateError",
          task: "Order",
          state: "Pack",
          message: `Order: a task may not begin with "Pack", but with "Place": see its \`entry\`. Nothing was stored`
        })
      }
      assert.deepStrictEqual(yield* rows, [])
    })
  )
})
