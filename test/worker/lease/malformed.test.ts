import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { NextStep } from "../../../src/index.ts"
import { jobs, start, workerTests } from "../../support/worker/Fixture.ts"
import { insert, parked, run } from "../../support/worker/Table.ts"

workerTests("a malformed row whose worker crashed while it held it", (test) => {
  test(
    "is parked by the next one all the same",
    Effect.gen(function*() {
      const id = yield* insert("not JSON")
      // As its lapsed lease leaves it.
      yield* run("update pg_task set crashes = 1")
      yield* start({ tasks: [jobs(() => Effect.succeed(NextStep.none))] })
      assert.deepInclude(yield* parked(id), { tried: 0, transitions: 0 })
    })
  )
})
