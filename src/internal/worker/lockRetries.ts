/** For statements that are not sent again and again until they come through. */
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import { failureKindOf } from "../sql/errors.ts"

/** Another session holds a row, or the statement was cut off: that passes, or it is no use to go on. */
export const lockRetries = {
  schedule: Schedule.spaced("200 millis"),
  times: 4,
  while: (error: SqlError) => failureKindOf(error) === "Lock"
}
