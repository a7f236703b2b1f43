/** How one attempt of a step ended, and what that writes into the row. */
import type * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { Deadline } from "../definition/wait.ts"
import type { HistoryEntry } from "../sql/history.ts"
import type { Lease } from "../sql/lease.ts"
import type { LimitOfRow } from "../sql/limits.ts"
import { type Changes, isReplaced, type RowChange, type RowEnd, type StoredRow } from "../sql/outcome.ts"
import { formatCause, toPostgresText } from "./causeText.ts"

/** A move of the task. `asyncCommit` is set where its commit need not wait for the disk. */
export type MoveOutcome =
  /** The task is done: its row is deleted. `left`, once it is stored: how many signals it never took. */
  | { readonly _tag: "Finished"; readonly asyncCommit?: true; readonly left?: number }
  /** The task is done: its row is kept for `keep` milliseconds with its final state. */
  | {
    readonly _tag: "Finished"
    readonly step: string
    readonly keep: number
    readonly asyncCommit?: true
    readonly left?: number
  }
  /** On to `step` at once: the worker keeps the row. `limit`, here and below, is that of `step`. */
  | {
    readonly _tag: "Continued"
    readonly step: string
    readonly asyncCommit?: true
    readonly limit?: LimitOfRow | undefined
  }
  /** On to `step`, due `delay` milliseconds from now, or at a moment. */
  | {
    readonly _tag: "Rescheduled"
    readonly step: string
    readonly delay?: number
    readonly at?: string
    readonly asyncCommit?: true
    readonly limit?: LimitOfRow | undefined
  }
  /**
   * On to `step`, which waits; or, without one, the row waits again in the state that it has. With `delay` or `at`, the
   * time of its wait begins then.
   */
  | Waiting

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
  | Released

/** Nothing is written but the end of the attempt. */
export interface Released {
  readonly _tag: "Released"
  readonly delay?: number
  /** Once it is stored: the outcome that was not written, because a pending state has taken its place. */
  readonly replaced?: Exclude<RowOutcome, Released>["_tag"]
  /** The same: and the signal that its move took is gone. */
  readonly taken?: true
}

/** A row that waits from now on. */
export interface Waiting {
  readonly _tag: "Waiting"
  readonly step?: string
  readonly delay?: number
  readonly at?: string
  /** What it waits for. */
  readonly waits: ReadonlyArray<string>
  readonly deadline: Deadline | undefined
  /** The `wakes` that the claim has read. */
  readonly wakes: number
  readonly asyncCommit?: never
  /** Once it is stored: in how many milliseconds it is due. Null: never. */
  readonly dueIn?: number | null
}

/** How an attempt ended: with something to write, or with its transition stored already, in the step's transaction. */
export type Outcome = RowOutcome | { readonly _tag: "Stored"; readonly outcome: RowOutcome }

/** An attempt of a waiting state, and the place of the signal in the inbox that it took. */
export interface Waited {
  readonly taken: number | undefined
  /** The signal's tag, or `$timeout`. Undefined if nothing has happened. */
  readonly event?: string | undefined
}

/** Whether an outcome that was stored has taken a signal out of its row. */
export const isTaken = ({ wait }: { readonly wait: Waited | undefined }, outcome: RowOutcome): boolean =>
  wait?.taken !== undefined && (outcome._tag === "Finished" || "step" in outcome || "taken" in outcome)

/** Whether the task stops with it: for good, or until somebody repairs it. */
export const isEnd = (outcome: RowOutcome): boolean =>
  outcome._tag === "Finished" || outcome._tag === "Parked" || outcome._tag === "Rejected"

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

/** A table, because it is cheaper for each attempt than to make the text anew. */
const endings: { readonly [Tag in RowOutcome["_tag"]]: Lowercase<Tag> } = {
  Finished: "finished",
  Continued: "continued",
  Rescheduled: "rescheduled",
  Waiting: "waiting",
  Retried: "retried",
  Parked: "parked",
  Rejected: "rejected",
  Released: "released"
}

const endingOfRow = (outcome: RowOutcome): Ending =>
  endings[(outcome._tag === "Released" && outcome.replaced) || outcome._tag]

/** How an attempt ended: with this outcome, unless its row was gone before it could be stored. */
export const endingOf = (stop: Stop | undefined, outcome: Outcome): Ending => {
  if (outcome._tag === "Stored") return endingOfRow(outcome.outcome)
  if (stop === "Lost") return "lost"
  if (stop === "Cancelled") return "cancelled"
  return endingOfRow(outcome)
}

/** Enough to see what is wrong: it is written each time. In characters; a cut may leave half of one. */
const maxLastError = 2000

