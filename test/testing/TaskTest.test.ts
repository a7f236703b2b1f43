import { assert, layer } from "@effect/vitest"
import { Cause, DateTime, Duration, Effect, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Admin, NextStep, Step, Task } from "effect-pg-task"
import { TaskTest } from "effect-pg-task/testing"
import {
  Archived,
  cheap,
  job,
  Jobs,
  newYear,
  Order,
  Ordered,
  OutOfStock,
  Paid,
  Reviewed,
  soldOut,
  Table
} from "./orders.ts"

const tasks = [Order]

const endings = (results: ReadonlyArray<{ readonly _tag: string; readonly step: string | null }>) =>
  results.map(({ _tag, step }) => `${step} ${_tag}`)

const names = (results: ReadonlyArray<TaskTest.Result<typeof Jobs>>) =>
  results.map((result) => result._tag === "Rejected" ? "" : result.state.name)

layer(Table)("TaskTest.runAll", (it) => {
  it.effect("runs tasks to their end, and tells each step", () =>
    Effect.gen(function*() {
      const id = yield* Order.enqueue(new Ordered({ item: "tea" }))
      const results = yield* cheap(TaskTest.runAll({ tasks }))
      const about = { id, task: "Order" as const, attempt: 1 }
      const paid = new Paid({ item: "tea", price: 7 })
      const reviewed = new Reviewed({ at: newYear })
      assert.deepStrictEqual<ReadonlyArray<unknown>>(results, [
        { ...about, step: "Ordered", state: new Ordered({ item: "tea" }), _tag: "Continued", next: paid },
        { ...about, step: "Paid", state: paid, _tag: "Delayed", next: reviewed, delay: Duration.days(3) },
        { ...about, step: "Reviewed", state: reviewed, _tag: "Scheduled", next: new Archived(), at: newYear },
        { ...about, step: "Archived", state: new Archived(), _tag: "Finished" }
      ])
      assert.deepStrictEqual(yield* TaskTest.enqueued(Order), [])
    }).pipe(TaskTest.rolledBack))

  it.effect("does the same without a transaction", () =>
    Effect.gen(function*() {
      yield* Order.enqueue(new Ordered({ item: "tea" }))
      const results = yield* cheap(TaskTest.runAll({ tasks }))
      assert.deepStrictEqual(endings(results), [
        "Ordered Continued",
        "Paid Delayed",
        "Reviewed Scheduled",
        "Archived Finished"
      ])
      assert.deepStrictEqual(yield* TaskTest.enqueued(Order), [])
    }))

  it.effect("returns nothing where there is nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* cheap(TaskTest.runAll({ tasks })), [])
      assert.deepStrictEqual(yield* cheap(TaskTest.runStep({ tasks })), Option.none())
    }))

  it.effect("leaves what is due later, if told to", () =>
    Effect.gen(function*() {
      const id = yield* Order.enqueue(new Ordered({ item: "tea" }))
      const results = yield* cheap(TaskTest.runAll({ tasks, delays: "leave" }))
      assert.deepStrictEqual(endings(results), ["Ordered Continued", "Paid Delayed"])
      assert.deepStrictEqual(yield* TaskTest.enqueued(Order), [{
        id,
        state: new Reviewed({ at: newYear }),
        status: "scheduled",
        dueIn: Duration.days(3),
        tried: 0,
        error: null
      }])
    }).pipe(TaskTest.rolledBack))

  it.effect("tries again until a step is parked, with its typed error", () =>
    Effect.gen(function*() {
      const id = yield* Order.enqueue(new Ordered({ item: "tea" }))
      const results = yield* soldOut(TaskTest.runAll({ tasks }))
      assert.deepStrictEqual(endings(results), ["Ordered Retried", "Ordered Retried", "Ordered Parked"])
      assert.deepStrictEqual(results.map((result) => result._tag === "Rejected" ? 0 : result.attempt), [1, 2, 3])
      const [first, , last] = results
      assert(first?._tag === "Retried" && first.step === "Ordered" && last?._tag === "Parked")
      assert.deepStrictEqual(Cause.squash(first.cause), new OutOfStock({ item: "tea" }))
      assert.deepStrictEqual(first.delay, Duration.hours(1))
      const [row] = yield* TaskTest.enqueued(Order)
      assert.deepStrictEqual({ ...row, dueIn: undefined }, {
        id,
        state: new Ordered({ item: "tea" }),
        status: "parked",
        dueIn: undefined,
        tried: 3,
        error: last.error
      })
      assert.match(last.error, /^OutOfStock/)
    }).pipe(TaskTest.rolledBack))

  it.effect("leaves retries alone, if told to, but not delays", () =>
    Effect.gen(function*() {
      yield* Order.enqueue(new Ordered({ item: "tea" }))
      yield* Order.enqueue(new Paid({ item: "milk", price: 1 }))
      const results = yield* soldOut(TaskTest.runAll({ tasks, retries: "leave" }))
      assert.sameMembers(endings(results), [
        "Ordered Retried",
        "Paid Delayed",
        "Reviewed Scheduled",
        "Archived Finished"
      ])
      const [row] = yield* TaskTest.enqueued(Order)
      assert.deepInclude(row, { status: "scheduled", dueIn: Duration.hours(1), tried: 1, error: null })
    }).pipe(TaskTest.rolledBack))

  it.effect("skips retries and leaves delays, if told to", () =>
    Effect.gen(function*() {
      yield* Order.enqueue(new Ordered({ item: "tea" }))
      yield* Order.enqueue(new Paid({ item: "milk", price: 1 }))
      const results = yield* soldOut(TaskTest.runAll({ tasks, delays: "leave", retries: "skip" }))
      assert.sameMembers(endings(results), [
        "Ordered Retried",
        "Ordered Retried",
        "Ordered Parked",
        "Paid Delayed"
      ])
    }).pipe(TaskTest.rolledBack))

  it.effect("keeps the order in which things would happen when it skips time", () =>
    Effect.gen(function*() {
      yield* Jobs.delay(job("third", { hours: 3, name: "sixth" }), "2 hours")
      yield* Jobs.delay(job("second", { hours: 3, name: "fifth" }), "1 hour")
      yield* Jobs.delay(job("fourth"), "3 hours")
      yield* Jobs.enqueue(job("first", { hours: 6, name: "seventh" }))
      const results = yield* TaskTest.runAll({ tasks: [Jobs] })
      assert.deepStrictEqual(names(results), ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"])
    }).pipe(TaskTest.rolledBack))

  it.effect("lets the time of a wait be over when it skips to it", () =>
    Effect.gen(function*() {
      class Open extends Schema.TaggedClass<Open>()("Open", {}) {}
      class Paid extends Schema.TaggedClass<Paid>()("Paid", {}) {}
      const Invoice = Task.make("Invoice", [
        Step.wait(Open, (on) => [
          on(Paid, { handler: () => Effect.succeed(NextStep.none) }),
          on.timeout("3 days", { handler: () => Effect.succeed(NextStep.none) })
        ])
      ])
      yield* Invoice.enqueue(new Open())
      const results = yield* TaskTest.runAll({ tasks: [Invoice] })
      assert.strictEqual(results.at(-1)?._tag, "Finished")
      assert.deepStrictEqual(yield* TaskTest.enqueued(Invoice), [])
    }).pipe(TaskTest.rolledBack))

  it.effect("finishes one task before it begins the next", () =>
    Effect.gen(function*() {
      const ids = yield* Order.enqueueAll(["tea", "milk", "bread"].map((item) => new Ordered({ item })))
      const results = yield* cheap(TaskTest.runAll({ tasks, delays: "leave" }))
      assert.deepStrictEqual(endings(results), [1, 2, 3].flatMap(() => ["Ordered Continued", "Paid Delayed"]))
      assert.sameMembers(results.filter((_, index) => index % 2 === 0).map(({ id }) => id), [...ids])
      for (let n = 0; n < results.length; n += 2) assert.strictEqual(results[n]!.id, results[n + 1]!.id)
    }).pipe(TaskTest.rolledBack))

  it.effect("runs those of a higher priority first", () =>
    Effect.gen(function*() {
      const handler = () => Effect.succeed(NextStep.none)
      const make = (name: string, priority: "high" | "low" | undefined) =>
        Task.make(name, [Step.make(Archived, { handler })], { priority })
      const all = [make("Low", "low"), make("Normal", undefined), make("High", "high")]
      for (const task of all) yield* task.enqueue(new Archived())
      const results = yield* TaskTest.runAll({ tasks: all })
      assert.deepStrictEqual(results.map(({ task }) => task), ["High", "Normal", "Low"])
    }).pipe(TaskTest.rolledBack))

  it.effect("runs only the tasks that it is given, as many as they are", () =>
    Effect.gen(function*() {
      yield* Order.enqueue(new Archived())
      yield* Jobs.enqueue(job("one"))
      assert.deepStrictEqual(endings(yield* TaskTest.runAll({ tasks: [Jobs] })), ["Job Finished"])
      yield* Jobs.delay(job("two"), "1 hour")
      assert.deepStrictEqual(endings(yield* cheap(TaskTest.runAll({ tasks: [Jobs, Order] }))), [
        "Archived Finished",
        "Job Finished"
      ])
    }).pipe(TaskTest.rolledBack))

  it.effect("gives up on tasks that never end, and gives them back", () =>
    Effect.gen(function*() {
      const Ticks = Task.make("Ticks", [
        Step.make(Archived, { next: [Archived], handler: () => Effect.succeed(NextStep.now(new Archived())) })
      ])
      const id = yield* Ticks.enqueue(new Archived())
      const error = yield* Effect.flip(TaskTest.runAll({ tasks: [Ticks], maxSteps: 5 }))
      assert(error._tag === "TaskTestError")
      assert.strictEqual(error.reason, "TooManySteps")
      assert.include(error.message, "within 5 steps (the last were Ticks.Archived, Ticks.Archived, Ticks.Archived)")
      assert.deepInclude(yield* Admin.get(id), { status: "ready", transitions: 5 })
    }).pipe(TaskTest.rolledBack))

  it.effect("reports rows that can't be decoded", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`insert into pg_task (step) values (${`{"Order":{"Ordered":{}}}`})`
      const [result] = yield* cheap(TaskTest.runAll({ tasks }))
      assert(result?._tag === "Rejected")
      assert.deepInclude(result, { task: "Order", step: "Ordered" })
      assert.include(result.error, `doesn't fit the schema of state "Ordered"`)
      assert.strictEqual((yield* Effect.flip(TaskTest.enqueued(Order)))._tag, "TaskInvalidStateError")
    }).pipe(TaskTest.rolledBack))

  it.effect("refuses two tasks of one name", () =>
    Effect.gen(function*() {
      const tasks = [Jobs, Jobs] as unknown as readonly [typeof Jobs]
      assert.strictEqual((yield* Effect.flip(TaskTest.runAll({ tasks })))._tag, "TaskDefinitionError")
    }))
})

