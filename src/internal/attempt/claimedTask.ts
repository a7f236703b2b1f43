/** One claimed row while this worker holds it. */
import type * as Fiber from "effect/Fiber"
import type { ClaimedRow } from "../sql/claim.ts"
import type { Outcome, RowOutcome, Stop } from "./outcome.ts"
import type { TaskId } from "../../TaskId.ts"

/** Where a held row is on its way through the worker. */
export type Stage = "Buffered" | "Running" | "Storing"

export interface ClaimedTask {
  readonly id: TaskId
  /** The token of its claim: with `transitions`, the fence of every write. */
  readonly token: string
  readonly trace: string | null
  readonly crashes: number
  /** What it is called in logs, once it was decoded. */
  task: string | undefined
  tag: string | undefined
  /** The text of `step`, or null if it is too long to be read. Changes with each `NextStep.now`, as `tried` and `transitions` do. */
  step: string | null
  /** How much memory its texts take: see memory.ts. */
  weight: number
  tried: number
  transitions: number
  /** How long the step was due before it was claimed, in milliseconds. */
  waited: number
  stage: Stage
  /** When this worker got the row, and when its lease was last extended, by the local clock in milliseconds. */
  heldSince: number
  startedAt: number
  renewedAt: number
  /** When its last attempt has ended, and its outcome was handed over to be stored, by the same clock. */
  storedAt: number
  fiber: Fiber.Fiber<Outcome> | undefined
  /** What the attempt came to: also when its fiber's own exit is an interruption from inside. */
  outcome: Outcome | undefined
  /** Committed with the step's transaction: it stands, though an interruption may hide it from the fiber's exit. */
  committed: RowOutcome | undefined
  stop: Stop | undefined
  /** Called when its first attempt here has ended. */
  onEnd: (() => void) | undefined
}

/** An outcome on its way to the row. */
export interface Entry {
  readonly held: ClaimedTask
  readonly outcome: RowOutcome
}

/** The outcome is in the row, or (not `current`) was refused because the row is no longer the attempt's. */
export interface StoredOutcome extends Entry {
  readonly current: boolean
}

export const makeClaimedTask = (row: ClaimedRow, token: string, now: number): ClaimedTask => ({
  id: row.id,
  token,
  trace: row.trace,
  crashes: row.crashes,
  task: undefined,
  tag: undefined,
  step: row.step,
  weight: 0,
  tried: row.tried,
  transitions: row.transitions,
  waited: row.waited,
  stage: "Buffered",
  heldSince: now,
  startedAt: now,
  renewedAt: now,
  storedAt: now,
  fiber: undefined,
  outcome: undefined,
  committed: undefined,
  stop: undefined,
  onEnd: undefined
})

/** What every log line about the attempt says. */
export const annotationsOf = (held: ClaimedTask) => ({
  task: held.task,
  step: held.tag,
  id: held.id,
  attempt: held.tried + 1
})
