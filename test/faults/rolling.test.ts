/** The short form of the rolling deploy: `npm run test:faults -- --rolling 5` plays it for minutes. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { playRollingDeploy } from "./RollingDeploy.ts"

workerTests("a rolling deploy", (test) => {
  test(
    "parks nothing, and runs nothing by code that can't read it, with chains that cross the builds",
    Effect.gen(function*() {
      const result = yield* playRollingDeploy(yield* urlOfTest, (restarts) => restarts < 2)
      assert.deepStrictEqual(result.wrong, [])
      assert.isAbove(result.crossed, 0)
      assert.isAbove(result.takenOver, 0)
    })
  )
})
