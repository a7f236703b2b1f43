/** What a worker without tasks asks the database, and how often. */
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { NextStep } from "../../../src/index.ts"
import {
  closed,
  Job,
  jobs,
  makeGate,
  start,
  startApart,
  startWith,
  urlOfTest,
  workerTests
} from "../../support/worker/Fixture.ts"
import { holding } from "../../support/worker/Locks.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { gone, listening, orphan, run } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

const Jobs = jobs(() => Effect.succeed(NextStep.none))

/** The notifications of workers to themselves and to their peers. */
const probes = Effect.gen(function*() {
  const client = yield* PgClient.PgClient
  const heard = yield* client.listen("pg_task_changed")
  const next = Effect.map(Queue.take(heard), ({ payload }) => payload.split(" "))
  const probe = Effect.repeat(next, { until: ([kind]) => kind === "probe" })
  return within(Effect.map(probe, ([, worker, , , , kind]) => ({ worker, isLook: kind === "look" })), "a probe")
})

/** The advisory lock of the worker that looks for expired leases. */
const lookLock = "pg_advisory_xact_lock(71609257::int8 << 32 | 'pg_task'::regclass::oid::int8)"

workerTests("an idle worker", (test) => {
  test(
    "sends one statement a poll: for what is due, for leases, for the quarantine, and for its notifications",
    Effect.gen(function*() {
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      yield* startWith(network.url, { tasks: [Jobs], pollInterval: "1 second" })
      const probe = yield* probes
      const poll = Effect.gen(function*() {
        const before = network.statements()
        yield* probe
        return network.statements() - before
      })
      // A worker that has just started, or has met a busy server, first finds out what its claims cost.
      let alone = 0
      for (let polls = 0; polls < 100 && alone < 3; polls++) alone = (yield* poll) === 1 ? alone + 1 : 0
      assert.strictEqual(alone, 3)
    })
  )

  test(
    "finds by its poll what it was not told of: a due task, one that becomes due, a malformed row, a quarantined one",
    Effect.gen(function*() {
      yield* start({ tasks: [Jobs], pollInterval: "200 millis" })
      yield* listening(1)
      const quietly = (columns: string, values: string) =>
        run<{ id: string }>(
          `with quiet as materialized (select set_config('pg_task.skip_notify', 'on', true))
          insert into pg_task (step, ${columns}) select '{"Jobs":{"Job":{"name":"a"}}}', ${values} from quiet returning id`
        )
      for (
        const [columns, values] of [["tried", "0"], ["wakeup_at", "now() + interval '1 second'"], ["crashes", "1"]]
      ) {
        const [found] = yield* quietly(columns!, values!)
        yield* gone(found!.id)
      }
    })
  )

  test(
    "leaves the look for expired leases to a peer that looks, and goes on with it when that one is gone",
    Effect.gen(function*() {
      const quick = yield* startApart({ tasks: [Jobs], pollInterval: "200 millis" })
      const probe = yield* probes
      const look = Effect.repeat(probe, { until: ({ isLook }) => isLook })
      const first = (yield* look).worker
      // After a slow look the quick one rests for 20 times as long. The peer polls so rarely that it waits for that.
      yield* start({ tasks: [Jobs], pollInterval: "4 seconds" })
      let [polls, looks] = [0, 0]
      while (polls < 6) {
        const { isLook, worker } = yield* probe
        if (worker === first) continue
        polls++
        if (isLook) looks++
      }
      // It may look when it starts.
      assert.isAtMost(looks, 3)
      yield* closed(quick)
      yield* Effect.repeat(look, { until: ({ worker }) => worker !== first })
    })
  )

  test(
    "does not look for expired leases while another one does",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Held = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const id = yield* Held.enqueue(new Job({ name: "a" }))
      yield* orphan(id, -60_000)
      const end = yield* holding(`select ${lookLock}`)
      yield* start({ tasks: [Held], lease: "1 second", pollInterval: "100 millis" })
      const probe = yield* probes
      // Several times as long as it takes to rescue the row.
      for (let n = 0; n < 30; n++) assert.isFalse((yield* probe).isLook)
      assert.strictEqual(yield* gate.unseen, 0)
      yield* end
      yield* gate.next
      yield* gate.open
    })
  )
})

workerTests("a new worker", (test) => {
  test(
    "is told at once by one that was there before how many there are, though both poll once an hour",
    Effect.gen(function*() {
      const heard = yield* (yield* PgClient.PgClient).listen("pg_task_changed")
      const probe = Effect.map(
        Effect.repeat(Queue.take(heard), { until: ({ payload }) => payload.startsWith("probe ") }),
        ({ payload }) => payload.split(" ")
      )
      const next = (isIt: (probe: ReadonlyArray<string>) => boolean) =>
        within(Effect.repeat(probe, { until: isIt }), "a probe")
      yield* start({ tasks: [Jobs], pollInterval: "1 hour" })
      // After this one it sends none by itself: the other one would learn of it by that.
      const [, , , , alone] = yield* next(([, , , , , kind]) => kind === "look")
      assert.strictEqual(alone, "1")
      yield* startApart({ tasks: [Jobs], pollInterval: "1 hour" })
      yield* next(([, , , , both]) => both === "2")
    })
  )
})

workerTests("a worker whose many peers are dead or frozen", (test) => {
  test(
    "finds each new task within seconds, and what it is to run later, too, though it polls once an hour",
    Effect.gen(function*() {
      const heard = yield* (yield* PgClient.PgClient).listen("pg_task_changed")
      yield* start({ tasks: [Jobs], pollInterval: "1 hour" })
      const { payload } = yield* within(
        Effect.repeat(Queue.take(heard), { until: ({ payload }) => payload.startsWith("probe ") }),
        "a probe"
      )
      const group = payload.split(" ")[2]
      yield* run(`select pg_notify('pg_task_changed', 'probe peer' || n || ' ${group} 3600000 1')
        from generate_series(1, 200) n`)
      // All of them are heard before this one.
      for (let n = 0; n < 3; n++) {
        yield* gone(yield* Jobs.enqueue(new Job({ name: "now" })))
        yield* gone(yield* Jobs.delay(new Job({ name: "later" }), "100 millis"))
      }
    })
  )
})
