/** The rows of dead workers are rescued, and those of live ones that could not renew their leases are not. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep } from "../../../src/index.ts"
import { client } from "../../support/database/Database.ts"
import { Job, jobs, makeGate, start, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import { holding } from "../../support/worker/Locks.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { empty, insert, orphan, row, rows, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

/** Steps that wait at a gate, and those of a worker that has none of its own. */
const makeHolders = Effect.gen(function*() {
  const gate = yield* makeGate
  return { gate, Jobs: jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none)) }
})

/** A server that has just started gives everybody time, for another reason. */
const serverOlderThan = (seconds: number) =>
  eventually(
    run<{ age: number }>("select extract(epoch from now() - pg_postmaster_start_time())::float8 as age"),
    ([found]) => found!.age > seconds
  )

/** Locks on all rows: each is held by one session, or by several together. */
const holds = [
  ["update pg_task set trace = trace"],
  ["select 1 from pg_task for update"],
  // Of a subtransaction.
  ["do $$ begin begin perform 1 from pg_task for update; exception when division_by_zero then null; end; end $$"],
  // Of two transactions: their names are not in the row.
  ["select 1 from pg_task for share", "select 1 from pg_task for share"],
  ["select 1 from pg_task for share", "select 1 from pg_task for key share"]
]

workerTests("leases that expired because nobody could renew them", (test) => {
  test(
    "in an outage: no worker has died, and each step goes on",
    Effect.gen(function*() {
      const { gate, Jobs } = yield* makeHolders
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const logs = Logs.capture()
      const options = { tasks: [Jobs], lease: "15 seconds", pollInterval: "100 millis" } as const
      for (let n = 0; n < 2; n++) yield* Effect.provide(startWith(network.url, options), logs.layer)
      const ids = yield* Jobs.enqueueAll(Array.from({ length: 20 }, (_, n) => new Job({ name: `${n}` })))
      for (const _ of ids) yield* gate.next
      yield* serverOlderThan(15)
      yield* network.cut
      // As an outage leaves them that takes longer than a lease.
      yield* run("update pg_task set lease_until = now() - interval '1 minute' where is_running")
      const before = yield* rows
      yield* network.mend
      // The first that it does is to look for dead workers.
      yield* Effect.provide(start(options), logs.layer)
      for (const id of ids) yield* rowWhere(id, ({ leaseIn }) => leaseIn !== null && leaseIn > 0)
      const identity = ({ crashes, id, token, tried }: typeof before[0]) => ({ crashes, id, token, tried })
      assert.deepStrictEqual((yield* rows).map(identity), before.map(identity))
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* empty
      for (const line of ["Rescued", "Lease lost"]) assert.deepStrictEqual(logs.find(line), [])
    })
  )

  test(
    "because a session held the rows: they are renewed when it lets go",
    Effect.gen(function*() {
      const { gate, Jobs } = yield* makeHolders
      const url = yield* urlOfTest
      const logs = Logs.capture()
      const options = { tasks: [Jobs], lease: "2 seconds", pollInterval: "50 millis" } as const
      yield* Effect.provide(start(options), logs.layer)
      const ids = yield* Jobs.enqueueAll(["a", "b", "c"].map((name) => new Job({ name })))
      for (const _ of ids) yield* gate.next
      for (let n = 0; n < 3; n++) yield* Effect.provide(startWith(url, options), logs.layer)
      for (const statements of holds) {
        const ends = yield* Effect.forEach(statements, (statement) => holding(statement))
        // Expired, for longer than it takes to rescue a row.
        for (const id of ids) yield* rowWhere(id, ({ leaseIn }) => leaseIn! < -1500)
        yield* Effect.all(ends, { concurrency: "unbounded" })
        for (const id of ids) yield* rowWhere(id, ({ leaseIn, status }) => status !== "running" || leaseIn! > 0)
      }
      for (const found of yield* rows) assert.deepInclude(found, { status: "running", crashes: 0 })
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* empty
      for (const line of ["Rescued", "Lease lost"]) assert.deepStrictEqual(logs.find(line), [])
    })
  )
})

workerTests("a dead worker's row", (test) => {
  test(
    "is rescued when its lease has been over for a third of it, and not before",
    Effect.gen(function*() {
      const { gate, Jobs } = yield* makeHolders
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* orphan(id, 500)
      const { leaseUntil } = (yield* row(id))!
      yield* start({ tasks: [Jobs], lease: "3 seconds", pollInterval: "1 hour" })
      yield* gate.next
      const [found] = yield* run<{ at: number }>(
        "select (extract(epoch from updated_at) * 1000)::float8 as at from pg_task"
      )
      assert.isAtLeast(found!.at, leaseUntil! + 1000)
      yield* gate.open
    })
  )

  test(
    "is found behind many due ones, though the server ends each statement that reads them all",
    Effect.gen(function*() {
      const { gate, Jobs } = yield* makeHolders
      const url = new URL(yield* urlOfTest)
      const database = `database "${url.pathname.slice(1)}"`
      // All due at one moment, as a batch leaves them.
      yield* run(`insert into pg_task (step) select '{"Jobs":{"Job":{"name":"' || n || '"}}}'
        from generate_series(1, 300000) n`)
      const dead = yield* insert(`{"Jobs":{"Job":{"name":"dead"}}}`)
      yield* orphan(dead, -1)
      yield* run("update pg_task set wakeup_at = (select max(wakeup_at) from pg_task) where id = $1::uuid", [dead])
      yield* run(`alter ${database} set statement_timeout = '100ms'`)
      yield* Effect.addFinalizer(() => Effect.orDie(run(`alter ${database} reset statement_timeout`)))
      yield* startWith(url.href, { tasks: [Jobs], concurrency: 1, bufferSize: 0, lease: "2 seconds" })
      yield* eventually(row(dead), (found) => found?.crashes === 1 && found.status === "ready", 240_000)
      yield* gate.open
      yield* run("delete from pg_task where not is_running")
    })
  )
})

workerTests("a lock on the table", (test) => {
  test(
    "that ends the worker's statements about leases is no lost database",
    Effect.gen(function*() {
      const { gate, Jobs } = yield* makeHolders
      const url = new URL(yield* urlOfTest)
      const database = `database "${url.pathname.slice(1)}"`
      const logs = Logs.capture()
      yield* run(`alter ${database} set lock_timeout = '100ms'`)
      yield* Effect.addFinalizer(() => Effect.orDie(run(`alter ${database} reset lock_timeout`)))
      const quarantined = yield* Jobs.enqueue(new Job({ name: "quarantined" }))
      yield* run("update pg_task set crashes = 1, wakeup_at = now() + interval '1 hour'")
      yield* Effect.provide(startWith(url.href, { tasks: [Jobs], lease: "900 millis", pollInterval: 100 }), logs.layer)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql.withTransaction(Effect.gen(function*() {
          // This session waits for the worker's statements, however long they take.
          yield* run("set local lock_timeout = 0")
          yield* run("update pg_task set wakeup_at = now() where id = $1::uuid", [quarantined])
          yield* run("lock table pg_task in exclusive mode")
          yield* logs.line("The renewal of leases met a lock")
          yield* logs.line("The claim of a quarantined task met a lock")
        }))
      }).pipe(Effect.provide(client(url.href, { maxConnections: 1 })))
      yield* rowWhere(id, ({ leaseIn }) => leaseIn! > 0)
      yield* gate.open
      yield* empty
      assert.deepStrictEqual(logs.find("Database lost").map(({ message }) => message), [])
    })
  )
})
