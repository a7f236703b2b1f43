import { assert } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { NextStep } from "../../../src/index.ts"
import { closed, Job, jobs, startApart, workerTests } from "../../support/worker/Fixture.ts"
import { gone, run } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

workerTests("a lost row that the same worker claims again", (test) => {
  test(
    "leaves no former attempt running: it is interrupted, and holds up no stop",
    Effect.gen(function*() {
      const first = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      let calls = 0
      const Jobs = jobs(() => {
        if (++calls > 1) return Effect.succeed(NextStep.none)
        return Deferred.succeed(first, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      })
      const worker = yield* startApart({ tasks: [Jobs], lease: "2 seconds", shutdownTimeout: 0 })
      const id = yield* Jobs.enqueue(new Job({ name: "lost" }))
      yield* within(Deferred.await(first), "the first attempt never began")
      // As after an outage that outlasts the lease: freed, and the first to see it is the one who had it.
      yield* run(
        `update pg_task set is_running = false, lease_token = null, lease_until = null,
          wakeup_at = wakeup_at - interval '1 millisecond' where id = $1::uuid`,
        [id]
      )
      yield* gone(id)
      assert.strictEqual(calls, 2)
      yield* within(Deferred.await(interrupted), "the former attempt was not interrupted")
      yield* within(closed(worker), "the worker hangs at its stop")
    })
  )
})
