/** A worker notifies others at once of the tasks that it leaves to them, and doesn't depend on that itself. */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
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
import * as Logs from "../../support/worker/Logs.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { empty, gone, listening, rowWhere, run } from "../../support/worker/Table.ts"

const next = new Job({ name: "next" })

/** What steps lead to, by their names. */
const outcomes: Record<string, Effect.Effect<NextStep.NextStep<Job>, string>> = {
  "moves on": Effect.succeed(NextStep.now(next)),
  "moves on later": Effect.succeed(NextStep.delay(next, "50 millis")),
  "moves on later, in a transaction": Effect.succeed(NextStep.delay(next, "50 millis", { commit: Effect.void })),
  "is retried": Effect.fail("an error")
}

const task = (enter: (name: string) => Effect.Effect<void>) =>
  jobs(({ name }) => Effect.andThen(enter(name), outcomes[name] ?? Effect.succeed(NextStep.none)), {
    retryLimit: 1,
    retryDelay: "10 millis"
  })

/** A worker that hears, and polls once an hour. */
const heir = Effect.andThen(
  start({ tasks: [jobs(() => Effect.succeed(NextStep.none))], pollInterval: "1 hour" }),
  listening(2)
)

workerTests("a worker that stops", (test) => {
  test(
    "hands on at once what its last steps lead to, while others of them still run",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const last = yield* makeGate
      const logs = Logs.capture()
      const Jobs = task((name) => (name === "goes on" ? last : gate).enter(name))
      const apart = yield* Effect.provide(startApart({ tasks: [Jobs], concurrency: 5 }), logs.layer)
      const ids = yield* Jobs.enqueueAll(Object.keys(outcomes).map((name) => new Job({ name })))
      yield* Jobs.enqueue(new Job({ name: "goes on" }))
      for (const _ of ids) yield* gate.next
      yield* last.next
      yield* heir
      const closing = yield* Effect.forkChild(closed(apart))
      yield* logs.line("Worker draining")
      yield* gate.open
      for (const id of ids) yield* gone(id)
      assert.isUndefined(closing.pollUnsafe())
      yield* last.open
      yield* Fiber.join(closing)
    })
  )

  test(
    "tells of what is due later, and what only it knew of",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = task(gate.enter)
      const apart = yield* startApart({ tasks: [Jobs], shutdownTimeout: 0 })
      const id = yield* Jobs.enqueue(new Job({ name: "moves on later" }))
      yield* gate.next
      yield* heir
      yield* run("update pg_task set wakeup_at = wakeup_at - interval '1 hour'")
      yield* gate.open
      yield* rowWhere(id, ({ transitions }) => transitions === 1)
      yield* closed(apart)
      yield* gone(id)
    })
  )
})

workerTests("a worker whose notification gets no answer", (test) => {
  test(
    "stores outcomes all the same",
    Effect.gen(function*() {
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const gate = yield* makeGate
      const Jobs = task((name) => name === "400" ? gate.enter(name) : Effect.void)
      // Short steps, so that the worker claims ahead, and then one that is not: what waits behind it is given back.
      yield* run(`insert into pg_task (step, wakeup_at)
        select format('{"Jobs":{"Job":{"name":"%s"}}}', n), now() - interval '1 hour' + n * interval '1 second'
        from generate_series(1, 600) n`)
      const sent = yield* network.loseAnswer("select pg_notify")
      yield* startWith(network.url, { tasks: [Jobs], concurrency: 1, pollInterval: "1 hour" })
      yield* gate.next
      yield* sent
      yield* gate.open
      yield* empty
      yield* network.cut
    })
  )
})
