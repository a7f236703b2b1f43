import { assert } from "@effect/vitest"
import { Deferred, Effect, Queue } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep } from "../../src/index.ts"
import { Job, jobs, makeGate, start, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { gone, row, rowWhere, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

/** Another session holds a row until told. */
const lockRow = (id: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const locked = yield* Deferred.make<void>()
    const free = yield* Deferred.make<void>()
    const hold = Effect.gen(function*() {
      yield* run("select 1 from pg_task where id = $1::uuid for update", [id])
      yield* Deferred.succeed(locked, undefined)
      yield* Deferred.await(free)
    })
    yield* Effect.forkScoped(sql.withTransaction(hold))
    yield* Deferred.await(locked)
    return Deferred.succeed(free, undefined)
  })

workerTests("a row that its worker lost and claimed again", (test) => {
  test(
    "goes on once, though both attempts are stored with one statement",
    Effect.gen(function*() {
      const gates = { first: yield* makeGate, other: yield* makeGate }
      const seen = yield* Queue.unbounded<string>()
      let attempts = 0
      const Jobs = jobs(({ name }) => {
        if (name.endsWith("!")) return Effect.as(Queue.offer(seen, name), NextStep.none)
        const next = NextStep.now(new Job({ name: `${name}!` }))
        if (name === "other") return Effect.as(gates.other.enter(name), next)
        return attempts++ === 0 ? Effect.as(gates.first.enter(name), next) : Effect.succeed(next)
      })
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs] }), logs.layer)
      const other = yield* Jobs.enqueue(new Job({ name: "other" }))
      yield* gates.other.next
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gates.first.next
      yield* rowWhere(other, ({ status }) => status === "running")
      yield* rowWhere(id, ({ status }) => status === "running")
      // The writer waits for the other row, for a moment: what ends meanwhile is stored together.
      const free = yield* lockRow(other)
      yield* gates.other.open
      yield* eventually(run("select 1 from pg_locks where not granted"), (found) => found.length > 0)
      yield* gates.first.open
      // What a sweep does when the lease is over.
      yield* run(
        `update pg_task set is_running = false, lease_token = null, lease_until = null,
          wakeup_at = now() - interval '1 second' where id = $1::uuid`,
        [id]
      )
      yield* eventually(Effect.sync(() => attempts), (count) => count === 2)
      yield* free
      yield* gone(id)
      yield* gone(other)
      assert.isUndefined(yield* row(id))
      assert.sameMembers([...(yield* Queue.takeAll(seen))], ["a!", "other!"])
    })
  )
})
