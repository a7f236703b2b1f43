/** No worker holds more than it can begin soon while another one is idle. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { NextStep } from "../../src/index.ts"
import { Job, jobs, makeGate, start, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import { run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const insert = (count: number, name: string) =>
  run(
    `insert into pg_task (step) select format('{"Jobs":{"Job":{"name":"%s"}}}', $2::text) from generate_series(1, $1::int)`,
    [count, name]
  )

const running = run<{ n: number }>("select count(*)::int as n from pg_task where is_running")

workerTests("a burst of long steps", (test) => {
  test(
    "goes to the free slots of all idle workers: none claims ahead because it had nothing to do before",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Busy = jobs(() => Effect.as(gate.enter("long"), NextStep.none))
      const url = yield* urlOfTest
      const options = { tasks: [Busy], concurrency: 5, pollInterval: "20 millis", lease: "5 minutes" } as const
      const workers = yield* Effect.forEach([1, 2, 3, 4], () => startWith(url, options, { maxConnections: 4 }))
      // Idle workers have asked in vain a few times.
      const asked = Effect.forEach(workers, (worker) => worker.health)
      yield* eventually(asked, (all) => all.every(({ lastClaim }) => lastClaim._tag === "Some"))
      yield* insert(300, "long")
      for (let n = 0; n < 20; n++) yield* gate.next
      assert.deepStrictEqual(yield* running, [{ n: 20 }])
      yield* gate.open
      yield* eventually(run("select 1 from pg_task"), (left) => left.length === 0)
    })
  )
})

workerTests("chains", (test) => {
  test(
    "that wait for a slot are given back, for an idle worker to run",
    Effect.gen(function*() {
      const gate = yield* makeGate
      let first = true
      // The first step is quick, so that many tasks begin. The second is long.
      const Chains = jobs(({ name }) =>
        name === "begin"
          ? Effect.succeed(NextStep.now(new Job({ name: "long" })))
          : Effect.as(first ? gate.enter("long") : Effect.void, NextStep.none)
      )
      yield* insert(40, "begin")
      yield* start({ tasks: [Chains], concurrency: 2, lease: "5 minutes" })
      yield* gate.next
      yield* gate.next
      first = false
      const url = yield* urlOfTest
      yield* startWith(url, { tasks: [Chains], concurrency: 40 })
      // The two that wait at the gate are all that is left.
      yield* eventually(run("select 1 from pg_task"), (left) => left.length === 2)
      yield* gate.open
      yield* eventually(run("select 1 from pg_task"), (left) => left.length === 0)
    })
  )
})

workerTests("large states", (test) => {
  test(
    "are claimed ahead only as far as memory allows",
    Effect.gen(function*() {
      const size = 1_000_000
      let most = 0
      const Large = jobs(() => Effect.succeed(NextStep.none))
      yield* run(
        `insert into pg_task (step) select '{"Jobs":{"Job":{"name":"' || repeat('x', $1) || '"}}}' from generate_series(1, 150)`,
        [size]
      )
      const worker = yield* start({ tasks: [Large], concurrency: 2 })
      for (;;) {
        const { buffered } = yield* worker.health
        most = Math.max(most, buffered)
        if ((yield* run("select 1 from pg_task limit 1")).length === 0) break
      }
      assert.isAtMost(most, 34)
    })
  )
})

workerTests("rows that other sessions hold locked", (test) => {
  for (const { bufferSize, locked } of [{ bufferSize: 0, locked: 10 }, { bufferSize: 1000, locked: 6000 }]) {
    test(
      `don't keep a worker from those behind them: ${locked} of one moment, bufferSize ${bufferSize}`,
      Effect.gen(function*() {
        const Jobs = jobs(() => Effect.succeed(NextStep.none))
        yield* insert(locked, "locked")
        yield* insert(100, "free")
        const letGo = yield* holding("select 1 from pg_task where step like '%locked%' for update")
        yield* start({ tasks: [Jobs], concurrency: 1, bufferSize })
        yield* eventually(run("select 1 from pg_task"), (left) => left.length === locked)
        yield* letGo
        yield* eventually(run("select 1 from pg_task"), (left) => left.length === 0)
      })
    )
  }
})
