/** Rows in states that a worker does not know wait for one that does: for the time of a rolling deploy, or for good. */
import { assert, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { Duration, Effect, Layer, Metric, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"
import { look } from "../../../src/internal/sql/look.ts"
import { Metrics, Migrations, NextStep, Step, Task } from "../../../src/index.ts"
import { client, makeDatabase } from "../../support/database/Database.ts"
import { Job, jobs, start, startApart, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import { capture } from "../../support/worker/Logs.ts"
import { empty, gone, insert, orphan, parked, row, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

class Added extends Schema.TaggedClass<Added>()("Added", {}) {}
class Renamed extends Schema.TaggedClass<Renamed>()("Renamed", {}) {}

const none = () => Effect.succeed(NextStep.none)

/** What a newer build makes of the same task: it has one more state, and has renamed another. */
const Newer = Task.make("Jobs", [
  Step.make(Job, { handler: none }),
  Step.make(Added, { handler: none }),
  Step.make(Renamed, { from: [Step.former(Schema.TaggedStruct("Old", {}), () => new Renamed())], handler: none })
])

const added = `{"Jobs":{"Added":{}}}`

const fill = (count: number) =>
  run(
    `insert into pg_task (step, wakeup_at) select $1, now() - interval '1 hour' + n * interval '1 millisecond'
    from generate_series(1, $2::int) n`,
    [added, count]
  )

workerTests("rows in unknown states", (test) => {
  test(
    "wait, untouched, for a worker that knows them",
    Effect.gen(function*() {
      const Jobs = jobs(none)
      const ids = [yield* insert(added), yield* insert(`{"Jobs":{"Renamed":{}}}`)]
      const version = run("select xmin::text, ctid::text from pg_task order by id")
      const before = yield* version
      yield* Effect.scoped(Effect.gen(function*() {
        yield* start({ tasks: [Jobs], pollInterval: "10 millis" })
        for (let n = 0; n < 5; n++) yield* gone(yield* Jobs.enqueue(new Job({ name: "busy" })))
      }))
      assert.deepStrictEqual(yield* version, before)
      assert.deepInclude(yield* row(ids[0]!), { status: "ready", tried: 0, error: null })
      yield* start({ tasks: [Newer] })
      yield* empty
    })
  )

  test(
    "are those that this task doesn't have: another task of the worker may have one of the same name",
    Effect.gen(function*() {
      const Others = Task.make("Others", [Step.make(Added, { handler: none })])
      const Third = Task.make("Third", [Step.make(Renamed, { handler: none })])
      const waiting = yield* insert(added)
      const due = [yield* insert(`{"Others":{"Added":{}}}`), yield* insert(`{"Third":{"Renamed":{}}}`)]
      yield* start({ tasks: [jobs(none), Others, Third] })
      for (const id of due) yield* gone(id)
      yield* gone(yield* Others.enqueue(new Added()))
      assert.deepInclude(yield* row(waiting), { status: "ready", tried: 0, error: null })
    })
  )

  test(
    "stay in quarantine if their worker crashed, and former ones don't",
    Effect.gen(function*() {
      const waiting = yield* insert(added)
      const former = yield* insert(`{"Jobs":{"Old":{}}}`)
      for (const id of [waiting, former]) yield* orphan(id, -1000)
      const Former = Task.make("Jobs", [
        Step.make(Job, {
          from: [Step.former(Schema.TaggedStruct("Old", {}), () => new Job({ name: "" }))],
          handler: none
        })
      ])
      yield* start({ tasks: [Former], lease: "200 millis", pollInterval: "50 millis" })
      yield* gone(former)
      yield* eventually(row(waiting), (found) => found?.crashes === 1)
      yield* gone(yield* Former.enqueue(new Job({ name: "busy" })))
      assert.deepInclude(yield* row(waiting), { status: "ready", crashes: 1, tried: 0, error: null })
    })
  )

  test(
    "are not looked for in quarantine, which malformed ones are",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const sees = (states: ReadonlyArray<string>) =>
        Effect.map(
          look(sql, {
            outlook: { tasks: [{ name: "Jobs", states }], start: undefined, horizon: 1000 },
            leases: undefined,
            chores: undefined,
            notification: undefined
          }),
          ([found]) => found!.quarantined
        )
      yield* insert(added)
      yield* run("update pg_task set crashes = 1")
      assert.deepStrictEqual([yield* sees(["Job"]), yield* sees(["Job", "Added"])], [false, true])
      const malformed = yield* insert("malformed")
      yield* run("update pg_task set crashes = 1 where id = $1::uuid", [malformed])
      assert.isTrue(yield* sees(["Job"]))
    })
  )

  test(
    "are told of once, with a warning for each state, and by a gauge",
    Effect.gen(function*() {
      const logs = capture()
      const gauge = Effect.map(
        Metric.value(Metric.withAttributes(Metrics.unknownStates, { task: "Jobs", step: "Added" })),
        ({ value }) => value
      )
      yield* fill(3)
      yield* insert(`{"Jobs":{"Renamed":{}}}`)
      yield* insert(`{"Foreign":{"A":{}}}`)
      yield* Effect.provide(start({ tasks: [jobs(none)], pollInterval: "500 millis" }), logs.layer)
      const { annotations, level } = yield* logs.line(`wait in the state "Added"`)
      assert.strictEqual(level, "Warn")
      assert.deepInclude(annotations, { task: "Jobs", step: "Added", count: 3 })
      yield* logs.line(`wait in the state "Renamed"`)
      yield* eventually(gauge, (count) => count === 3)
      yield* fill(2)
      yield* eventually(gauge, (count) => count === 5)
      yield* run("delete from pg_task where state = 'Added'")
      yield* eventually(gauge, (count) => count === 0)
      assert.lengthOf(logs.find("which this worker does not know"), 2)
    })
  )

  test(
    "keep nobody awake: a worker with nothing else to do sleeps",
    Effect.gen(function*() {
      yield* fill(100)
      const { config } = yield* PgClient.PgClient
      const named = PgClient.layer({ ...config, applicationName: "unknowing" })
      const Jobs = jobs(none)
      yield* Effect.provide(start({ tasks: [Jobs], pollInterval: "1 hour" }), yield* Layer.build(named))
      yield* gone(yield* Jobs.enqueue(new Job({ name: "busy" })))
      const lastStatement = run<{ at: string }>(
        "select max(query_start)::text as at from pg_stat_activity where application_name = 'unknowing'"
      )
      const secondOfSilence = Effect.gen(function*() {
        const before = yield* lastStatement
        yield* Effect.sleep(1000)
        return before[0]!.at === (yield* lastStatement)[0]!.at
      })
      yield* eventually(secondOfSilence, (silent) => silent)
    })
  )

  test(
    "are not read at each notification, however many are in front",
    Effect.gen(function*() {
      const [unknown, notifications] = [100_000, 20]
      yield* fill(unknown)
      const url = yield* urlOfTest
      yield* Effect.scoped(Effect.gen(function*() {
        const worker = yield* startWith(url, { tasks: [jobs(none)] })
        for (let n = 0; n < notifications; n++) {
          // Two claims: the first may have begun before.
          for (let claims = 0; claims < 2; claims++) {
            const seenAt = performance.now()
            yield* insert(added)
            yield* eventually(
              worker.health,
              ({ lastClaim }) => Option.exists(lastClaim, (ago) => Duration.toMillis(ago) < performance.now() - seenAt)
            )
          }
        }
      }))
      const [found] = yield* run<{ read: number }>(
        "select idx_tup_read::float8 as read from pg_stat_user_indexes where indexrelname = 'pg_task_open_idx'"
      )
      // Each of them takes a claim, and usually a look for what is next. A busy machine has time for more looks at
      // everything, but never for one each time.
      assert.isBelow(found!.read, notifications * unknown)
    })
  )

  test(
    "are taken by the first worker that knows them, also if it comes to a worker that doesn't",
    Effect.gen(function*() {
      yield* fill(500)
      yield* startApart({ tasks: [jobs(none)] })
      yield* start({ tasks: [Newer] })
      yield* empty
    })
  )
})

/** A database of this encoding, in the place of one of the usual kind. */
const recoded = (name: string, encoding: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`drop database ${sql(name)}`.raw
    yield* sql.unsafe(
      `create database "${name}" template template0 encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`
    )
  }).pipe(Effect.provide(client(inject("databaseUrl"), { maxConnections: 1 })))

for (const encoding of ["LATIN1", "SQL_ASCII"]) {
  it.live(`a worker runs states of any name in a database in ${encoding}`, () =>
    Effect.gen(function*() {
      const { name, url } = yield* makeDatabase
      yield* recoded(name, encoding)
      yield* Effect.gen(function*() {
        yield* Migrations.run
        const Plain = Task.make("Plain", [Step.make(Added, { handler: none })])
        const Money = Task.make("Money", [
          Step.make(Schema.TaggedStruct("€", {}), { handler: none }),
          Step.make(Added, { handler: none })
        ])
        const ids = [
          yield* insert(`{"Money":{"\\u20ac":{}}}`),
          yield* insert(`{"Money":{"Added":{}}}`),
          yield* insert(`{"Plain":{"\\u0041dded":{}}}`)
        ]
        const waiting = yield* insert(`{"Plain":{"\\u20ac":{}}}`)
        const unreadable = yield* insert(`{"Money":{"Gone":{}}}`)
        yield* start({ tasks: [Plain, Money] })
        for (const id of ids) yield* gone(id)
        yield* parked(unreadable)
        assert.deepInclude(yield* row(waiting), { status: "ready", tried: 0 })
      }).pipe(Effect.scoped, Effect.provide(client(url)))
    }), 120_000)
}
