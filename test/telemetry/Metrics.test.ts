import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Layer, Metric, Redacted, Schema } from "effect"
import { Metrics, NextStep, Step, Task } from "../../src/index.ts"
import { client } from "../support/database/Database.ts"
import { ofJob, outcomes } from "../support/telemetry/Outcomes.ts"
import * as Series from "../support/telemetry/Series.ts"
import { closed, Job, jobs, makeGate, start, startApart, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { empty, gone, insert, parked, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

class Other extends Schema.TaggedClass<Other>()("Other", {}) {}

const none = Effect.succeed(NextStep.none)

const urlOfTest = Effect.map(PgClient.PgClient, ({ config }) => Redacted.value(config.url!))

workerTests("steps", (test) => {
  test(
    "are counted by task, step and outcome",
    Effect.gen(function*() {
      const series = Series.capture()
      const job = Step.make(Job, {
        next: [Job, Other],
        retryLimit: 1,
        retryDelay: "10 millis",
        handler: ({ name }) =>
          name === "fails" ?
            Effect.fail(new Error("no")) :
            name === "soon" ?
            Effect.succeed(NextStep.delay(new Other(), "1 milli")) :
            Effect.succeed(NextStep.now(new Job({ name: "soon" })))
      })
      const Jobs = Task.make("Jobs", [job, Step.make(Other, { handler: () => none })])
      yield* Effect.provide(start({ tasks: [Jobs] }), series.layer)
      const ids = yield* Jobs.enqueueAll(["now", "now", "now"].map((name) => new Job({ name })))
      for (const id of ids) yield* gone(id)
      yield* parked(yield* Jobs.enqueue(new Job({ name: "fails" })))
      yield* parked(yield* insert(`{"Jobs":{"Job":{"name":1}}}`))
      yield* parked(yield* insert(`{"Jobs":"Job"}`))
      assert.deepStrictEqual(outcomes(series), { continued: 3, rescheduled: 3, retried: 1, parked: 1 })
      assert.deepStrictEqual(outcomes(series, { task: "Jobs", step: "Other" }), { finished: 3 })
      // What a broken row calls itself could be anything, and a new series each.
      assert.deepStrictEqual(outcomes(series, { task: "", step: "" }), { rejected: 2 })
      assert.strictEqual(series.all(Metrics.stepDuration).length, 2)
    })
  )

  test(
    "are counted as released when the worker stops, not as failures",
    Effect.gen(function*() {
      const series = Series.capture()
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const apart = yield* Effect.provide(startApart({ tasks: [Jobs], shutdownTimeout: 0 }), series.layer)
      yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* series.until(Metrics.running, 1)
      yield* closed(apart)
      assert.deepStrictEqual(outcomes(series), { released: 1 })
      assert.deepStrictEqual(series.value(Metrics.running), { value: 0 })
    })
  )

  test(
    "are timed: how long they took, and how long they had been due",
    Effect.gen(function*() {
      const series = Series.capture()
      const Jobs = jobs(() => Effect.as(Effect.sleep("30 millis"), NextStep.none))
      const ids = yield* Jobs.enqueueAll(["a", "b"].map((name) => new Job({ name })))
      yield* run("update pg_task set wakeup_at = now() - interval '1 hour'")
      yield* Effect.provide(start({ tasks: [Jobs] }), series.layer)
      for (const id of ids) yield* gone(id)
      const duration = series.value(Metrics.stepDuration, ofJob)
      const wait = series.value(Metrics.stepWait, ofJob)
      assert.deepStrictEqual([duration.count, wait.count], [2, 2])
      // Timers may be early by a fraction of a millisecond.
      assert.isAtLeast(duration.min, 25)
      assert.isAtMost(duration.max, 30_000)
      assert.isAtLeast(wait.min, 3_600_000)
      assert.isAtMost(wait.max, 3_660_000)
      const upTo = (millis: number) => wait.buckets.find(([boundary]) => boundary === millis)?.[1]
      assert.deepStrictEqual([upTo(4 ** 10), upTo(4 ** 11)], [0, 2])
    })
  )

  test(
    "are timed when they fail, too, and transactional ones as all others",
    Effect.gen(function*() {
      const series = Series.capture()
      const Jobs = Task.make("Jobs", [
        Step.make(Job, {
          transactional: true,
          handler: ({ name }) => name === "fails" ? Effect.fail(new Error("no")) : none
        })
      ])
      yield* Effect.provide(start({ tasks: [Jobs] }), series.layer)
      yield* parked(yield* Jobs.enqueue(new Job({ name: "fails" })))
      yield* gone(yield* Jobs.enqueue(new Job({ name: "works" })))
      yield* series.until(Metrics.steps, 1, { ...ofJob, outcome: "finished" })
      assert.deepStrictEqual(outcomes(series), { parked: 1, finished: 1 })
      assert.strictEqual(series.value(Metrics.stepDuration, ofJob).count, 2)
      assert.strictEqual(series.value(Metrics.stepWait, ofJob).count, 2)
    })
  )
})

workerTests("gauges of the process", (test) => {
  test(
    "say how many steps run, and how many tasks wait for a slot, in all of its workers",
    Effect.gen(function*() {
      const series = Series.capture()
      const gate = yield* makeGate
      const handler = ({ name }: Job) => Effect.as(name === "short" ? Effect.void : gate.enter(name), NextStep.none)
      const task = (name: string) => Task.make(name, [Step.make(Job, { handler })])
      const [First, Second] = [task("First"), task("Second")]
      const first = yield* Effect.provide(startApart({ tasks: [First], concurrency: 2 }), series.layer)
      yield* Effect.provide(start({ tasks: [Second], concurrency: 3 }), series.layer)
      yield* First.enqueueAll(Array.from({ length: 2 }, () => new Job({ name: "long" })))
      yield* Second.enqueueAll(Array.from({ length: 3 }, () => new Job({ name: "long" })))
      yield* series.until(Metrics.running, 5)
      yield* gate.open
      yield* closed(first)
      yield* series.until(Metrics.running, 0)
      assert.deepStrictEqual(series.value(Metrics.buffered), { value: 0 })
    })
  )

  test(
    "are apart for workers that were given attributes of their own",
    Effect.gen(function*() {
      const series = Series.capture()
      const gate = yield* makeGate
      const handler = ({ name }: Job) => Effect.as(gate.enter(name), NextStep.none)
      const tasks = ["First", "Second"].map((name) => Task.make(name, [Step.make(Job, { handler })]))
      for (const task of tasks) {
        const attributes = Layer.succeed(Metric.CurrentMetricAttributes, { pool: task.name })
        yield* Effect.provide(start({ tasks: [task] }), Layer.merge(series.layer, attributes))
        yield* task.enqueue(new Job({ name: "a" }))
        yield* series.until(Metrics.running, 1, { pool: task.name })
      }
      yield* gate.open
      for (const { name } of tasks) {
        const attributes = { task: name, step: "Job", outcome: "finished", pool: name }
        yield* series.until(Metrics.steps, 1, attributes)
        yield* series.until(Metrics.running, 0, { pool: name })
      }
      assert.deepStrictEqual(series.all(Metrics.running).map(([attributes]) => attributes), [
        { pool: "First" },
        { pool: "Second" }
      ])
    })
  )

  test(
    "show the buffer in use while short steps come by the thousand",
    Effect.gen(function*() {
      const series = Series.capture()
      let most = 0
      const Jobs = jobs(() =>
        Effect.sync(() => {
          most = Math.max(most, series.value(Metrics.buffered).value)
          return NextStep.none
        })
      )
      yield* Jobs.enqueueAll(Array.from({ length: 3000 }, () => new Job({ name: "a" })))
      yield* Effect.provide(start({ tasks: [Jobs] }), series.layer)
      yield* empty
      assert.isAbove(most, 10)
      yield* series.until(Metrics.buffered, 0)
    })
  )
})

workerTests("batches", (test) => {
  test(
    "are measured: every outcome is in one of them",
    Effect.gen(function*() {
      const series = Series.capture()
      const Jobs = jobs(() => none)
      yield* Jobs.enqueueAll(Array.from({ length: 500 }, () => new Job({ name: "a" })))
      // Five hundred ends; and on a busy machine a worker gives back rows that have waited in its buffer for a second.
      yield* run("create table stored (at timestamptz default now())")
      yield* run(
        `create function note_stored() returns trigger language plpgsql as $$ begin
          insert into stored default values;
          return null;
        end $$`
      )
      yield* run("create trigger note_end after delete on pg_task for each row execute function note_stored()")
      yield* run(
        `create trigger note_back after update on pg_task for each row
        when (old.is_running and not new.is_running) execute function note_stored()`
      )
      yield* Effect.provide(start({ tasks: [Jobs] }), series.layer)
      yield* empty
      yield* run("drop trigger note_end on pg_task")
      yield* run("drop trigger note_back on pg_task")
      const stored = yield* run("table stored")
      const { count, max, sum } = series.value(Metrics.batchSize)
      assert.isAtLeast(stored.length, 500)
      assert.strictEqual(sum, stored.length)
      assert.isBelow(count, sum)
      assert.isAbove(max, 1)
    })
  )

  test(
    "stay small when their states are large",
    Effect.gen(function*() {
      const series = Series.capture()
      const gate = yield* makeGate
      const large = new Job({ name: "x".repeat(3_000_000) })
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.delay(large, "1 hour")))
      yield* Effect.provide(start({ tasks: [Jobs] }), series.layer)
      yield* Jobs.enqueueAll(Array.from({ length: 6 }, () => new Job({ name: "a" })))
      for (let n = 0; n < 6; n++) yield* gate.next
      yield* gate.open
      yield* eventually(run("select 1 from pg_task where transitions = 1"), (found) => found.length === 6)
      assert.isAtMost(series.value(Metrics.batchSize).max, 2)
    })
  )
})

workerTests("reconnects", (test) => {
  test(
    "are counted whenever the log says that the database is back",
    Effect.gen(function*() {
      const series = Series.capture()
      const logs = Logs.capture()
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const Jobs = jobs(() => none)
      yield* Layer.build(client(network.url)).pipe(
        Effect.flatMap((context) =>
          Effect.provide(
            start({ tasks: [Jobs], pollInterval: "50 millis" }),
            Layer.mergeAll(series.layer, logs.layer, Layer.succeedContext(context))
          )
        )
      )
      const log = (part: string) => Effect.sync(() => logs.find(part).length)
      for (const times of [1, 2]) {
        yield* network.cut
        yield* eventually(log("Database lost"), (lost) => lost >= times)
        assert.isBelow(series.value(Metrics.reconnects).count, yield* log("Database lost"))
        yield* network.mend
        yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
        yield* eventually(log("Database back"), (back) => back >= times)
        assert.strictEqual(series.value(Metrics.reconnects).count, yield* log("Database back"))
      }
    })
  )
})
