import { assert } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { NextStep, Step, Task } from "../../src/index.ts"
import { KeysLook } from "../../src/internal/worker/followUps.ts"
import { makePacedClock } from "../support/worker/Clocks.ts"
import { Job, start, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { gone, parked, rowWhere, run } from "../support/worker/Table.ts"

const prepare = Effect.gen(function*() {
  yield* run("create table if not exists note (attempt int)")
  yield* run("truncate note")
  yield* run("create sequence if not exists times")
  yield* run("alter sequence times restart")
})

const noted = Effect.map(
  run<{ attempt: number }>("select attempt from note"),
  (rows) => rows.map(({ attempt }) => attempt)
)

/** A task of one transactional step, which is parked by its first failure. */
const transactional = <R>(work: Effect.Effect<unknown, SqlError, R>) =>
  Task.make("Jobs", [
    Step.make(Job, {
      transactional: true,
      handler: () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const { attempt } = yield* Step.Context
          yield* sql`insert into note values (${attempt})`
          yield* work
          return NextStep.none
        })
    })
  ])

/** Ends the connection of the transaction that it is in. */
const suicide = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select pg_terminate_backend(pg_backend_pid())`)

/** Sequences are not rolled back. */
const theFirstTimes = <E, R>(times: number, effect: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ n: number }>`select nextval('times')::int as n`
    if (row!.n <= times) yield* effect
  })

const task = new Job({ name: "a" })

workerTests("a transactional step whose connection is lost", (test) => {
  test(
    "while it runs: it runs again, and the try doesn't count",
    Effect.gen(function*() {
      yield* prepare
      const logs = Logs.capture()
      const Jobs = transactional(theFirstTimes(2, suicide))
      yield* start({ tasks: [Jobs] }).pipe(Effect.provide(logs.layer))
      yield* gone(yield* Jobs.enqueue(task))
      assert.deepStrictEqual(yield* noted, [1])
      assert.strictEqual(logs.find("The connection was lost").length, 2)
    })
  )

  test(
    "by the step itself, every time: it counts in the end",
    Effect.gen(function*() {
      yield* prepare
      const Jobs = transactional(suicide)
      yield* start({ tasks: [Jobs] }).pipe(Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.1)))
      const row = yield* parked(yield* Jobs.enqueue(task))
      assert.deepInclude(row, { tried: 1, token: null })
      assert.deepStrictEqual(yield* noted, [])
    })
  )

  test(
    "before it begins: it waits for the database, and the try doesn't count",
    Effect.gen(function*() {
      yield* prepare
      const Jobs = transactional(Effect.void)
      const sql = yield* SqlClient.SqlClient
      let refused = 0
      const error = new SqlError({ reason: new ConnectionError({ cause: new Error("refused"), operation: "connect" }) })
      const withTransaction: typeof sql.withTransaction = (effect) =>
        Effect.suspend(() => refused++ < 12 ? Effect.fail(error) : sql.withTransaction(effect))
      const weak = new Proxy(sql, {
        get: (target, key, receiver) => key === "withTransaction" ? withTransaction : Reflect.get(target, key, receiver)
      })
      yield* start({ tasks: [Jobs] }).pipe(
        Effect.provideService(SqlClient.SqlClient, weak),
        // A transaction of the worker's own, that would be counted, too.
        Effect.provideService(KeysLook, Infinity),
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.05))
      )
      yield* gone(yield* Jobs.enqueue(task))
      assert.deepStrictEqual(yield* noted, [1])
      assert.strictEqual(refused, 13)
    })
  )

  test(
    "at its COMMIT, which fails: it runs again, and the try doesn't count",
    Effect.gen(function*() {
      yield* prepare
      yield* run(`create or replace function end_once() returns trigger language plpgsql as $$
        begin
          if nextval('times') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;
          return null;
        end $$`)
      yield* run(`create constraint trigger note_ends after insert on note deferrable initially deferred
        for each row execute function end_once()`)
      yield* Effect.addFinalizer(() => Effect.orDie(run("drop trigger note_ends on note")))
      const Jobs = transactional(Effect.void)
      yield* start({ tasks: [Jobs] })
      yield* gone(yield* Jobs.enqueue(task))
      assert.deepStrictEqual(yield* noted, [1])
    })
  )

  test(
    "at the COMMIT of a `commit`: only that runs again",
    Effect.gen(function*() {
      yield* prepare
      let runs = 0
      const commit = Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`insert into note values (1)`
        yield* theFirstTimes(1, suicide)
      })
      const Jobs = Task.make("Jobs", [
        Step.make(Job, {
          next: [Job],
          handler: ({ name }) =>
            Effect.sync(() => {
              runs++
              return name === "a" ? NextStep.delay(new Job({ name: "b" }), "1 hour", { commit }) : NextStep.none
            })
        })
      ])
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(task)
      const row = yield* rowWhere(id, ({ status }) => status === "scheduled")
      assert.deepInclude(row, { tried: 0, transitions: 1 })
      assert.deepStrictEqual(yield* noted, [1])
      assert.strictEqual(runs, 1)
    })
  )
})
