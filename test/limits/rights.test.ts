/** What a role needs whose tasks have limits. */
import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Admin } from "../../src/index.ts"
import { clientOf, role } from "../support/database/roles.ts"
import { makeSyncs, sync } from "../support/limits/Syncs.ts"
import { jobs, start, workerTests } from "../support/worker/Fixture.ts"
import { empty, run } from "../support/worker/Table.ts"

const Syncs = makeSyncs(() => Effect.void, 1)
const Unlimited = jobs(() => Effect.die("not called"))

workerTests("a role that may use pg_task only", (test) => {
  test(
    "starts no worker whose tasks have limits: the error names each grant that is missing",
    Effect.gen(function*() {
      const name = yield* role
      const provide = Effect.provide(yield* Layer.build(yield* clientOf(name)))
      yield* run(`grant select, insert, update, delete on pg_task to ${name}`)
      const refused = provide(Effect.flip(Effect.scoped(start({ tasks: [Syncs] }))))
      const missing = [
        ["pg_task_limit", "select, insert, update"],
        ["pg_task_paused", "select"]
      ] as const
      for (const [table, rights] of missing) {
        const error = yield* refused
        assert.strictEqual(error._tag, "TaskTableError")
        assert.include(error.message, `To fix it: grant ${rights} on ${table} to this role`)
        yield* run(`grant ${rights} on ${table} to ${name}`)
      }
      yield* provide(start({ tasks: [Syncs] }))
      yield* Syncs.enqueueAll([sync("a", 1), sync("a", 2)])
      yield* empty
      const pausing = yield* provide(Effect.flip(Admin.pause({ limit: "tenant" })))
      assert.include(pausing.message, "on pg_task_paused to this role, and insert, delete if it pauses")
    })
  )

  test(
    "starts other workers",
    Effect.gen(function*() {
      const name = yield* role
      yield* run(`grant select, insert, update, delete on pg_task to ${name}`)
      yield* Effect.provide(start({ tasks: [Unlimited] }), yield* Layer.build(yield* clientOf(name)))
    })
  )
})
