/** What the log says of an attempt, once its outcome is stored. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { annotationsOf, type Held } from "./attempt.ts"
import { durationText } from "./durationText.ts"
import type { RowOutcome } from "./outcome.ts"
import type { StoredOutcome } from "./writer.ts"

/** The row is no longer the attempt's: its result changes nothing. */
export const reportLost = (held: Held): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logWarning("Lease lost: the result of this attempt was not stored"),
    annotationsOf(held)
  )

const message = (outcome: RowOutcome, debug: boolean): Effect.Effect<void> | undefined => {
  switch (outcome._tag) {
    case "Retry":
      return Effect.logWarning(`Retry in ${durationText(Duration.millis(outcome.delay))}: ${outcome.error}`)
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

const report = ({ current, held, outcome }: StoredOutcome, debug: boolean): Effect.Effect<void> | undefined => {
  if (!current) return outcome._tag === "Release" ? undefined : reportLost(held)
  const log = message(outcome, debug)
  return log && Effect.annotateLogs(log, annotationsOf(held))
}

/** An outcome that was stored in the transaction of its step. */
export const reportStored = (held: Held, outcome: RowOutcome, debug: boolean): Effect.Effect<void> =>
  report({ current: true, held, outcome }, debug) ?? Effect.void

/** Undefined when there is nothing to say, as for most of what goes well. */
export const reportAll = (results: ReadonlyArray<StoredOutcome>, debug: boolean): Effect.Effect<void> | undefined => {
  let all: Effect.Effect<void> | undefined
  for (const result of results) {
    const one = report(result, debug)
    if (one !== undefined) all = all === undefined ? one : Effect.andThen(all, one)
  }
  return all
}