layer(Table)("TaskTest and real time", (it) => {
  it.effect("waits by Postgres's clock, if told to, in a transaction too", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const clock = Effect.map(
        sql<{ now: number }>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
        (rows) => rows[0]!.now
      )
      const test = Effect.gen(function*() {
        const start = yield* clock
        yield* Jobs.delay(job("much later"), "1 day")
        // Both are counted from one moment: their order is the same, however long it takes to store them.
        const after = (millis: number) => DateTime.makeUnsafe(Math.ceil(start) + millis)
        yield* Jobs.schedule(job("second"), after(300))
        yield* Jobs.schedule(job("first"), after(150))
        const steps = [
          yield* TaskTest.runStep({ tasks: [Jobs], delays: "wait" }),
          yield* TaskTest.runStep({ tasks: [Jobs], delays: "wait" })
        ]
        const took = (yield* clock) - start
        assert.deepStrictEqual(names(steps.map(Option.getOrThrow)), ["first", "second"])
        assert.isAtLeast(took, 300)
        const [left] = yield* TaskTest.enqueued(Jobs)
        assert.isAbove(Duration.toHours(left!.dueIn), 23)
        yield* Admin.cancel({ task: "Jobs" })
      })
      yield* test
      yield* TaskTest.rolledBack(test)
    }))

  it.effect("finds what becomes due while it looks", () =>
    Effect.gen(function*() {
      for (let n = 0; n < 60; n++) {
        yield* Jobs.delay(job("later"), "1 minute")
        yield* Jobs.delay(job("soon"), 1 + n % 4)
        const step = yield* TaskTest.runStep({ tasks: [Jobs], delays: "wait" })
        assert.deepStrictEqual(names([Option.getOrThrow(step)]), ["soon"])
        yield* Admin.cancel({ task: "Jobs" })
      }
    }))
})

