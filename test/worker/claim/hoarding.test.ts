/** No worker holds more than it can begin soon while another one is idle. */
import { assert } from "@effect/vitest"
import { Duration, Effect, Option } from "effect"
import { NextStep } from "../../../src/index.ts"
import { Job, jobs, makeGate, start, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import { holding } from "../../support/worker/Locks.ts"
import { empty, listening, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

const insert = (count: number, name: string) =>
  run(
    `insert into pg_task (step) select format('{"Jobs":{"Job":{"name":"%s"}}}', $2::text) from generate_series(1, $1::int)`,
    [count, name]
  )

/** Without the short ones: such a step may have ended, and its row not be gone yet. */
const running = run<{ n: number }>("select count(*)::int as n from pg_task where is_running and step like '%\"long\"%'")

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
      yield* empty
    })
  )
})

workerTests("a worker with one slot", (test) => {
  test(
    "claims one row more after a short step, and not many behind a long one",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Mixed = jobs(({ name }) => Effect.as(name === "long" ? gate.enter(name) : Effect.void, NextStep.none))
      yield* insert(1, "short")
      yield* insert(30, "long")
      yield* start({ tasks: [Mixed], concurrency: 1, lease: "5 minutes" })
      yield* gate.next
      const [found] = yield* running
      assert.isAtMost(found!.n, 2)
      yield* gate.open
      yield* empty
    })
  )
})

workerTests("a worker that had many short steps, and then nothing to do", (test) => {
  test(
    "has forgotten that they were short, and takes no more of a burst than it has slots",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Mixed = jobs(({ name }) => Effect.as(name === "long" ? gate.enter(name) : Effect.void, NextStep.none))
      yield* insert(1000, "short")
      const worker = yield* start({ tasks: [Mixed], concurrency: 5, lease: "5 minutes", pollInterval: "1 hour" })
      yield* listening(1)
      yield* empty
      const isIdle = Option.exists<Duration.Duration>(Duration.isGreaterThan(Duration.seconds(2)))
      yield* eventually(worker.health, ({ lastClaim }) => isIdle(lastClaim))
      yield* insert(300, "long")
      for (let n = 0; n < 5; n++) yield* gate.next
      assert.deepStrictEqual(yield* running, [{ n: 5 }])
      yield* gate.open
      yield* empty
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
      yield* empty
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

workerTests("large states behind many small ones", (test) => {
  test(
    "are not claimed together, however short the steps are",
    Effect.gen(function*() {
      const size = 1_000_000
      let most = 0
      const held = run<{ bytes: number }>(
        "select coalesce(sum(octet_length(step)), 0)::float8 as bytes from pg_task where is_running"
      )
      const Sizes = jobs(({ name }) =>
        name.length < size ? Effect.succeed(NextStep.none) : Effect.map(held, ([found]) => {
          most = Math.max(most, found!.bytes)
          return NextStep.none
        })
      )
      yield* insert(1000, "small")
      yield* run(
        `insert into pg_task (step) select '{"Jobs":{"Job":{"name":"' || repeat('x', $1) || '"}}}' from generate_series(1, 100)`,
        [size]
      )
      yield* start({ tasks: [Sizes], concurrency: 2 })
      yield* eventually(run("select 1 from pg_task"), (left) => left.length === 0, 200_000)
      assert.isAbove(most, size)
      assert.isAtMost(most, 36 * size)
    })
  )
})

/** How many entries of the index of due rows have been read, by sessions that have ended. */
const entriesRead = Effect.map(
  run<{ read: number }>(
    "select idx_tup_read::float8 as read from pg_stat_user_indexes where indexrelname = 'pg_task_open_idx'"
  ),
  (found) => found[0]!.read
)

workerTests("very many rows that other sessions hold locked", (test) => {
  test(
    "are not read again for each task behind them",
    Effect.gen(function*() {
      const locked = 20_000
      const free = 300
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* insert(locked, "locked")
      yield* insert(free, "free")
      yield* holding("select 1 from pg_task where step like '%locked%' for update")
      const url = yield* urlOfTest
      const before = yield* entriesRead
      const options = { tasks: [Jobs], concurrency: 1, bufferSize: 0, pollInterval: "1 hour" } as const
      yield* Effect.scoped(Effect.andThen(
        startWith(url, options),
        eventually(run("select 1 from pg_task"), (left) => left.length === locked, 200_000)
      ))
      assert.isBelow((yield* entriesRead) - before, (free * locked) / 2)
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
        yield* empty
      })
    )
  }
})
