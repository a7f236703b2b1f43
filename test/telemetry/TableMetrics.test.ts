import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Exit, Layer, type Metric, Redacted, Schema, Scope } from "effect"
import { Metrics, Migrations, NextStep, Step, TableMetrics, Task } from "../../src/index.ts"
import { client, makeDatabase } from "../support/database/Database.ts"
import * as Series from "../support/telemetry/Series.ts"
import * as Spans from "../support/telemetry/Spans.ts"
import { Job, jobs, makeGate, start, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { insert, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

class Mail extends Schema.TaggedClass<Mail>()("Mail", {}) {}

const Mails = Task.make("Mails", [Step.make(Mail, { handler: () => Effect.succeed(NextStep.none) })])

const statuses = ["ready", "scheduled", "running", "parked"] as const

type Levels = Partial<Record<(typeof statuses)[number], number>>

/** What the gauge says of one task. */
const levels = (series: Series.Series, task: string): Levels =>
  Object.fromEntries(
    series.all(Metrics.tasks)
      .filter(([attributes]) => attributes["task"] === task)
      .map(([{ status }, state]) => [status, (state as Metric.GaugeState<number>).value])
  )

const say = (series: Series.Series, task: string, expected: Levels) =>
  eventually(
    Effect.sync(() => levels(series, task)),
    (found) => statuses.every((status) => (found[status] ?? -1) === (expected[status] ?? 0))
  )

const oldest = (series: Series.Series, task: string) => series.value(Metrics.oldestReadyAge, { task }).value

const watch = (layer: Layer.Layer<never>) =>
  Layer.build(Layer.provide(TableMetrics.layer({ interval: "20 millis" }), layer))

workerTests("the table's gauges", (test) => {
  test(
    "say how many tasks are ready, scheduled, running and parked",
    Effect.gen(function*() {
      const series = Series.capture()
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) =>
        name === "fails" ? Effect.fail(new Error("no")) : Effect.as(gate.enter(name), NextStep.none)
      )
      yield* Mails.enqueueAll([new Mail(), new Mail()])
      yield* Mails.delay(new Mail(), "1 hour")
      yield* Jobs.enqueueAll(["runs", "fails"].map((name) => new Job({ name })))
      yield* insert("no task at all")
      yield* watch(series.layer)
      yield* say(series, "Mails", { ready: 2, scheduled: 1 })
      yield* say(series, "", { ready: 1 })
      yield* start({ tasks: [Jobs] })
      yield* gate.next
      yield* say(series, "Jobs", { running: 1, parked: 1 })
      // The worker has parked it: nobody else would know what to do with it.
      yield* say(series, "", { parked: 1 })
      yield* say(series, "Mails", { ready: 2, scheduled: 1 })
      yield* gate.open
      yield* say(series, "Jobs", { parked: 1 })
    })
  )

  test(
    "say how many tasks hold slots of a limit, and how many wait, all of its keys together",
    Effect.gen(function*() {
      const series = Series.capture()
      const levels = (): readonly [number, number] => [
        series.value(Metrics.limitHolders, { limit: "tenant" }).value,
        series.value(Metrics.limitWaiting, { limit: "tenant" }).value
      ]
      yield* run(
        `insert into pg_task (step, limit_key, slot, slots, wakeup_at)
        select '{"Syncs":{"Sync":{"tenant":"a","name":"b"}}}', 'tenant:' || (n % 3), case when n < 3 then 1 end, 1,
          now() + case when n = 9 then 1 else -1 end * interval '1 hour'
        from generate_series(0, 9) as n`
      )
      yield* watch(series.layer)
      yield* eventually(Effect.sync(levels), ([holders, waiting]) => holders === 3 && waiting === 6)
      yield* run("delete from pg_task")
      yield* eventually(Effect.sync(levels), ([holders, waiting]) => holders === 0 && waiting === 0)
    })
  )

  test(
    "say for how long the oldest ready task has been due",
    Effect.gen(function*() {
      const series = Series.capture()
      yield* Mails.enqueueAll([new Mail(), new Mail()])
      const other = yield* jobs(() => Effect.succeed(NextStep.none)).delay(new Job({ name: "later" }), "1 hour")
      const ago = (interval: string, where: string) =>
        run(`update pg_task set wakeup_at = now() - interval '${interval}' where ${where}`)
      yield* ago("1 minute", "task = 'Mails'")
      yield* ago("1 hour", "id = (select id from pg_task where task = 'Mails' limit 1)")
      yield* watch(series.layer)
      yield* say(series, "Mails", { ready: 2 })
      assert.isAtLeast(oldest(series, "Mails"), 3_600_000)
      assert.isBelow(oldest(series, "Mails"), 3_660_000)
      assert.strictEqual(oldest(series, "Jobs"), 0)
      // Neither what waits nor what is parked is behind.
      yield* run("update pg_task set error = 'no' where wakeup_at < now() - interval '30 minutes'")
      yield* say(series, "Mails", { ready: 1, parked: 1 })
      assert.isAtLeast(oldest(series, "Mails"), 60_000)
      assert.isBelow(oldest(series, "Mails"), 600_000)
      yield* ago("1 second", `id = '${other}'`)
      yield* say(series, "Jobs", { ready: 1 })
      assert.isAtLeast(oldest(series, "Jobs"), 1000)
    })
  )

  test(
    "go to 0 when a task's last row is gone, and come back",
    Effect.gen(function*() {
      const series = Series.capture()
      yield* Mails.enqueue(new Mail())
      yield* watch(series.layer)
      yield* say(series, "Mails", { ready: 1 })
      yield* run("delete from pg_task")
      yield* say(series, "Mails", {})
      assert.strictEqual(oldest(series, "Mails"), 0)
      yield* Mails.delay(new Mail(), "1 hour")
      yield* say(series, "Mails", { scheduled: 1 })
    })
  )

  test(
    "end with their layer",
    Effect.gen(function*() {
      const series = Series.capture()
      const other = Series.capture()
      const scope = yield* Scope.make()
      yield* Scope.provide(watch(series.layer), scope)
      yield* watch(other.layer)
      yield* Mails.enqueue(new Mail())
      yield* say(series, "Mails", { ready: 1 })
      yield* say(other, "Mails", { ready: 1 })
      yield* Scope.close(scope, Exit.void)
      yield* run("delete from pg_task")
      yield* say(other, "Mails", {})
      assert.deepInclude(levels(series, "Mails"), { ready: 1 })
    })
  )

  test(
    "make no spans, whoever watches",
    Effect.gen(function*() {
      const series = Series.capture()
      const spans = Spans.capture()
      yield* watch(Layer.merge(series.layer, spans.layer)).pipe(
        Effect.withSpan("the program"),
        Effect.provide(spans.layer)
      )
      yield* Mails.enqueue(new Mail())
      yield* say(series, "Mails", { ready: 1 })
      assert.deepStrictEqual(spans.ended().map(({ name }) => name), ["the program"])
    })
  )
})

