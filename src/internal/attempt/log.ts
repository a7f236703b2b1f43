/** What the log says of an attempt, once its outcome is stored. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { annotationsOf, type ClaimedTask, type StoredOutcome } from "./claimedTask.ts"
import { durationText } from "../definition/durationText.ts"
import type { RowOutcome } from "./outcome.ts"

/** The row is no longer the attempt's: its result changes nothing. */
export const reportLost = (claimed: ClaimedTask): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logWarning("Lease lost: the result of this attempt was not stored"),
    annotationsOf(claimed)
  )

/** Somebody has deleted the row: the attempt's result changes nothing, and that is what was wanted. */
export const reportCancelled = (claimed: ClaimedTask): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logInfo("Task cancelled while its step ran: the result of this attempt is not stored"),
    annotationsOf(claimed)
  )

const message = (outcome: RowOutcome, debug: boolean): Effect.Effect<void> | undefined => {
  switch (outcome._tag) {
    case "Retried":
      return Effect.logWarning(`Retry in ${durationText(Duration.millis(outcome.delay))}: ${outcome.error}`)
    case "Finished":
      if (outcome.left === undefined) return debug ? Effect.logDebug(outcome._tag) : undefined
      return Effect.logWarning(`The task has ended without having taken ${outcome.left} of the signals that it got`)
    case "Parked":
    case "Rejected":
      return Effect.logError(`Parked: ${outcome.error}`)
    default:
      return debug ? Effect.logDebug(outcome._tag) : undefined
  }
}

const nothing: ReadonlySet<string> = new Set()

const report = (
  { current, claimed, outcome }: StoredOutcome,
  debug: boolean,
  cancelled: ReadonlySet<string>
): Effect.Effect<void> | undefined => {
  if (!current && outcome._tag === "Released") return undefined
  if (!current) return cancelled.has(claimed.id) ? reportCancelled(claimed) : reportLost(claimed)
  const log = message(outcome, debug)
  return log && Effect.annotateLogs(log, annotationsOf(claimed))
}

/** An outcome that was stored in the transaction of its step. */
export const reportStored = (claimed: ClaimedTask, outcome: RowOutcome, debug: boolean): Effect.Effect<void> =>
  report({ current: true, claimed, outcome }, debug, nothing) ?? Effect.void

/**
 * Undefined when there is nothing to say, as for most of what goes well. `cancelled` are those of the refused ones whose
 * row was deleted.
 */
export const reportAll = (
  results: ReadonlyArray<StoredOutcome>,
  debug: boolean,
  cancelled: ReadonlySet<string> = nothing
): Effect.Effect<void> | undefined => {
  let all: Effect.Effect<void> | undefined
  for (const result of results) {
    const one = report(result, debug, cancelled)
    if (one !== undefined) all = all === undefined ? one : Effect.andThen(all, one)
  }
  return all
}
