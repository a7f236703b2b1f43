/** Stopping all workers of a table, seen from outside. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { TaskStopTimeoutError } from "../../TaskError.ts"
import { countHeld } from "../sql/admin.ts"
import { durationText } from "../definition/durationText.ts"
import { notifyStop } from "../sql/table.ts"

/** Between two looks, in milliseconds: long enough for a notification to arrive. */
const pause = 250

/** A look reads the whole table. The pause after it is this many times as long as the look. */
const lookShare = 5

/** A worker may claim once more before the notification arrives: so nothing must run at two looks in a row. */
const quietLooks = 2

/** Notifies all workers of this schema to stop, and waits until none of them holds a row. */
export const stopAndWait = Effect.fnUntraced(function*(
  sql: SqlClient,
  timeout: Duration.Duration
): Effect.fn.Return<void, TaskStopTimeoutError | SqlError> {
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(timeout)
  yield* notifyStop(sql)
  for (let quiet = 0; quiet < quietLooks;) {
    const [took, running] = yield* Effect.timed(countHeld(sql))
    quiet = running === 0 ? quiet + 1 : 0
    if (running > 0 && (yield* Clock.currentTimeMillis) >= deadline) {
      return yield* new TaskStopTimeoutError({
        running,
        message: `${running === 1 ? "1 step still runs" : `${running} steps still run`} after ${
          durationText(timeout)
        }: wait longer, or look at what is running`
      })
    }
    if (quiet < quietLooks) yield* Effect.sleep(Math.max(pause, Duration.toMillis(took) * lookShare))
  }
})
