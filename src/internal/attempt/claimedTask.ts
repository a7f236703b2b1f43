/** One claimed row while this worker holds it, and the attempt that runs its step. */
import * as Cause from "effect/Cause"
import type * as Fiber from "effect/Fiber"
import type { ClaimedRow } from "../sql/claim.ts"
import type { HistoryEntry } from "../sql/history.ts"
import type { LimitOfRow } from "../sql/limits.ts"
import { nextTransition } from "../sql/transitions.ts"
import type { Outcome, RowOutcome, Stop, Waited } from "./outcome.ts"
import type { TaskId } from "../../TaskId.ts"

/** Where a claimed task is on its way through the worker. */
export type Stage = "Buffered" | "Running" | "Storing"

/** A limit, as a claimed row has it. */
export interface HeldLimit extends LimitOfRow {
  readonly slot: number
}

/** What a claim has told of a row's limit. Most rows have no facts, and most facts say nothing of limits. */
const limitIn = (facts: string | null): HeldLimit | undefined => {
  if (facts === null || !facts.includes("limitKey")) return undefined
  const { limitKey: key, slot, slots = 1 } = JSON.parse(facts) as {
    readonly limitKey?: string
    readonly slot?: number
    readonly slots?: number
  }
  return key === undefined || slot === undefined ? undefined : { key, slot, slots }
}

export class ClaimedTask {
  readonly id: TaskId
  /** The token of its claim: with `transitions`, the fence of every write. */
  readonly token: string
  readonly trace: string | null
  readonly crashes: number
  readonly facts: string | null
  /** The limit of its state, if it has one, and the slot that it holds: 0 if it has none yet. */
  limit: HeldLimit | undefined
  /** When the statement was sent that has told of this slot, by the local clock in milliseconds. */
  slotSince = -Infinity
  /** Whether somebody waits for the task's end, as far as its last write says. */
  watched = false
  /** The text of `step`, or null if it is too long to be read. */
  step: string | null
  tried: number
  transitions: number
  /** While its state is a waiting one: what its attempt took. */
  wait: Waited | undefined
  /** What it is called in logs, once `step` was decoded. */
  task: string | undefined
  tag: string | undefined
  /** The tag of the former state that the row holds, once it became the state of the step. */
  former: string | undefined
  /** How long the step was due before it was claimed, and then waited for a slot, in milliseconds. */
  waited: number
  /** How much memory its texts take: see memory.ts. */
  weight = 0
  stage: Stage = "Buffered"
  /** The attempt that runs its step. */
  attempt: Attempt | undefined
  /** In which lane of its worker it waits: see worker/lanes.ts. */
  lane: number
  /** When this worker got the row, and when its lease was last extended, by the local clock in milliseconds. */
  heldSince: number
  renewedAt: number
  /** When its last attempt has ended, and its outcome was handed over to be stored, by the same clock. */
  storedAt: number
  /** Called when its first attempt here has ended. */
  onEnd: (() => void) | undefined

  constructor(row: ClaimedRow, token: string, now: number, lane = 0) {
    this.id = row.id
    this.token = token
    this.trace = row.trace
    this.crashes = row.crashes
    this.facts = row.facts
    this.limit = limitIn(row.facts)
    this.step = row.step
    this.tried = row.tried
    this.transitions = row.transitions
    this.waited = row.waited
    this.lane = lane
    this.heldSince = this.renewedAt = this.storedAt = now
  }

  /** What `NextStep.now` does to the row: it stays claimed, and its next step is due at once. */
  advance(step: string, limit?: LimitOfRow): void {
    this.step = step
    this.limit = limit && { key: limit.key, slots: limit.slots, slot: 0 }
    this.wait = undefined
    this.former = undefined
    this.tried = 0
    this.transitions = nextTransition(this.transitions)
    this.waited = 0
  }
}

/** One run of a step. */
export interface Attempt {
  readonly claimed: ClaimedTask
  /** By the local clock, in milliseconds. */
  readonly startedAt: number
  /** Runs it, where it has a fiber of its own. */
  fiber: Fiber.Fiber<Outcome> | undefined
  /** What it came to: also when its fiber's own exit is an interruption from inside. */
  outcome: Outcome | undefined
  /** The step has not begun: its state has this limit, and the row holds no slot of it. */
  knocks: LimitOfRow | undefined
  /** The step has not begun: its row may not start yet, and has left this worker. */
  hasLeft: boolean
  /** Committed with the step's transaction: it stands, though an interruption may hide it from the fiber's exit. */
  committed: RowOutcome | undefined
  /** Why it is to end before its time. */
  stop: Stop | undefined
}

export const makeAttempt = (claimed: ClaimedTask, now: number): Attempt => ({
  claimed,
  startedAt: now,
  fiber: undefined,
  outcome: undefined,
  knocks: undefined,
  hasLeft: false,
  committed: undefined,
  stop: undefined
})

/** What we interrupted is not a failure of the step: its row is given back, or is no longer ours. */
export const wasStopped = ({ stop }: Attempt, cause: Cause.Cause<unknown>): boolean =>
  stop !== undefined && Cause.hasInterrupts(cause)

/** An outcome on its way to the row. */
export interface Entry {
  readonly claimed: ClaimedTask
  readonly outcome: RowOutcome
  /** Undefined for a row that did not run, and for a task that keeps no history. */
  readonly history?: HistoryEntry | undefined
}

/** The outcome is in the row, or (not `current`) was refused because the row is no longer the attempt's. */
export interface StoredOutcome extends Entry {
  readonly current: boolean
}

/** What every log line about a task says. */
export const annotationsOf = ({ former, id, tag, task, tried }: ClaimedTask) =>
  former === undefined
    ? { task, step: tag, id, attempt: tried + 1 }
    : { task, step: tag, former, id, attempt: tried + 1 }
