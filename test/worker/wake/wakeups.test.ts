import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Context, Effect, Queue, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { NextStep } from "../../../src/index.ts"
import { Job, jobs, start, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { empty, gone, insert, listening, parked, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const none = () => Effect.succeed(NextStep.none)

/** A client whose `listen` is another one. */
const withListen = <A, E, R>(effect: Effect.Effect<A, E, R>, listen: PgClient.PgClient["listen"]) =>
  Effect.gen(function*() {
    const client = yield* PgClient.PgClient
    const other = new Proxy(client, {
      get: (target, key) => (key === "listen" ? listen : Reflect.get(target, key))
    })
    return yield* Effect.provideService(effect, PgClient.PgClient, other)
  })

/** A transaction's notifications, or a statement's, are delivered once it is committed: so the worker polls or not. */
const unheard = (statement: string) =>
  Effect.gen(function*() {
    yield* run("alter table pg_task disable trigger user")
    yield* run(statement)
    yield* run("alter table pg_task enable trigger user")
  })

workerTests("a worker that polls once an hour", (test) => {
  const sleeper = Effect.gen(function*() {
    yield* start({ tasks: [jobs(none)], pollInterval: "1 hour" })
    yield* listening(1)
    // It has looked, found nothing, and sleeps.
    yield* gone(yield* insert(`{"Jobs":{"Job":{"name":"first"}}}`))
  })

  test(
    "runs at once what is enqueued",
    Effect.gen(function*() {
      yield* sleeper
      const Jobs = jobs(none)
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      for (const id of yield* Jobs.enqueueAll([new Job({ name: "b" }), new Job({ name: "c" })])) yield* gone(id)
      yield* gone(yield* Jobs.delay(new Job({ name: "d" }), "100 millis"))
    })
  )

  test(
    "runs at once what many enqueue at the same time, though most of them don't notify by themselves",
    Effect.gen(function*() {
      yield* sleeper
      const Jobs = jobs(none)
      const all = Array.from({ length: 64 }, (_, n) => Jobs.enqueue(new Job({ name: String(n) })))
      for (const id of yield* Effect.all(all, { concurrency: "unbounded" })) yield* gone(id)
    })
  )

  test(
    "runs at once what anybody inserts",
    Effect.gen(function*() {
      yield* sleeper
      yield* gone(yield* insert(`{"Jobs":{"Job":{"name":"a"}}}`))
    })
  )

  test(
    "runs at once what is moved forward to now, or to soon",
    Effect.gen(function*() {
      const Jobs = jobs(none)
      const now = yield* Jobs.delay(new Job({ name: "a" }), "1 hour")
      const soon = yield* Jobs.delay(new Job({ name: "b" }), "1 hour")
      yield* sleeper
      yield* run("update pg_task set wakeup_at = now() where id = $1::uuid", [now])
      yield* gone(now)
      yield* run("update pg_task set wakeup_at = now() + interval '100 milliseconds' where id = $1::uuid", [soon])
      yield* gone(soon)
    })
  )

  test(
    "runs at once a row whose error is cleared",
    Effect.gen(function*() {
      const id = yield* insert(`{"Jobs":{"Job":{"name":"a"}}}`)
      yield* run("update pg_task set error = 'broken'")
      yield* sleeper
      yield* run("update pg_task set error = null")
      yield* gone(id)
    })
  )
})

workerTests("notifications", (test) => {
  /** What is sent while an effect runs. */
  const sentBy = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.scoped(Effect.gen(function*() {
      const client = yield* PgClient.PgClient
      const heard = yield* client.listen("pg_task_changed")
      yield* effect
      yield* client.notify("pg_task_changed", "the end")
      const sent: Array<string> = []
      for (;;) {
        const { payload } = yield* within(Queue.take(heard), "a notification")
        if (payload === "the end") return sent
        sent.push(payload)
      }
    }))

  test(
    "tell of what becomes ready, and of nothing else",
    Effect.gen(function*() {
      const Jobs = jobs(none)
      const id = yield* Jobs.delay(new Job({ name: "a" }), "1 hour")
      const update = (set: string) => run(`update pg_task set ${set} where id = $1::uuid`, [id])
      const told: ReadonlyArray<Effect.Effect<unknown, unknown, SqlClient.SqlClient>> = [
        Jobs.enqueue(new Job({ name: "b" })),
        Jobs.enqueueAll(Array.from({ length: 100 }, () => new Job({ name: "c" }))),
        run(`insert into pg_task (step) select 'x' from generate_series(1, 100)`),
        update("wakeup_at = wakeup_at - interval '1 minute'"),
        Effect.andThen(update("error = 'broken'"), update("error = null"))
      ]
      for (const effect of told) assert.deepStrictEqual(yield* sentBy(effect), [""])
      const untold = [
        update("wakeup_at = wakeup_at + interval '1 minute'"),
        update("tried = 1, step = 'y'"),
        update("error = 'broken'"),
        update("error = 'still broken', wakeup_at = now()"),
        run("delete from pg_task")
      ]
      for (const effect of untold) assert.deepStrictEqual(yield* sentBy(effect), [])
    })
  )

  test(
    "are not sent by a worker's own transitions",
    Effect.gen(function*() {
      const Jobs = jobs((job) =>
        Effect.suspend((): Effect.Effect<NextStep.NextStep<Job>, string> => {
          if (job.name === "") return Effect.fail("the end")
          const next = new Job({ name: job.name.slice(1) })
          return Effect.succeed(job.name.length % 2 === 0 ? NextStep.now(next) : NextStep.delay(next, 1))
        }), { retryLimit: 1, retryDelay: "10 millis" })
      const sent = yield* sentBy(Effect.gen(function*() {
        yield* start({ tasks: [Jobs], pollInterval: "1 hour" })
        assert.strictEqual((yield* parked(yield* Jobs.enqueue(new Job({ name: "12345678" })))).tried, 2)
      }))
      assert.deepStrictEqual(sent.filter((payload) => !payload.startsWith("probe ")), [""])
    })
  )
})

workerTests("without notifications", (test) => {
  const work = Effect.gen(function*() {
    const Jobs = jobs(none)
    yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
    const id = yield* Jobs.enqueue(new Job({ name: "b" }))
    yield* gone(id)
    const broken = yield* insert("broken")
    yield* parked(broken)
  })

  test(
    "a worker polls at least once a second when there is no PgClient, only a SqlClient",
    Effect.gen(function*() {
      const logs = Logs.capture()
      yield* start({ tasks: [jobs(none)], pollInterval: "1 hour" }).pipe(
        Effect.updateContext((context: Context.Context<PgClient.PgClient | Scope.Scope>) =>
          Context.omit(PgClient.PgClient)(context) as never
        ),
        Effect.provide(logs.layer)
      )
      yield* work
      assert.deepStrictEqual(
        yield* run(
          "select 1 from pg_stat_activity where datname = current_database()"
            + " and query ilike 'listen%'"
        ),
        []
      )
      assert.deepStrictEqual(logs.find("Not listening"), [])
    })
  )

  test(
    "a worker polls all the same when LISTEN succeeds but nothing comes through, and says so once",
    Effect.gen(function*() {
      const client = yield* PgClient.PgClient
      const heard = yield* client.listen("pg_task_changed")
      const logs = Logs.capture()
      yield* withListen(start({ tasks: [jobs(none)], pollInterval: "100 millis" }), () => Queue.unbounded()).pipe(
        Effect.provide(logs.layer)
      )
      assert.include(yield* logs.line("Notifications do not come through"), { level: "Warn" })
      // Long enough to say it again: it goes on probing.
      for (let probes = 0; probes < 5;) {
        if ((yield* within(Queue.take(heard), "a probe")).payload.startsWith("probe ")) probes++
      }
      yield* work
      assert.strictEqual(logs.find("Notifications do not come through").length, 1)
    })
  )

  test(
    "a worker whose poll interval is long polls once a second, once it knows that nothing comes through",
    Effect.gen(function*() {
      const logs = Logs.capture()
      const client = yield* PgClient.PgClient
      const heard = yield* client.listen("pg_task_changed")
      yield* withListen(start({ tasks: [jobs(none)], pollInterval: "3 seconds" }), () => Queue.unbounded()).pipe(
        Effect.provide(logs.layer)
      )
      // The probe that doesn't come back.
      yield* within(
        Effect.repeat(Queue.take(heard), { until: ({ payload }) => payload.startsWith("probe ") }),
        "a probe"
      )
      yield* work
    })
  )

  test(
    "a worker doesn't rely on a connection that has never shown that it hears",
    Effect.gen(function*() {
      const asked = yield* Queue.unbounded<string>()
      const listen = (channel: string) =>
        Effect.as(Queue.offer(asked, channel), Queue.unbounded<never>()).pipe(Effect.flatten)
      yield* withListen(start({ tasks: [jobs(none)], pollInterval: "1 hour" }), listen)
      yield* within(Queue.take(asked), "LISTEN")
      yield* work
    })
  )

  test(
    "a worker polls while LISTEN fails, says so once, and hears again when it works",
    Effect.gen(function*() {
      const client = yield* PgClient.PgClient
      const logs = Logs.capture()
      let refused = true
      let tries = 0
      const refusal = new SqlError({
        reason: new ConnectionError({ cause: new Error("no listeners here"), message: "refused", operation: "listen" })
      })
      const listen = (channel: string) =>
        Effect.suspend(() => (tries++, refused ? Effect.fail(refusal) : client.listen(channel)))
      yield* Effect.provide(withListen(start({ tasks: [jobs(none)], pollInterval: "1 hour" }), listen), logs.layer)
      yield* work
      yield* eventually(Effect.sync(() => tries), (count) => count >= 3)
      assert.include((yield* logs.line("Not listening")).message, "no listeners here")
      assert.strictEqual(logs.find("Not listening").length, 1)
      refused = false
      yield* listening(1)
      yield* work
    })
  )

  test(
    "a worker finds by its poll what it was not told of",
    Effect.gen(function*() {
      yield* start({ tasks: [jobs(none)], pollInterval: "300 millis" })
      yield* listening(1)
      const Jobs = jobs(none)
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      yield* unheard(`insert into pg_task (step) values ('{"Jobs":{"Job":{"name":"b"}}}')`)
      yield* empty
      const later = yield* Jobs.delay(new Job({ name: "c" }), "1 hour")
      yield* rowWhere(later, ({ status }) => status === "scheduled")
      yield* unheard("update pg_task set wakeup_at = now()")
      yield* gone(later)
    })
  )
})
