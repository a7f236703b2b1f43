// Tasks with the same keys, enqueued at the same time.
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import { rows, run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"
import { client, patient } from "../support/database/Database.ts"

class Build extends Schema.TaggedClass<Build>()("Build", { n: Schema.Number }) {}

const Report = Task.make("Report", [Step.make(Build, { handler: () => Effect.succeed(NextStep.none) })])
const build = (n: number) => new Build({ n })
const textOf = (n: number) => `{"Report":{"Build":{"n":${n}}}}`

const numbers = Array.from({ length: 64 }, (_, n) => n)

/** Waits until this many sessions wait for another one's lock. */
const waiting = (sessions: number) =>
  eventually(
    run("select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"),
    (found) => found.length === sessions
  )

/** Runs on a client with a connection for each of them. */
const withConnections = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.flatMap(urlOfTest, (url) => Effect.provide(effect, client(url, { maxConnections: 64, ...patient })))

workerTests("64 at the same time with one key", (test) => {
  test(
    "store one row, and all get its id",
    withConnections(Effect.gen(function*() {
      const enqueue = (n: number) => Report.enqueue(build(n), { key: "may" })
      const all = yield* Effect.forEach(numbers, enqueue, { concurrency: "unbounded" })
      const stored = yield* rows
      assert.strictEqual(stored.length, 1)
      assert.deepStrictEqual(new Set(all.map(({ id }) => id as string)), new Set([stored[0]!.id]))
      assert.strictEqual(all.filter(({ created }) => created).length, 1)
    }))
  )

  test(
    "do so though many roll back",
    withConnections(Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const enqueue = (n: number, key: string) =>
        n % 3 === 0
          ? Effect.map(Report.enqueueAll([build(n), build(n)], { key: () => key }), ([first]) => first!.id)
          : Effect.map(Report.enqueue(build(n), { key }), ({ id }) => id)
      for (let round = 0; round < 10; round++) {
        const outcomes = yield* Effect.forEach(numbers, (n) =>
          enqueue(n, `${round}`).pipe(
            Effect.filterOrFail(() => (n * 7 + round) % 4 !== 0),
            sql.withTransaction,
            Effect.option
          ), { concurrency: "unbounded" })
        const ids = new Set(outcomes.flatMap((outcome) => outcome._tag === "Some" ? [outcome.value] : []))
        const stored = yield* run<{ id: string }>("select id from pg_task where key = $1", [`${round}`])
        assert.deepStrictEqual<ReadonlyArray<string>>([...ids], stored.map(({ id }) => id))
      }
    }))
  )

  test(
    "store many keys once each, in any order",
    withConnections(Effect.gen(function*() {
      const states = numbers.map(build)
      const all = yield* Effect.forEach(
        numbers.slice(0, 16),
        (n) => Report.enqueueAll(n % 2 === 0 ? states : states.toReversed(), { key: ({ n }) => `${n}` }),
        {
          concurrency: "unbounded"
        }
      )
      assert.strictEqual((yield* rows).length, 64)
      assert.strictEqual(new Set(all.flat().map(({ id }) => id)).size, 64)
      assert.strictEqual(all.flat().filter(({ created }) => created).length, 64)
    }))
  )
})

workerTests("a key that another transaction is about to take", (test) => {
  const insert = `insert into pg_task (step, key) values ('${textOf(1)}', 'may')`

  test(
    "is taken if it commits",
    Effect.gen(function*() {
      const commit = yield* holding(insert)
      const enqueueing = yield* Effect.forkScoped(Report.enqueue(build(2), { key: "may" }))
      yield* waiting(1)
      yield* commit
      assert.isFalse((yield* Fiber.join(enqueueing)).created)
      assert.deepStrictEqual((yield* rows).map(({ step }) => step), [textOf(1)])
    })
  )

  test(
    "is free if it rolls back",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const isWaiting = yield* Deferred.make<void>()
      const rolledBack = yield* run(insert).pipe(
        Effect.andThen(Deferred.await(isWaiting)),
        Effect.andThen(Effect.fail("rolled back")),
        sql.withTransaction,
        Effect.exit,
        Effect.forkScoped
      )
      yield* eventually(
        run("select 1 from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"),
        (found) => found.length === 1
      )
      const enqueueing = yield* Effect.forkScoped(Report.enqueueAll([build(2)], { key: () => "may" }))
      yield* waiting(1)
      yield* Deferred.succeed(isWaiting, undefined)
      yield* Fiber.join(rolledBack)
      assert.isTrue((yield* Fiber.join(enqueueing))[0]!.created)
      assert.deepStrictEqual((yield* rows).map(({ step }) => step), [textOf(2)])
    })
  )

  test(
    "makes a repeatable read fail, as everything does there that meets newer rows",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const refused = yield* Effect.flip(sql.withTransaction(Effect.gen(function*() {
        yield* run("set transaction isolation level repeatable read")
        yield* rows
        yield* Effect.provide(Report.enqueue(build(1), { key: "may" }), client(yield* urlOfTest))
        yield* Report.enqueue(build(2), { key: "may" })
      })))
      assert.match(
        String((refused as { readonly reason: { readonly cause: { readonly code: string } } }).reason.cause.code),
        /40001/
      )
      assert.deepStrictEqual((yield* rows).map(({ step }) => step), [textOf(1)])
    })
  )

  test(
    "says so if its row can't be seen",
    Effect.gen(function*() {
      yield* Report.enqueue(build(1), { key: "may" })
      yield* run(`create or replace function no_insert() returns trigger language plpgsql as 'begin return null; end'`)
      yield* run("create trigger hidden before insert on pg_task for each row execute function no_insert()")
      yield* Effect.addFinalizer(() => Effect.orDie(run("drop trigger hidden on pg_task")))
      const error = yield* Effect.flip(Report.enqueue(build(2), { key: "june" }))
      assert.deepInclude(error, { _tag: "TaskTableError", reason: "PermissionDenied" })
      assert.match(error.message, /the key "june" is taken by a row that this role can't read/)
    })
  )
})

/** Counts the notifications since the last time. */
const notifications = Effect.gen(function*() {
  const { listen } = yield* PgClient.PgClient
  const heard = yield* listen("pg_task_changed")
  return Effect.gen(function*() {
    yield* run("select pg_notify('pg_task_changed', 'mark')")
    for (let n = 0;; n++) {
      if ((yield* within(Queue.take(heard), "no mark")).payload === "mark") return n
    }
  })
})

workerTests("notifications of tasks with keys", (test) => {
  test(
    "come for new ones, and for no others",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const sent = yield* notifications
      const enqueue = Report.enqueue(build(1), { key: "may" })
      yield* enqueue
      assert.strictEqual(yield* sent, 1)
      yield* enqueue
      yield* sql.withTransaction(enqueue)
      yield* Report.enqueueAll([build(1)], { key: () => "may" })
      yield* Effect.all(Array.from({ length: 20 }, () => enqueue), { concurrency: "unbounded" })
      assert.strictEqual(yield* sent, 0)
      yield* sql.withTransaction(Report.enqueue(build(1), { key: "june" }))
      yield* Report.enqueueAll([build(1)], { key: () => "july" })
      assert.strictEqual(yield* sent, 2)
    })
  )
})