workerTests("the table's gauges, while there is nothing to count,", (test) => {
  const lost = "The gauges of the table keep their last values"
  const back = "The gauges of the table are back"

  test(
    "keep their values: the database is away",
    Effect.gen(function*() {
      const series = Series.capture()
      const logs = Logs.capture()
      const { config } = yield* PgClient.PgClient
      const network = yield* makeNetwork(Redacted.value(config.url!))
      yield* network.mend
      yield* Mails.enqueue(new Mail())
      const through = yield* Layer.build(client(network.url))
      yield* Effect.provide(watch(Layer.merge(series.layer, logs.layer)), through)
      yield* say(series, "Mails", { ready: 1 })
      for (const times of [1, 2]) {
        yield* network.cut
        yield* eventually(Effect.sync(() => logs.find(lost)), ({ length }) => length >= times)
        yield* run("delete from pg_task")
        assert.deepInclude(levels(series, "Mails"), { ready: 1 })
        yield* network.mend
        yield* eventually(Effect.sync(() => logs.find(back)), ({ length }) => length >= times)
        yield* say(series, "Mails", {})
        yield* Mails.enqueue(new Mail())
        yield* say(series, "Mails", { ready: 1 })
      }
      assert.deepInclude(logs.find(lost)[0], { level: "Warn" })
      assert.deepInclude(logs.find(back)[0], { level: "Info" })
    })
  )

  test(
    "wait for the table, and say what to do",
    Effect.gen(function*() {
      const series = Series.capture()
      const logs = Logs.capture()
      const { url } = yield* makeDatabase
      const database = yield* Layer.build(client(url))
      yield* Effect.gen(function*() {
        yield* watch(Layer.merge(series.layer, logs.layer))
        const { message } = yield* logs.line(lost)
        assert.include(message, "run Migrations.run")
        yield* Migrations.run
        yield* Mails.enqueue(new Mail())
        yield* say(series, "Mails", { ready: 1 })
        assert.strictEqual(logs.find(lost).length, 1)
      }).pipe(Effect.provide(database))
    })
  )
})
