/** The connection on which a worker listens: it may break silently, and is given back when the worker has stopped. */
import { assert } from "@effect/vitest"
import { Clock, Effect, Scope } from "effect"
import { NextStep } from "../../../src/index.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import { closedInTime, Job, jobs, start, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { gone, listening, stopAll } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const Jobs = jobs(() => Effect.succeed(NextStep.none))

const mended = Effect.gen(function*() {
  const network = yield* makeNetwork(yield* urlOfTest)
  yield* network.mend
  return network
})

workerTests("the connection on which a worker listens", (test) => {
  test(
    "is replaced when it has become silent",
    Effect.gen(function*() {
      const logs = Logs.capture()
      const network = yield* mended
      const worker = yield* startWith(network.url, { tasks: [Jobs], pollInterval: "200 millis" }).pipe(
        Effect.provide(logs.layer)
      )
      yield* listening(1)
      yield* network.silence("LISTEN")
      yield* logs.line("Notifications do not come through")
      yield* eventually(worker.health, (health) => health.listening)
      yield* listening(1)
      yield* stopAll
      yield* within(worker.stopped, "the end")
    })
  )

  test(
    "is replaced when there is no answer to LISTEN itself",
    Effect.gen(function*() {
      const logs = Logs.capture()
      const network = yield* mended
      const sent = yield* network.loseAnswer("LISTEN")
      const worker = yield* startWith(network.url, { tasks: [Jobs], pollInterval: "1 hour" }).pipe(
        Effect.provide(logs.layer),
        // Makes time limits of seconds short.
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.05))
      )
      yield* sent
      yield* eventually(worker.health, (health) => health.listening)
      assert.include((yield* logs.line("Not listening")).message, "no answer to LISTEN")
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
    })
  )

  test(
    "keeps neither the worker nor the client from closing when it is silent",
    Effect.gen(function*() {
      const network = yield* mended
      const scope = yield* Scope.fork(yield* Effect.scope)
      yield* startWith(network.url, { tasks: [Jobs], pollInterval: "1 hour" }).pipe(Scope.provide(scope))
      yield* listening(1)
      yield* network.silence("LISTEN")
      yield* closedInTime({ scope }, network.cut)
    })
  )

  test(
    "ends with the worker, and not only with its scope",
    Effect.gen(function*() {
      const worker = yield* start({ tasks: [Jobs] })
      yield* listening(1)
      yield* stopAll
      yield* within(worker.stopped, "the end")
      yield* listening(0)
    })
  )
})
