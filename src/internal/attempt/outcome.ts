/** How one attempt of a step ended, and what that writes into the row. */
import type * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { Lease } from "../sql/lease.ts"
import type { Changes, RowChange, RowEnd } from "../sql/outcome.ts"
import { formatCause, toPostgresText } from "./causeText.ts"

/** A move of the task. `asyncCommit` is set where its commit need not wait for the disk. */
export type MoveOutcome =
  /** The task is done. */
  | { readonly _tag: "Finished"; readonly asyncCommit?: true }
  /** On to `step` at once: the worker keeps the row. */
  | { readonly _tag: "Continued"; readonly step: string; readonly asyncCommit?: true }
  /** On to `step`, due `delay` milliseconds from now, or at a moment. */
  | {
    readonly _tag: "Rescheduled"
    readonly step: string
    readonly delay?: number
    readonly at?: string
    readonly asyncCommit?: true
  }

/** What is to be written into the row. */
export type RowOutcome =
  | MoveOutcome
  /** Failed; again in `delay` milliseconds. */
  | { readonly _tag: "Retried"; readonly delay: number; readonly error: string; readonly cause: Cause.Cause<unknown> }
  /** Failed for good. Without a cause where it was the database that refused. */
  | { readonly _tag: "Parked"; readonly error: string; readonly cause?: Cause.Cause<unknown> }
  /** The row can't be decoded: parked without having been tried. */
  | { readonly _tag: "Rejected"; readonly error: string }
  /** Released untouched: it was only buffered, or it was interrupted. */
  | { readonly _tag: "Released"; readonly delay?: number }

/** How an attempt ended: with something to write, or with its transition stored already, in the step's transaction. */
export type Outcome = RowOutcome | { readonly _tag: "Stored"; readonly outcome: RowOutcome }

/** Whether its commit need not wait for the disk. */
export const isAsync = (outcome: RowOutcome): boolean => "asyncCommit" in outcome

/** Why an attempt was interrupted, if we did it: the lease is lost, the task was cancelled, or the worker stops. */
export type Stop = "Lost" | "Cancelled" | "Released"

/** An attempt whose fiber ended without one: it was interrupted before it began, or this library has a bug. */
export const withoutOutcome = (stop: Stop | undefined, exit: Exit.Exit<Outcome>): Outcome =>
  stop !== undefined || Exit.isSuccess(exit)
    ? { _tag: "Released" }
    : { _tag: "Parked", error: toPostgresText(`A bug of effect-pg-task, please report it: ${formatCause(exit.cause)}`) }

/** How an attempt ended, in metrics and spans. */
export type Ending = Lowercase<RowOutcome["_tag"] | "Lost" | "Cancelled">

/** How an attempt ended: with this outcome, unless its row was gone by then. */
export const endingOf = (stop: Stop | undefined, outcome: Outcome): Ending => {
  if (stop === "Lost") return "lost"
  if (stop === "Cancelled") return "cancelled"
  const { _tag } = outcome._tag === "Stored" ? outcome.outcome : outcome
  return _tag.toLowerCase() as Lowercase<typeof _tag>
}

/** Enough to see what is wrong: it is written each time. In characters; a cut may leave half of one. */
const maxLastError = 2000

const lastError = (error: string): string =>
  error.length > maxLastError ? toPostgresText(error.slice(0, maxLastError)) : error

const toRowChange = (fence: RowEnd, outcome: Exclude<RowOutcome, { readonly _tag: "Finished" }>): RowChange => {
  switch (outcome._tag) {
    case "Released":
      return outcome.delay === undefined
        ? { kind: "Released", ...fence }
        : { kind: "Released", delay: outcome.delay, ...fence }
    case "Continued":
      return { kind: "Continued", step: outcome.step, ...fence }
    case "Rescheduled":
      return {
        kind: "Rescheduled",
        step: outcome.step,
        ...(outcome.at !== undefined ? { at: outcome.at } : { delay: outcome.delay ?? 0 }),
        ...fence
      }
    case "Retried":
      return { kind: "Retried", delay: outcome.delay, error: lastError(outcome.error), ...fence }
    case "Parked":
    case "Rejected":
      return { kind: outcome._tag, error: outcome.error, ...fence }
  }
}

/** What a batch of outcomes writes. */
export const toChanges = (
  entries: ReadonlyArray<{ readonly claimed: Lease & { readonly transitions: number }; readonly outcome: RowOutcome }>
): Changes => {
  const ends: Array<RowEnd> = []
  const changes: Array<RowChange> = []
  for (const { claimed, outcome } of entries) {
    const fence = { id: claimed.id, token: claimed.token, n: claimed.transitions }
    if (outcome._tag === "Finished") ends.push(fence)
    else changes.push(toRowChange(fence, outcome))
  }
  return { ends, changes }
}
