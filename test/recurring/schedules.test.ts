/** Schedules that people have paused, ticks that begin later, and what the metric says of ticks. */
import { assert } from "@effect/vitest"
import { DateTime, Effect, type Metric, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { Metrics, NextStep, Recurring, Schedules, Step, Task } from "../../src/index.ts"
import * as Series from "../support/telemetry/Series.ts"
import { closed, start, startApart, workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

class Build extends Schema.TaggedClass<Build>()("Build", {}) {}

const Report = Task.make("Report", [Step.make(Build, { handler: () => Effect.succeed(NextStep.none) })])
const Stuck = Task.make("Stuck", [Step.make(Build, { handler: () => Effect.never })])
const state = () => new Build()
const yearly = "0 0 1 1 *"

/** Waits until the first schedule looks as expected. */
const firstWhere = (holds: (schedule: Schedules.Schedule) => boolean) =>
  Effect.map(eventually(Schedules.list, ([first]) => first !== undefined && holds(first)), ([first]) => first!)

workerTests("a schedule that is paused", (test) => {
  test(
    "stays so when a deploy gives it another time, and goes on with that",
    Effect.gen(function*() {
      const deploy = (version: number, cron: string) =>
        Effect.gen(function*() {
          const Nightly = Recurring.make("nightly", { cron, version, task: Report, state })
          const apart = yield* startApart({ tasks: [Report, Nightly] })
          yield* firstWhere((found) => found.cron === cron)
          yield* closed(apart)
        })
      yield* deploy(1, yearly)
      yield* Schedules.pause("nightly")
      yield* deploy(2, "0 0 1 7 *")
      assert.isTrue((yield* Schedules.list)[0]!.paused)
      yield* Schedules.resume("nightly")
      const { next, paused } = (yield* Schedules.list)[0]!
      assert.deepStrictEqual([DateTime.formatIso(next!).slice(5), paused], ["07-01T00:00:00.000Z", false])
      const [due] = yield* run<{ same: boolean }>("select wakeup_at = $1::timestamptz as same from pg_task", [
        DateTime.formatIso(next!)
      ])
      assert.isTrue(due!.same)
    })
  )

  test(
    "stays so when its program gives it another time",
    Effect.gen(function*() {
      const Tenants = Recurring.make("tenants", { task: Report, state })
      yield* Tenants.schedule("tenant-7", { cron: yearly })
      yield* Schedules.pause("tenants", "tenant-7")
      yield* Tenants.schedule("tenant-7", { cron: "0 0 1 7 *" })
      assert.deepInclude((yield* Schedules.list)[0], { paused: true, cron: "0 0 1 7 *" })
    })
  )
})

workerTests("a schedule by SQL, as the guide says", (test) => {
  test(
    "has its first tick to come, is paused, and ticks when it is made due",
    Effect.gen(function*() {
      const page = yield* Effect.promise(() =>
        readFile(new URL("../../docs/recurring-tasks.md", import.meta.url), "utf8")
      )
      const [insert, pause, tick] = /```sql\n([^`]*)```/.exec(page)![1]!.split(";\n")
      const Nightly = Recurring.make("nightly-report", { task: Stuck, state })
      yield* run(insert!)
      yield* start({ tasks: [Stuck, Nightly], shutdownTimeout: 0 })
      const { next } = yield* firstWhere(({ next }) => next !== null)
      assert.match(DateTime.formatIso(next!), /T1[12]:00:00.000Z$/)
      yield* run(pause!)
      assert.deepInclude((yield* Schedules.list)[0], { name: "tenant-9", paused: true, last: null })
      yield* run(tick!)
      yield* firstWhere(({ last, paused }) => last !== null && !paused)
      assert.lengthOf(yield* run("select from pg_task where task = 'Stuck'"), 1)
    })
  )
})

workerTests("ticks with jitter", (test) => {
  test(
    "begin later than they are, each by another time",
    Effect.gen(function*() {
      const Tenants = Recurring.make("tenants", { task: Report, state, jitter: "1 hour" })
      for (let n = 0; n < 10; n++) yield* Tenants.schedule(`tenant-${n}`, { cron: yearly })
      const rows = yield* run<{ late: number }>(
        `select extract(epoch from wakeup_at - (step::jsonb #>> '{tenants,$schedule,next}')::timestamptz)::float8 as late
        from pg_task`
      )
      const late = rows.map(({ late }) => late)
      assert.isAtLeast(Math.min(...late), 0)
      assert.isAtMost(Math.max(...late), 3600)
      assert.strictEqual(new Set(late).size, 10)
    })
  )
})

workerTests("ticks", (test) => {
  test(
    "are counted: those that started something, and those that did not, with the reason",
    Effect.gen(function*() {
      const series = Series.capture()
      const Alone = Recurring.make("alone", { cron: yearly, task: Stuck, state })
      const Hourly = Recurring.make("hourly", { cron: "0 * * * *", task: Report, state })
      yield* Effect.provide(start({ tasks: [Stuck, Report, Alone, Hourly], shutdownTimeout: 0 }), series.layer)
      yield* eventually(Schedules.list, (found) => found.length === 2)
      yield* Schedules.runNow("alone")
      yield* series.until(Metrics.ticks, 1, { recurring: "alone", outcome: "started" })
      yield* Schedules.runNow("alone")
      yield* series.until(Metrics.ticks, 1, { recurring: "alone", outcome: "overlapped" })
      yield* run(
        `update pg_task set wakeup_at = now() - interval '3 days', step = jsonb_set(step::jsonb, '{hourly,$schedule,next}',
          to_jsonb(to_char((now() - interval '3 days') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"')))::text
        where task = 'hourly'`
      )
      yield* series.until(Metrics.ticks, 1, { recurring: "hourly", outcome: "started" })
      const missed: Metric.CounterState<number> = series.value(Metrics.ticks, {
        recurring: "hourly",
        outcome: "missed"
      })
      assert.isAtLeast(missed.count, 71)
      assert.isAtMost(missed.count, 73)
    })
  )
})
