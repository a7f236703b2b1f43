/**
 * Everybody who can connect may send the notification that a task was cancelled: a worker checks the row before it
 * interrupts the step.
 */
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Queue } from "effect"
import { Admin, NextStep } from "../../../src/index.ts"
import { Job, jobs, makeGate, start, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { gone, listening, row, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const ignored = "its row is still there: ignored"

workerTests("a notification that a running task was cancelled", (test) => {
  test(
    "is ignored if it is not true, whoever sends it",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs], pollInterval: "1 hour" }), logs.layer)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* listening(1)
      for (let n = 1; n <= 3; n++) {
        yield* run("select pg_notify('pg_task_changed', $1)", [`cancel ${id}`])
        yield* eventually(Effect.sync(() => logs.find(ignored).length), (count) => count === n)
      }
      assert.deepInclude(yield* row(id), { status: "running", tried: 0, crashes: 0, transitions: 0 })
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* gone(id)
      assert.deepStrictEqual(logs.find("Lease lost"), [])
    })
  )

  test(
    "interrupts the step if it is true",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const interrupted = yield* Deferred.make<string>()
      const Jobs = jobs(({ name }) =>
        Effect.as(
          Effect.onInterrupt(gate.enter(name), () => Deferred.succeed(interrupted, name)),
          NextStep.none
        )
      )
      yield* start({ tasks: [Jobs], lease: "1 hour", pollInterval: "1 hour" })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* listening(1)
      yield* Admin.cancel(id)
      assert.strictEqual(yield* within(Deferred.await(interrupted), "the interruption"), "a")
      yield* gate.open
    })
  )

  test(
    "is one look at the row, however many come",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const logs = Logs.capture()
      const client = yield* PgClient.PgClient
      const flood = yield* Queue.unbounded<{ readonly payload: string }>()
      const flooded = new Proxy(client, {
        get: (target, key) => (key === "listen" ? () => Effect.succeed(flood) : Reflect.get(target, key))
      })
      yield* start({ tasks: [Jobs], pollInterval: "100 millis" }).pipe(
        Effect.provideService(PgClient.PgClient, flooded),
        Effect.provide(logs.layer)
      )
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      const nobody = "00000000-0000-0000-0000-000000000000"
      yield* Queue.offerAll(
        flood,
        Array.from({ length: 10_000 }, (_, n) => ({ payload: `cancel ${n % 2 ? id : nobody}` }))
      )
      yield* logs.line(ignored)
      yield* gate.open
      yield* gone(id)
      assert.isAtMost(logs.find(ignored).length, 3)
    })
  )
})
