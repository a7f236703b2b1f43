import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Admin, Metrics, NextStep, Step, Task } from "../../../src/index.ts"
import { outcomes } from "../../support/telemetry/Outcomes.ts"
import * as Series from "../../support/telemetry/Series.ts"
import { Job, makeGate, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { gone, listening, run } from "../../support/worker/Table.ts"

const cancelled = "Task cancelled while its step ran"

interface Options {
  readonly transactional?: boolean
  readonly interruptible?: boolean
  readonly lease?: "2 seconds" | "10 seconds" | "1 minute"
}

/** A worker whose step waits at the gate, with what it logs and counts. */
const busy = Effect.fnUntraced(function*({ interruptible = true, lease = "1 minute", transactional = false }: Options) {
  const network = yield* makeNetwork(yield* urlOfTest)
  yield* network.mend
  const gate = yield* makeGate
  const logs = Logs.capture()
  const series = Series.capture()
  const handler = ({ name }: Job) => {
    const step = Effect.as(gate.enter(name), NextStep.none)
    return interruptible ? step : Effect.uninterruptible(step)
  }
  const Jobs = Task.make("Jobs", [Step.make(Job, { transactional, handler })])
  yield* Effect.provide(startWith(network.url, { tasks: [Jobs], lease, pollInterval: "1 hour" }), [
    logs.layer,
    series.layer
  ])
  yield* listening(1)
  const id = yield* Jobs.enqueue(new Job({ name: "a" }))
  yield* gate.next
  return { Jobs, gate, id, logs, network, series }
})

type Busy = Effect.Success<ReturnType<typeof busy>>

const isCancelled = Effect.fnUntraced(function*({ id, logs, series }: Busy, ended: Readonly<Record<string, number>>) {
  const line = yield* logs.line(cancelled)
  assert.strictEqual(line.level, "Info")
  assert.deepInclude(line.annotations, { task: "Jobs", step: "Job", id })
  assert.deepStrictEqual(outcomes(series), ended)
  assert.strictEqual(series.value(Metrics.leasesLost).count, 0)
  assert.deepStrictEqual(logs.find("Lease lost"), [])
})

/** Without a word to the workers. */
const remove = run("delete from pg_task")

workerTests("a task that is cancelled while its step runs", (test) => {
  test(
    "is logged, and counted as cancelled, not as a lost lease",
    Effect.gen(function*() {
      const worker = yield* busy({})
      assert.strictEqual(yield* Admin.cancel(worker.id), 1)
      yield* isCancelled(worker, { cancelled: 1 })
    })
  )

  for (const transactional of [false, true]) {
    const kind = transactional ? "a transactional step" : "a step"
    test(
      `of ${kind} and was only deleted, is found out when its lease is renewed`,
      Effect.gen(function*() {
        const worker = yield* busy({ transactional, lease: "10 seconds" })
        yield* remove
        yield* isCancelled(worker, { cancelled: 1 })
      })
    )

    test(
      `of ${kind} and was only deleted, is found out when its result is refused`,
      Effect.gen(function*() {
        const worker = yield* busy({ transactional })
        yield* remove
        yield* worker.gate.open
        // A step that is not transactional had ended well.
        yield* isCancelled(worker, transactional ? { cancelled: 1 } : { finished: 1 })
      })
    )
  }

  test(
    "and can't be interrupted, is told of once",
    Effect.gen(function*() {
      const worker = yield* busy({ interruptible: false })
      yield* Admin.cancel(worker.id)
      // Begins because of a later notification: the worker has read that of the cancelling by then.
      const other = yield* worker.Jobs.enqueue(new Job({ name: "b" }))
      assert.strictEqual(yield* worker.gate.next, "b")
      yield* worker.gate.open
      yield* gone(other)
      // It may have ended before the worker looked at its row: then its result is refused.
      yield* worker.logs.line(cancelled)
      assert.lengthOf(worker.logs.find(cancelled), 1)
      assert.deepStrictEqual(worker.logs.find("Lease lost"), [])
    })
  )

  test(
    "is a lost lease where that was over: another worker may have finished it",
    Effect.gen(function*() {
      const worker = yield* busy({ lease: "2 seconds" })
      yield* worker.network.cut
      const over = yield* Effect.forkChild(Effect.sleep("2100 millis"))
      yield* remove
      yield* gone(worker.id)
      yield* Fiber.join(over)
      yield* worker.network.mend
      yield* worker.series.until(Metrics.leasesLost, 1)
      yield* worker.logs.line("Lease lost")
      assert.deepStrictEqual(worker.logs.find(cancelled), [])
    })
  )
})
