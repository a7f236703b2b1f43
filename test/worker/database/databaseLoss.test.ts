import { assert } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep } from "../../../src/index.ts"
import { client } from "../../support/database/Database.ts"
import { chains } from "../../support/worker/Chains.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import {
  closedInTime,
  Job,
  jobs,
  makeGate,
  start,
  startApart,
  startWith,
  urlOfTest,
  workerTests
} from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { empty, gone, insert, listening, row, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const none = () => Effect.succeed(NextStep.none)

/** Ends every connection to the test's database but the one that asks. */
const terminateAll = run(
  `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`
)

/** The statements of `effect` are sent on one connection, the one that {@link terminateAll} spares. */
const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(urlOfTest, (url) => Effect.provide(effect, client(url, { maxConnections: 1 })))

workerTests("when connections break", (test) => {
  test(
    "all of them, again and again: every step runs, and none runs twice",
    Effect.gen(function*() {
      const url = yield* urlOfTest
      const { Chains, enqueue, ran } = chains(40)
      const logs = Logs.capture()
      yield* alone(Effect.gen(function*() {
        yield* Effect.provide(startWith(url, { tasks: [Chains] }), logs.layer)
        yield* enqueue(50)
        for (let n = 1; n <= 5; n++) {
          yield* eventually(Effect.sync(() => ran.size), (size) => size > n * 300)
          yield* terminateAll
        }
        yield* empty
      }))
      assert.strictEqual(ran.size, 2000)
      assert.deepStrictEqual([...ran].filter(([, times]) => times > 1), [])
      assert.isAtLeast(logs.find("Database lost").length, 1)
      assert.strictEqual(logs.find("Database back").length, logs.find("Database lost").length)
      assert.deepInclude(logs.find("Database lost")[0], { level: "Warn" })
      assert.deepInclude(logs.find("Database back")[0], { level: "Info" })
      assert.deepStrictEqual(logs.find("Lease lost"), [])
    })
  )

  test(
    "the listening one: it listens anew, and misses nothing",
    Effect.gen(function*() {
      const url = yield* urlOfTest
      yield* startWith(url, { tasks: [jobs(none)], pollInterval: "1 hour" })
      yield* listening(1)
      const Jobs = jobs(none)
      for (let n = 0; n < 3; n++) {
        yield* run(
          `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and query ilike 'listen%'`
        )
        // While nobody listens, or just before, or just after.
        yield* gone(yield* Jobs.enqueue(new Job({ name: "at once" })))
        yield* listening(1)
        yield* gone(yield* Jobs.enqueue(new Job({ name: "later" })))
      }
    })
  )

  test(
    "those of a step's own statements: its failure is its own, and is retried",
    Effect.gen(function*() {
      const url = yield* urlOfTest
      const gate = yield* makeGate
      // The second attempt may get a connection, too, whose end the client has not noticed yet.
      const Jobs = jobs(({ name }) =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql.withTransaction(Effect.andThen(sql`select 1`, gate.enter(name)))
          return NextStep.none
        }), { retryLimit: 5, retryDelay: "10 millis" })
      yield* alone(Effect.gen(function*() {
        yield* startWith(url, { tasks: [Jobs] })
        const id = yield* Jobs.enqueue(new Job({ name: "a" }))
        yield* gate.next
        yield* terminateAll
        yield* gate.open
        yield* gate.next
        yield* gone(id)
      }))
    })
  )
})

workerTests("when the pool is exhausted", (test) => {
  /** Steps that each hold a connection for a while. */
  const holders = (millis: number) => {
    const ran: Array<string> = []
    const Jobs = jobs(({ name }) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        ran.push(name)
        yield* sql.withTransaction(Effect.andThen(sql`select 1`, Effect.sleep(millis)))
        return NextStep.none
      })
    )
    return { Jobs, ran }
  }

  for (const maxConnections of [1, 2]) {
    test(
      `by steps that hold a connection each, of ${maxConnections} there are: all of them run, once`,
      Effect.gen(function*() {
        const url = yield* urlOfTest
        const { Jobs, ran } = holders(20)
        const logs = Logs.capture()
        yield* Jobs.enqueueAll(Array.from({ length: 30 }, (_, n) => new Job({ name: `${n}` })))
        yield* Effect.provide(startWith(url, { tasks: [Jobs], concurrency: 5 }, { maxConnections }), logs.layer)
        yield* empty
        assert.strictEqual(ran.length, 30)
        assert.strictEqual(new Set(ran).size, 30)
        assert.strictEqual(logs.find("no connection to spare for LISTEN").length, maxConnections === 1 ? 1 : 0)
      })
    )
  }

  test(
    "for longer than a lease: the work goes on afterwards, and nothing is parked",
    Effect.gen(function*() {
      const url = yield* urlOfTest
      const { Jobs } = holders(1500)
      const ids = yield* Jobs.enqueueAll([new Job({ name: "a" }), new Job({ name: "b" })])
      yield* startWith(url, { tasks: [Jobs], lease: "1 second" }, { maxConnections: 2 })
      yield* empty
      assert.strictEqual(ids.length, 2)
    })
  )
})

