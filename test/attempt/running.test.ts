import { assert } from "@effect/vitest"
import { DateTime, Effect, Option, Queue, Schema } from "effect"
import { NextStep, Step, Task } from "../../src/index.ts"
import { Job, jobs, makeGate, start, workerTests } from "../support/worker/Fixture.ts"
import { empty, gone, rows, rowWhere, run } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

class Count extends Schema.TaggedClass<Count>()("Count", { n: Schema.Number, to: Schema.Number }) {}

class Report extends Schema.TaggedClass<Report>()("Report", {
  at: Schema.DateTimeUtcFromString,
  by: Schema.Option(Schema.String)
}) {}

const midnight = DateTime.makeUnsafe("2030-01-01T00:00:00Z")

workerTests("running", (test) => {
  test(
    "goes from state to state, until the row is gone",
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const count = Step.make(Count, {
        next: [Count, Report],
        handler: ({ n, to }) =>
          Effect.sync(() => {
            seen.push(n)
            return n < to ? NextStep.now(new Count({ n: n + 1, to })) : NextStep.now(last)
          })
      })
      const last = new Report({ at: midnight, by: Option.some("me") })
      const report = Step.make(Report, { handler: (state) => Effect.sync(() => (seen.push(state), NextStep.none)) })
      const Counter = Task.make("Counter", [count, report])
      yield* start({ tasks: [Counter] })
      yield* gone(yield* Counter.enqueue(new Count({ n: 1, to: 30 })))
      assert.deepStrictEqual(seen, [...Array.from({ length: 30 }, (_, n) => n + 1), last])
      assert.instanceOf(seen.at(-1), Report)
    })
  )

  test(
    "runs as many steps at a time as it may, and no more",
    Effect.gen(function*() {
      const gate = yield* makeGate
      let running = 0
      let most = 0
      const Jobs = jobs(({ name }) => {
        most = Math.max(most, ++running)
        return Effect.as(Effect.tap(gate.enter(name), () => Effect.sync(() => running--)), NextStep.none)
      })
      yield* start({ tasks: [Jobs], concurrency: 3 })
      yield* Jobs.enqueueAll(Array.from({ length: 30 }, (_, n) => new Job({ name: `${n}` })))
      for (let n = 0; n < 3; n++) yield* gate.next
      yield* gate.open
      yield* empty
      assert.strictEqual(most, 3)
      assert.strictEqual(yield* gate.unseen, 27)
    })
  )

  test(
    "runs different tasks side by side, and those of others not at all",
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<string>()
      const task = <const N extends string>(name: N) =>
        Task.make(name, [
          Step.make(Job, { handler: (job) => Effect.as(Queue.offer(seen, `${name} ${job.name}`), NextStep.none) })
        ])
      const [One, Two, Other] = [task("One"), task("Two"), task("Other")]
      const other = yield* Other.enqueue(new Job({ name: "c" }))
      yield* Effect.all([One.enqueue(new Job({ name: "a" })), Two.enqueue(new Job({ name: "b" }))])
      yield* start({ tasks: [One, Two] })
      assert.deepStrictEqual((yield* within(Queue.takeN(seen, 2), "both")).sort(), ["One a", "Two b"])
      const left = yield* rowWhere(other, () => true)
      assert.deepInclude(left, { status: "ready", tried: 0, error: null, crashes: 0, token: null })
    })
  )

  test(
    "tells a handler which task, which step and which attempt it is",
    Effect.gen(function*() {
      const seen: Array<typeof Step.Context.Service> = []
      const Jobs = jobs(({ name }) =>
        Effect.gen(function*() {
          const context = yield* Step.Context
          seen.push(context)
          if (context.attempt < 3) return yield* Effect.fail("again")
          return name === "first" ? NextStep.now(new Job({ name: "second" })) : NextStep.none
        }), { retryLimit: 5, retryDelay: "10 millis" })
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "first" }))
      yield* gone(id)
      assert.deepStrictEqual(seen.map(({ attempt }) => attempt), [1, 2, 3, 1, 2, 3])
      for (const context of seen) assert.deepInclude(context, { id, task: "Jobs", step: "Job" })
      const keys = seen.map(({ idempotencyKey }) => idempotencyKey)
      assert.strictEqual(new Set(keys.slice(0, 3)).size, 1)
      assert.strictEqual(new Set(keys.slice(3)).size, 1)
      assert.strictEqual(new Set(keys).size, 2)
    })
  )

  test(
    "gives each attempt a scope that closes when it ends, before the next step begins",
    Effect.gen(function*() {
      const seen: Array<string> = []
      const Jobs = jobs(({ name }) =>
        Effect.gen(function*() {
          seen.push(`begin ${name}`)
          yield* Effect.addFinalizer((exit) => Effect.sync(() => seen.push(`${exit._tag} ${name}`)))
          const { attempt } = yield* Step.Context
          if (attempt === 1) return yield* Effect.fail("again")
          return name === "a" ? NextStep.now(new Job({ name: "b" })) : NextStep.none
        }), { retryLimit: 1, retryDelay: "10 millis" })
      yield* start({ tasks: [Jobs] })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.deepStrictEqual(seen, [
        "begin a",
        "Failure a",
        "begin a",
        "Success a",
        "begin b",
        "Failure b",
        "begin b",
        "Success b"
      ])
    })
  )
})