layer(Table)("TaskTest.runStep", (it) => {
  it.effect("runs one step at a time", () =>
    Effect.gen(function*() {
      const id = yield* Order.enqueue(new Ordered({ item: "tea" }))
      const first = Option.getOrThrow(yield* cheap(TaskTest.runStep({ tasks })))
      assert.deepInclude(first, { id, step: "Ordered", _tag: "Continued" })
      const look = Effect.map(TaskTest.enqueued(Order), (rows) => rows.map(({ state, status }) => ({ state, status })))
      assert.deepStrictEqual(yield* look, [{ state: new Paid({ item: "tea", price: 7 }), status: "ready" }])
      const second = Option.getOrThrow(yield* cheap(TaskTest.runStep({ tasks })))
      assert.deepInclude(second, { id, step: "Paid", _tag: "Delayed" })
      assert.deepStrictEqual(yield* look, [{ state: new Reviewed({ at: newYear }), status: "scheduled" }])
      assert.deepStrictEqual(yield* cheap(TaskTest.runStep({ tasks, delays: "leave" })), Option.none())
    }).pipe(TaskTest.rolledBack))

  it.effect("gives the handler its context", () =>
    Effect.gen(function*() {
      const keys: Array<Step.Context["Service"]> = []
      const Failing = Task.make("Failing", [
        Step.make(Archived, {
          retryLimit: 1,
          handler: () => Effect.flatMap(Step.Context, (context) => Effect.fail(keys.push(context)))
        })
      ])
      const id = yield* Failing.enqueue(new Archived())
      yield* TaskTest.runAll({ tasks: [Failing] })
      assert.deepStrictEqual(
        keys,
        [1, 2].map((attempt) => ({ id, task: "Failing", step: "Archived", attempt, idempotencyKey: `${id}:0` }))
      )
    }).pipe(TaskTest.rolledBack))

  it.effect("gives the row back when the test is interrupted", () =>
    Effect.gen(function*() {
      const Endless = Task.make("Endless", [Step.make(Archived, { handler: () => Effect.never })])
      const id = yield* Endless.enqueue(new Archived())
      const interrupted = yield* TaskTest.runStep({ tasks: [Endless] }).pipe(
        Effect.raceFirst(Admin.get(id).pipe(Effect.repeat({ until: ({ status }) => status === "running" })))
      )
      assert.deepInclude(interrupted, { status: "running" })
      assert.deepInclude(yield* Admin.get(id), { status: "ready", tried: 0 })
      yield* Admin.cancel(id)
    }))

  it.effect("tells that a task was removed while its step ran", () =>
    Effect.gen(function*() {
      const Suicidal = Task.make("Suicidal", [
        Step.make(Archived, {
          handler: () => Effect.flatMap(Step.Context, ({ id }) => Admin.cancel(id)).pipe(Effect.as(NextStep.none))
        }),
        Step.make(Paid, {
          transactional: true,
          handler: () => Effect.flatMap(Step.Context, ({ id }) => Admin.cancel(id)).pipe(Effect.as(NextStep.none))
        })
      ])
      yield* Suicidal.enqueue(new Archived())
      assert.deepStrictEqual(endings(yield* TaskTest.runAll({ tasks: [Suicidal] })), ["Archived Lost"])
      yield* Suicidal.enqueue(new Paid({ item: "tea", price: 1 }))
      const lost = Option.getOrThrow(yield* TaskTest.runStep({ tasks: [Suicidal] }))
      assert.deepInclude(lost, { step: "Paid", _tag: "Lost" })
    }).pipe(TaskTest.rolledBack))
})
