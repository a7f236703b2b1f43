/** What becomes of signals, as the metric has it. */
import { assert } from "@effect/vitest"
import { Effect, type Metric, Queue, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Metrics, NextStep, Step, Task } from "../../src/index.ts"
import * as Series from "../support/telemetry/Series.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { gone } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

class Idle extends Schema.TaggedClass<Idle>()("Idle", { n: Schema.Number }) {}
class Go extends Schema.TaggedClass<Go>()("Go", {}) {}

/** A task that ends when it has got a signal, and has passed the gate. */
const makeWaits = (gate: Effect.Effect<unknown> = Effect.void) =>
  Task.make("Waits", [Step.wait(Idle, (on) => [on(Go, { handler: () => Effect.as(gate, NextStep.none) })])])

const counts = (series: Series.Series) =>
  Object.fromEntries(
    series.all(Metrics.signals).map(([{ outcome, task }, state]) => [
      `${task} ${outcome}`,
      (state as Metric.CounterState<number>).count
    ])
  )

workerTests("signals", (test) => {
  test(
    "are counted where they are sent: those of a transaction once it commits",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const Waits = makeWaits()
      const series = Series.capture()
      const sent = Effect.gen(function*() {
        const id = yield* Waits.enqueue(new Idle({ n: 1 }))
        yield* Waits.signal(id, new Go(), { dedupe: "a" })
        yield* Waits.signal(id, new Go(), { dedupe: "a" })
        yield* sql.withTransaction(Waits.signal(id, new Go()))
        yield* Effect.flip(sql.withTransaction(Effect.andThen(Waits.signal(id, new Go()), Effect.fail("rolled back"))))
        yield* Effect.flip(Waits.signalByKey("nobody", new Go()))
      })
      yield* Effect.provide(sent, series.layer)
      assert.deepStrictEqual(counts(series), { "Waits sent": 2, "Waits duplicate": 1, "Waits refused": 1 })
    })
  )

  test(
    "are not counted as refused where a task is stored for them",
    Effect.gen(function*() {
      const Waits = makeWaits()
      const series = Series.capture()
      const send = Waits.signalOrEnqueue("k", new Go(), new Idle({ n: 1 }))
      assert.deepInclude(yield* Effect.provide(send, series.layer), { created: true })
      assert.deepInclude(yield* Effect.provide(send, series.layer), { created: false })
      assert.deepStrictEqual(counts(series), { "Waits sent": 2 })
    })
  )

  test(
    "are counted as taken also by an attempt whose state was replaced meanwhile",
    Effect.gen(function*() {
      const series = Series.capture()
      const began = yield* Queue.unbounded<void>()
      const letGo = yield* Queue.unbounded<void>()
      const Waits = makeWaits(Effect.andThen(Queue.offer(began, undefined), Queue.take(letGo)))
      yield* Effect.provide(start({ tasks: [Waits] }), series.layer)
      const { id } = yield* Waits.enqueue(new Idle({ n: 1 }), { key: "k" })
      yield* Waits.signal(id, new Go())
      yield* within(Queue.take(began), "the first attempt")
      yield* Waits.enqueue(new Idle({ n: 2 }), { key: "k", onConflict: "replace" })
      yield* Queue.offer(letGo, undefined)
      yield* series.until(Metrics.signals, 1, { task: "Waits", outcome: "taken" })
      yield* Waits.signal(id, new Go())
      yield* Queue.offer(letGo, undefined)
      yield* gone(id)
      yield* series.until(Metrics.signals, 2, { task: "Waits", outcome: "taken" })
    })
  )
})