workerTests("scheduling", (test) => {
  const hour = 3_600_000

  test(
    "`NextStep.delay` waits so long, and `NextStep.at` until that moment",
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<string>()
      const Jobs = jobs(({ name }) =>
        Effect.as(
          Queue.offer(seen, name),
          name === "delay" ?
            NextStep.delay(new Job({ name: "delayed" }), "1 hour")
            : name === "at" ?
            NextStep.at(new Job({ name: "scheduled" }), midnight)
            : NextStep.none
        )
      )
      yield* start({ tasks: [Jobs], pollInterval: "1 hour" })
      const [delay, at] = yield* Jobs.enqueueAll([new Job({ name: "delay" }), new Job({ name: "at" })])
      const delayed = yield* rowWhere(delay!, ({ status }) => status === "scheduled")
      assert.strictEqual(delayed.delay, hour)
      assert.include(delayed.step, "delayed")
      const scheduled = yield* rowWhere(at!, ({ status }) => status === "scheduled")
      assert.include(scheduled.step, "scheduled")
      const [moment] = yield* run("select wakeup_at = '2030-01-01T00:00:00Z' as same from pg_task where id = $1", [at])
      assert.isTrue(moment!["same"])
      yield* run("update pg_task set wakeup_at = now()")
      yield* empty
      const all = yield* Queue.takeAll(seen)
      assert.sameMembers(all.slice(0, 2), ["delay", "at"])
      assert.sameMembers(all.slice(2), ["delayed", "scheduled"])
    })
  )

  test(
    "sleeps until the next task is due, however rarely it polls",
    Effect.gen(function*() {
      const early: Array<string> = []
      const Jobs = jobs(({ name }) =>
        Effect.gen(function*() {
          const { id } = yield* Step.Context
          const due = yield* run("select 1 from pg_task where id = $1 and wakeup_at <= clock_timestamp()", [id])
          if (due.length === 0) early.push(name)
          return name === "again" ? NextStep.delay(new Job({ name: "last" }), "200 millis") : NextStep.none
        })
      )
      const soon = DateTime.makeUnsafe(Date.now() + 500)
      yield* Jobs.delay(new Job({ name: "before it starts" }), "300 millis")
      yield* start({ tasks: [Jobs], pollInterval: "1 hour" })
      yield* Jobs.delay(new Job({ name: "delay" }), "400 millis")
      yield* Jobs.delay(new Job({ name: "again" }), "100 millis")
      yield* Jobs.schedule(new Job({ name: "schedule" }), soon)
      yield* Jobs.schedule(new Job({ name: "past" }), DateTime.makeUnsafe(0))
      yield* empty
      assert.deepStrictEqual(early, [])
    })
  )

  test(
    "wakes for what it has put off itself",
    Effect.gen(function*() {
      const Jobs = jobs(({ name }) =>
        Effect.succeed(name === "a" ? NextStep.delay(new Job({ name: "b" }), "100 millis") : NextStep.none)
      )
      yield* start({ tasks: [Jobs], pollInterval: "1 hour" })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
    })
  )

  test(
    "takes what is due in the order in which it became due, whatever the task",
    Effect.gen(function*() {
      const seen: Array<number> = []
      const task = <const N extends string>(name: N) =>
        Task.make(name, [
          Step.make(Count, { handler: ({ n }) => Effect.sync(() => (seen.push(n), NextStep.none)) })
        ])
      const tasks = [task("One"), task("Two"), task("Three")] as const
      const numbers = Array.from({ length: 90 }, (_, n) => (n * 37) % 90)
      for (const n of numbers) yield* tasks[n % 3]!.schedule(new Count({ n, to: 0 }), DateTime.makeUnsafe(n * 1000))
      yield* start({ tasks, concurrency: 1 })
      yield* empty
      assert.deepStrictEqual(seen, Array.from({ length: 90 }, (_, n) => n))
    })
  )

  test(
    "leaves a task alone that is due later",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* Jobs.delay(new Job({ name: "later" }), "1 hour")
      yield* start({ tasks: [Jobs], pollInterval: "10 millis" })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "now" })))
      const [later] = yield* rows
      assert.deepInclude(later, { status: "scheduled", transitions: 0, token: null })
    })
  )
})
