/** What the log says of an attempt, once its outcome is stored. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { annotationsOf, type Held } from "./attempt.ts"
import type { RowOutcome } from "./outcome.ts"

const refused = Effect.logWarning("Lease lost: the result of this attempt was not stored")

const message = (outcome: RowOutcome, debug: boolean): Effect.Effect<void> | undefined => {
  switch (outcome._tag) {
    case "Retry":
      return Effect.logWarning(`Retry in ${Duration.format(Duration.millis(outcome.delay))}: ${outcome.error}`)
    case "Park":
    case "Reject":
      return Effect.logError(`Parked: ${outcome.error}`)
    case "Finish":
      return debug ? Effect.logDebug("Finished") : undefined
    case "Release":
      return debug ? Effect.logDebug("Given back") : undefined
    default:
      return debug ? Effect.logDebug("Moved on") : undefined
  }
}

export const report = (held: Held, outcome: RowOutcome, current: boolean, debug: boolean): Effect.Effect<void> => {
  const log = current ? message(outcome, debug) : outcome._tag === "Release" ? undefined : refused
  return log === undefined ? Effect.void : Effect.annotateLogs(log, annotationsOf(held))
}
