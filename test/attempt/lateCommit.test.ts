/** A row may be claimed again before its worker gets the answer to the COMMIT of its last attempt. */
import { assert } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { Metrics, NextStep, Step, Task } from "../../src/index.ts"
import { Job, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { empty } from "../support/worker/Table.ts"
import { outcomes } from "../support/telemetry/Outcomes.ts"
import * as Series from "../support/telemetry/Series.ts"
import { within } from "../support/worker/Wait.ts"

const keyed = { key: "one", onConflict: "replace" } as const

/** A worker behind a network, and its task, whose steps say that they run. A first one ends as the test says. */
const distant = (next: NextStep.NextStep<Job>) =>
  Effect.gen(function*() {
    const ran = yield* Queue.unbounded<string>()
    const letGo = yield* Queue.unbounded<void>()
    const Jobs = Task.make("Jobs", [
      Step.make(Job, {
        next: [Job],
        transactional: true,
        handler: ({ name }) =>
          Queue.offer(ran, name).pipe(
            Effect.andThen(name === "first" ? Effect.as(Queue.take(letGo), next) : Effect.succeed(NextStep.none))
          )
      })
    ])
    const network = yield* makeNetwork(yield* urlOfTest)
    yield* network.mend
    const series = Series.capture()
    const begin = Effect.provide(
      startWith(network.url, { tasks: [Jobs], lease: "5 minutes", pollInterval: "50 millis" }),
      series.layer
    )
    return { Jobs, begin, holdAnswer: network.holdAnswer, letGo: Queue.offer(letGo, undefined), ran, series }
  })

workerTests("a row that is claimed again before its worker hears of the COMMIT", (test) => {
  test(
    "is told apart in the metrics if it was replaced, and no lease counts as lost",
    Effect.gen(function*() {
      const { Jobs, begin, holdAnswer, letGo, ran, series } = yield* distant(NextStep.none)
      const runs = within(Queue.take(ran), "no step ran")
      yield* begin
      yield* Jobs.enqueue(new Job({ name: "first" }), { key: "one" })
      assert.strictEqual(yield* runs, "first")
      yield* Jobs.enqueue(new Job({ name: "second" }), keyed)
      const commit = yield* holdAnswer("COMMIT")
      yield* letGo
      yield* commit.sent
      assert.strictEqual(yield* runs, "second")
      yield* commit.letGo
      yield* series.until(Metrics.replaced, 1, { task: "Jobs", step: "Job", outcome: "finished" })
      yield* empty
      yield* series.until(Metrics.steps, 2, { task: "Jobs", step: "Job", outcome: "finished" })
      assert.deepStrictEqual(outcomes(series), { finished: 2 })
      yield* series.until(Metrics.leasesLost, 0)
    })
  )

  test(
    "was rescheduled, and no lease counts as lost",
    Effect.gen(function*() {
      const { Jobs, begin, holdAnswer, letGo, ran, series } = yield* distant(
        NextStep.delay(new Job({ name: "second" }), 0)
      )
      const runs = within(Queue.take(ran), "no step ran")
      yield* begin
      yield* Jobs.enqueue(new Job({ name: "first" }))
      assert.strictEqual(yield* runs, "first")
      const commit = yield* holdAnswer("COMMIT")
      yield* letGo
      yield* commit.sent
      assert.strictEqual(yield* runs, "second")
      yield* commit.letGo
      yield* empty
      yield* series.until(Metrics.steps, 1, { task: "Jobs", step: "Job", outcome: "rescheduled" })
      yield* series.until(Metrics.steps, 1, { task: "Jobs", step: "Job", outcome: "finished" })
      yield* series.until(Metrics.leasesLost, 0)
    })
  )
})