/** The beginning of an error, where it is written again and again. */
export const shortError = (error: string): string =>
  error.length > maxLastError ? toPostgresText(error.slice(0, maxLastError)) : error

/** What the end of an attempt on a waiting state writes. */
const waitOf = ({ wait }: Fenced): Pick<RowChange, "waited" | "taken"> | undefined =>
  wait && (wait.taken === undefined ? { waited: true } : { waited: true, taken: wait.taken })

const toWaitChange = (fence: RowEnd, { at, deadline, delay, step, waits, wakes }: Waiting): RowChange => ({
  kind: "Waiting",
  waits,
  wakes,
  ...(step !== undefined && { step }),
  ...(delay !== undefined && { delay }),
  ...(at !== undefined && { at }),
  ...deadline,
  ...fence
})

type Change = Exclude<RowOutcome, { readonly _tag: "Finished" }> | Extract<RowOutcome, { readonly keep: number }>

const toRowChange = (fence: RowEnd, outcome: Change): RowChange => {
  switch (outcome._tag) {
    case "Finished":
      return { kind: "Finished", step: outcome.step, keep: outcome.keep, ...fence }
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
    case "Waiting":
      return toWaitChange(fence, outcome)
    case "Retried":
      return { kind: "Retried", delay: outcome.delay, error: shortError(outcome.error), ...fence }
    case "Parked":
    case "Rejected":
      return { kind: outcome._tag, error: outcome.error, ...fence }
  }
}

/** What an outcome needs to know of the attempt's row. */
interface Fenced extends Lease {
  readonly transitions: number
  readonly wait: Waited | undefined
  /** The limit of its state. */
  readonly limit?: LimitOfRow | undefined
}

/**
 * A row that stays leaves the slot that it holds when its attempt ends, unless it is only given back. Its next state, or
 * the next try, knocks again. Undefined where no limit has to do with it.
 */
const limitChange = (
  { limit: held }: Fenced,
  outcome: Change
): Pick<RowChange, "limited" | "key" | "slots"> | undefined => {
  const next = "limit" in outcome ? outcome.limit : undefined
  if (held === undefined && next === undefined || outcome._tag === "Released") return undefined
  const stays = outcome._tag === "Retried" || outcome._tag === "Parked" || outcome._tag === "Rejected"
  const limit = stays ? held : next
  return limit === undefined ? { limited: true } : { limited: true, key: limit.key, slots: limit.slots }
}

/** What a batch of outcomes writes. */
export const toChanges = (
  entries: ReadonlyArray<{
    readonly claimed: Fenced
    readonly outcome: RowOutcome
    readonly history?: HistoryEntry | undefined
  }>
): Changes => {
  const ends: Array<RowEnd> = []
  const changes: Array<RowChange> = []
  // A row that was lost and claimed again may be among them twice: the last of its attempts is the current one.
  let noted: Map<string, HistoryEntry> | undefined
  for (const { claimed, history, outcome } of entries) {
    if (history !== undefined) (noted ??= new Map()).set(claimed.id, history)
    const fence = { id: claimed.id, token: claimed.token, n: claimed.transitions }
    if (outcome._tag === "Finished" && !("step" in outcome)) {
      ends.push(claimed.wait?.taken === undefined ? fence : { taken: claimed.wait.taken, ...fence })
      continue
    }
    const change = toRowChange(fence, outcome)
    const limit = limitChange(claimed, outcome)
    changes.push(
      claimed.wait === undefined && limit === undefined ? change : { ...limit, ...waitOf(claimed), ...change }
    )
  }
  return noted === undefined ? { ends, changes } : { ends, changes, history: [...noted.values()] }
}

const withLeft = (outcome: RowOutcome & { readonly _tag: "Finished" }, left: number): RowOutcome =>
  left > 0 ? { left, ...outcome } : outcome

const toReplaced = (waiting: { readonly wait: Waited | undefined }, outcome: RowOutcome): RowOutcome => {
  if (outcome._tag === "Released") return outcome
  return { _tag: "Released", replaced: outcome._tag, ...(isTaken(waiting, outcome) && { taken: true }) }
}

/** An outcome, with what storing it has told. */
export const withStored = (
  waiting: { readonly wait: Waited | undefined },
  outcome: RowOutcome,
  row: StoredRow
): RowOutcome => {
  const { due, left } = row
  // The attempt has ended, and the row is ready in another state, or scheduled: it is left to any worker.
  if (isReplaced(row)) return toReplaced(waiting, outcome)
  const { wait } = waiting
  switch (outcome._tag) {
    case "Waiting":
      return { dueIn: due ?? null, ...outcome }
    case "Finished":
      return withLeft(outcome, (left ?? 0) - (wait?.taken !== undefined && !("step" in outcome) ? 1 : 0))
    default:
      return outcome
  }
}
