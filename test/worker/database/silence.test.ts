/** A database that neither answers nor ends its connections. */
import { Clock, Effect, Exit, Fiber, Layer, Scope } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { client } from "../../support/database/Database.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import { Job, makeGate, start, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { run } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

const next = new Job({ name: "next" })

/** What steps do when the database has fallen silent. */
const steps: Record<string, Effect.Effect<NextStep.NextStep<Job, SqlError, SqlClient>, SqlError, SqlClient>> = {
  "end": Effect.succeed(NextStep.none),
  "move on": Effect.succeed(NextStep.now(next)),
  "commit": Effect.succeed(NextStep.noneWith({ commit: run("select 1") })),
  "send a statement": Effect.as(run("select 1"), NextStep.none),
  "never end": Effect.never
}

interface Kind {
  readonly multiplex: boolean
  readonly transactional: boolean
}

/** The driver itself waits without end for the answer to a BEGIN, a COMMIT or a ROLLBACK, and so does its client. */
const clientCloses = (what: string, { transactional }: Kind) => transactional ? what === "never end" : what !== "commit"

/** Has a worker run steps on a client of its own, lets its network fall silent, and closes both. */
const closesInSilence = (what: string, kind: Kind) =>
  Effect.gen(function*() {
    const network = yield* makeNetwork(yield* urlOfTest)
    yield* network.mend
    const gate = yield* makeGate
    const Jobs = Task.make(`${what}, ${kind.transactional}`, [
      Step.make(Job, {
        transactional: kind.transactional,
        next: [Job],
        handler: ({ name }) => Effect.andThen(gate.enter(name), steps[what]!)
      })
    ])
    const ofClient = yield* Scope.fork(yield* Effect.scope)
    const ofWorker = yield* Scope.fork(ofClient)
    const options = { multiplex: kind.multiplex, maxConnections: 5 }
    const context = yield* Layer.build(client(network.url, options)).pipe(Scope.provide(ofClient))
    yield* start({ tasks: [Jobs], shutdownTimeout: 0, lease: "3 seconds", pollInterval: "100 millis" }).pipe(
      Effect.provide(context),
      Scope.provide(ofWorker),
      // Makes time limits of seconds short.
      Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.2))
    )
    yield* Jobs.enqueueAll([new Job({ name: "a" }), new Job({ name: "b" })])
    yield* gate.next
    yield* gate.next
    yield* network.silenceAll
    yield* gate.open
    // By then the worker has sent statements of all kinds.
    yield* Effect.sleep("1 second")
    // Ends what has not closed by itself.
    yield* Effect.addFinalizer(() => network.cut)
    const closing = yield* Effect.forkScoped(Scope.close(ofWorker, Exit.void))
    yield* within(Fiber.join(closing), `the end of a worker whose steps ${what}`)
    if (!clientCloses(what, kind)) return
    const closingClient = yield* Effect.forkScoped(Scope.close(ofClient, Exit.void))
    yield* within(Fiber.join(closingClient), `the end of a client whose steps ${what}`)
  })

workerTests("a worker whose database falls silent", (test) => {
  for (const multiplex of [false, true]) {
    for (const transactional of [false, true]) {
      test(
        `ends, ${multiplex ? "with" : "without"} \`multiplex\`, ${
          transactional ? "in" : "without"
        } transactions of steps`,
        Effect.forEach(
          Object.keys(steps),
          (what) => Effect.scoped(closesInSilence(what, { multiplex, transactional })),
          { concurrency: "unbounded", discard: true }
        )
      )
    }
  }
})
