/** The testing kit runs limited tasks one at a time, whatever their limit says. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { TaskTest } from "../../src/testing/index.ts"
import { makeSyncs, sync, Work } from "../support/limits/Syncs.ts"
import { workerTests } from "../support/worker/Fixture.ts"

workerTests("in a test", (test) => {
  test(
    "all tasks of a limited state run, in their order",
    Effect.gen(function*() {
      const work = new Work()
      const Syncs = makeSyncs((sync) => work.during(sync, Effect.void), 1)
      yield* Syncs.enqueueAll(Array.from({ length: 5 }, (_, n) => sync("a", n)))
      yield* TaskTest.runAll({ tasks: [Syncs] })
      assert.deepStrictEqual(work.begun, ["0", "1", "2", "3", "4"])
    })
  )
})
