/** What is noted of keys does not grow with the number of keys that were ever used. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { KeysLook } from "../../src/internal/worker/followUps.ts"
import { alive, atTheDoor, holder, makeSyncs, resetLimits } from "../support/limits/Syncs.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const notes = run<{ key: string }>("select key from pg_task_limit order by key")

workerTests("the note of a key", (test) => {
  test(
    "is deleted when no task has the key any more, and a while has passed",
    Effect.gen(function*() {
      yield* resetLimits
      yield* holder("held", "a", alive)
      yield* atTheDoor("waits", 1)
      yield* run(
        `insert into pg_task (step, limit_key, slot, slots, wakeup_at)
        values ('{"Others":{"Other":{}}}', 'tenant:knocks', 0, 1, now() + interval '1 hour')`
      )
      yield* run(`insert into pg_task_paused (kind, name) values ('limit', 'tenant')`)
      // More than one look reads.
      yield* run(
        `insert into pg_task_limit (key, slots, noted_at)
        select key, 1, now() - interval '2 hours' from unnest(array['tenant:held', 'tenant:waits', 'tenant:knocks']) as key
        union all select 'tenant:' || n, 1, now() - interval '2 hours' from generate_series(1, 2500) as n
        union all values ('tenant:young', 1, now())`
      )
      yield* run(
        "insert into pg_task_limit (key, set_slots, noted_at) values ('tenant:set', 1, now() - interval '2 hours')"
      )
      yield* Effect.provideService(start({ tasks: [makeSyncs(() => Effect.void)] }), KeysLook, 50)
      const left = yield* eventually(notes, (found) => found.length <= 5)
      assert.deepStrictEqual(left.map(({ key }) => key), [
        "tenant:held",
        "tenant:knocks",
        "tenant:set",
        "tenant:waits",
        "tenant:young"
      ])
      yield* resetLimits
    })
  )
})
