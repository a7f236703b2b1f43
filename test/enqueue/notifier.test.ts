/** Who enqueues at the same time as others is told of together with them. */
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Fiber, Layer, Queue } from "effect"
import { NextStep } from "../../src/index.ts"
import { client } from "../support/database/Database.ts"
import { Job, jobs, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"

const Jobs = jobs(() => Effect.succeed(NextStep.none))
const enqueue = Jobs.enqueue(new Job({ name: "a" }))

workerTests("enqueueing", (test) => {
  test(
    "can be interrupted while the notification gets no answer, and others are told of again once the network is back",
    Effect.gen(function*() {
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const distant = yield* Layer.build(client(network.url))
      const together = Effect.provide(Effect.all([enqueue, enqueue], { concurrency: "unbounded" }), distant)
      const sent = yield* network.loseAnswer("select pg_notify")
      const hanging = yield* Effect.forkScoped(together)
      yield* sent
      assert.isUndefined(hanging.pollUnsafe())
      yield* eventually(run("select 1 from pg_task"), (found) => found.length === 2)
      yield* within(Fiber.interrupt(hanging), "the interruption")
      yield* network.cut
      yield* network.mend
      const heard = yield* Effect.flatMap(PgClient.PgClient, (sql) => sql.listen("pg_task_changed"))
      // Its client may not yet know of all connections that were cut.
      yield* Effect.retry(together, { times: 20 })
      // One by the trigger, and one for the task that was stored quietly.
      for (const what of ["the first", "the second"]) yield* within(Queue.take(heard), what)
    })
  )

  test(
    "does not go on for as long as others enqueue",
    Effect.gen(function*() {
      const counts = Array.from({ length: 32 }, () => 0)
      const isOver = () => counts.every((count) => count >= 10)
      const producer = (n: number) =>
        Effect.whileLoop({ while: () => !isOver(), body: () => enqueue, step: () => void counts[n]!++ })
      yield* within(Effect.all(counts.map((_, n) => producer(n)), { concurrency: "unbounded" }), "everybody's turn")
    })
  )
})
