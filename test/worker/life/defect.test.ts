import { assert } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep } from "../../../src/index.ts"
import { Job, jobs, makeGate, start, startApart, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { gone } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

workerTests("a defect in a part of the worker itself", (test) => {
  test(
    "ends it loudly, and leaves its tasks to other workers",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const interrupted = yield* Deferred.make<void>()
      const logs = Logs.capture()
      const sql = yield* SqlClient.SqlClient
      let broken = false
      // A client with a bug of the kind that nobody expects.
      const client = new Proxy(sql, {
        get: (target, key): unknown =>
          broken && key === "reserve" ? Effect.die(new Error("a bug")) : Reflect.get(target, key)
      })
      const stuck = jobs(({ name }) =>
        name === "ends"
          ? Effect.as(gate.enter(name), NextStep.none)
          : Effect.andThen(gate.enter(name), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      )
      const { worker } = yield* startApart({ tasks: [stuck], lease: "1 second" }).pipe(
        Effect.provideService(SqlClient.SqlClient, client),
        Effect.provide(logs.layer)
      )
      const ids = yield* stuck.enqueueAll(["ends", "is stuck"].map((name) => new Job({ name })))
      yield* gate.next
      yield* gate.next
      broken = true
      yield* gate.open
      const exit = yield* within(Effect.exit(worker.stopped), "the end of the worker")
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      yield* within(Deferred.await(interrupted), "the interruption of the other step")
      assert.deepStrictEqual((yield* logs.line("by a bug")).level, "Fatal")
      yield* start({ tasks: [jobs(() => Effect.succeed(NextStep.none))], lease: "1 second" })
      for (const id of ids) yield* gone(id)
    })
  )
})