workerTests("when the database can't be reached", (test) => {
  test(
    "a worker that starts waits for it",
    Effect.gen(function*() {
      const network = yield* makeNetwork(yield* urlOfTest)
      const logs = Logs.capture()
      const starting = yield* Effect.forkChild(
        Effect.provide(startWith(network.url, { tasks: [jobs(none)] }), logs.layer).pipe(
          Scope.provide(yield* Effect.scope)
        )
      )
      yield* logs.line("Database lost")
      assert.isUndefined(starting.pollUnsafe())
      const id = yield* insert(`{"Jobs":{"Job":{"name":"a"}}}`)
      yield* network.mend
      yield* within(Fiber.join(starting), "the start")
      yield* gone(id)
      yield* logs.line("Database back")
    })
  )

  test(
    "running steps go on, and what came of them is stored when it is back",
    Effect.gen(function*() {
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const gate = yield* makeGate
      const ran: Array<string> = []
      const Jobs = jobs(({ name }) =>
        Effect.gen(function*() {
          ran.push(name)
          yield* gate.enter(name)
          return name === "c" ?
            yield* Effect.fail("failed")
            : name === "b" ?
            NextStep.delay(new Job({ name: "later" }), "1 hour")
            : name === "a" ?
            NextStep.now(new Job({ name: "next" }))
            : NextStep.none
        })
      )
      const logs = Logs.capture()
      yield* Effect.provide(startWith(network.url, { tasks: [Jobs], pollInterval: "200 millis" }), logs.layer)
      const [a, b, c] = yield* Jobs.enqueueAll(["a", "b", "c"].map((name) => new Job({ name })))
      for (let n = 0; n < 3; n++) yield* gate.next
      yield* network.cut
      yield* gate.open
      yield* logs.line("Database lost")
      yield* network.mend
      yield* gone(a!)
      yield* rowWhere(b!, ({ status, transitions }) => status === "scheduled" && transitions === 1)
      yield* rowWhere(c!, ({ status, tried }) => status === "parked" && tried === 1)
      assert.deepStrictEqual(ran.sort(), ["a", "b", "c", "next"])
      assert.deepStrictEqual(logs.find("Lease lost"), [])
      yield* logs.line("Database back")
      yield* gone(yield* Jobs.enqueue(new Job({ name: "after" })))
    })
  )

  test(
    "for longer than a lease, another worker takes over, and the late results change nothing",
    Effect.gen(function*() {
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const mine = yield* makeGate
      const theirs = yield* makeGate
      const far = jobs(({ name }) =>
        Effect.as(Effect.uninterruptible(mine.enter(name)), NextStep.now(new Job({ name: "too late" })))
      )
      const near = jobs(({ name }) => Effect.as(theirs.enter(name), NextStep.none))
      const logs = Logs.capture()
      yield* Effect.provide(startWith(network.url, { tasks: [far], lease: "1500 millis" }), logs.layer)
      const id = yield* far.enqueue(new Job({ name: "a" }))
      yield* mine.next
      yield* network.cut
      yield* start({ tasks: [near], lease: "1500 millis", pollInterval: "200 millis" })
      yield* theirs.next
      const taken = yield* rowWhere(id, ({ status }) => status === "running")
      yield* mine.open
      yield* network.mend
      yield* logs.line("Lease lost")
      const { step, token, transitions } = (yield* row(id))!
      assert.deepStrictEqual({ step, token, transitions }, { step: taken.step, token: taken.token, transitions: 0 })
      yield* theirs.open
      yield* gone(id)
    })
  )

  test(
    "a worker that stops does not wait for it forever",
    Effect.gen(function*() {
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const logs = Logs.capture()
      const context = yield* Layer.build(client(network.url))
      const apart = yield* startApart({ tasks: [Jobs], lease: "2 seconds", shutdownTimeout: "50 millis" }).pipe(
        Effect.provide(context),
        Effect.provide(logs.layer),
        // Makes time limits of seconds short.
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.1))
      )
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* network.cut
      yield* closedInTime(apart, Effect.andThen(network.mend, gate.open))
      yield* logs.line("could not be stored")
      yield* gate.open
      yield* start({ tasks: [Jobs], lease: "1 second", pollInterval: "200 millis" })
      yield* gone(id)
    })
  )
})
