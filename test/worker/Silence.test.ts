/** A database that neither answers nor ends its connections. */
import { Clock, Effect, Exit, Fiber, Layer, Scope } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { NextStep, Step, Task } from "../../src/index.ts"
import { client } from "../support/Database.ts"
import { makePacedClock } from "../support/worker/Clocks.ts"
import { Job, makeGate, start, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"

const next = new Job({ name: "next" })

/** What steps do when the database has fallen silent. */
const steps: Record<string, Effect.Effect<NextStep.NextStep<Job, SqlError, SqlClient>, SqlError, SqlClient>> = {
  "end": Effect.succeed(NextStep.none),
  "move on": Effect.succeed(NextStep.now(next)),
  "commit": Effect.succeed(NextStep.noneWith({ commit: run("select 1") })),
  "send a statement": Effect.as(run("select 1"), NextStep.none),
  "never end": Effect.never
}

/** Has a worker run steps on a client of its own, lets its network fall silent, and closes both. */
const closesInSilence = (what: string, { multiplex, transactional }: {
  readonly multiplex: boolean
  readonly transactional: boolean
}) =>
  Effect.gen(function*() {
    const network = yield* makeNetwork(yield* urlOfTest)
    yield* network.mend
    const gate = yield* makeGate
    const Jobs = Task.make(`${what}, ${transactional}`, [
      Step.make(Job, {
        transactional,
        next: [Job],
        handler: ({ name }) => Effect.andThen(gate.enter(name), steps[what]!)
      })
    ])
    const scope = yield* Scope.fork(yield* Effect.scope)
    const context = yield* Layer.build(client(network.url, { multiplex, maxConnections: 5 })).pipe(Scope.provide(scope))
    yield* start({ tasks: [Jobs], shutdownTimeout: 0, lease: "3 seconds", pollInterval: "100 millis" }).pipe(
      Effect.provide(context),
      Scope.provide(scope),
      // Patience of seconds, in a fraction of the time.
      Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.2))
    )
    yield* Jobs.enqueueAll([new Job({ name: "a" }), new Job({ name: "b" })])
    yield* gate.next
    yield* gate.next
    yield* network.silenceAll
    yield* gate.open
    // By then the worker has sent statements of all kinds.
    yield* Effect.sleep("1 second")
    const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
    // If it doesn't close, the end of the test must not wait for it.
    yield* Effect.addFinalizer(() => network.cut)
    yield* within(Fiber.join(closing), `the end of a worker whose steps ${what}, and of its client`)
  })

workerTests("a worker whose database falls silent", (test) => {
  for (const multiplex of [false, true]) {
    for (const transactional of [false, true]) {
      test(
        `ends, and so does its client, ${multiplex ? "with" : "without"} \`multiplex\`, ${
          transactional ? "in" : "without"
        } transactions of steps`,
        Effect.gen(function*() {
          yield* Effect.forEach(
            Object.keys(steps),
            (what) => Effect.scoped(closesInSilence(what, { multiplex, transactional })),
            { concurrency: "unbounded", discard: true }
          )
          // What the worker left on the server doesn't disturb the next test.
          yield* eventually(
            run(
              `select pg_terminate_backend(pid) from pg_stat_activity
              where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
                and xact_start is not null`
            ),
            (found) => found.length === 0
          )
        })
      )
    }
  }
})
