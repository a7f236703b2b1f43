/** Rows of limited states whose worker crashed. */
import { Effect } from "effect"
import { dead, holder, makeSyncs } from "../support/limits/Syncs.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { gone, run } from "../support/worker/Table.ts"

workerTests("a row whose worker crashed while it held a slot", (test) => {
  test(
    "runs again, also if the limit has another number since",
    Effect.gen(function*() {
      const [row] = yield* holder("a", "crashed", dead)
      yield* start({ tasks: [makeSyncs(() => Effect.void, 2)], lease: "100 millis" })
      yield* gone(row!.id)
    })
  )

  test(
    "is announced when it leaves its worker with its slot: nobody waits for the next poll",
    Effect.gen(function*() {
      const [row] = yield* holder("b", "crashed")
      yield* run("update pg_task set crashes = 1")
      yield* start({ tasks: [makeSyncs(() => Effect.void, 2)], pollInterval: "1 hour", lease: "1 hour" })
      yield* gone(row!.id)
    })
  )
})
