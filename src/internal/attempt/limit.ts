/** Whether a step of a limited state may begin. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Tagged } from "../../NextStep.ts"
import { type LimitDefinition, limitOfState } from "../definition/limit.ts"
import type { LimitOfRow } from "../sql/limits.ts"
import { formatCause, toPostgresText } from "./causeText.ts"
import type { Attempt, ClaimedTask, HeldLimit } from "./claimedTask.ts"
import type { Outcome } from "./outcome.ts"
import type { Restore } from "./waiting.ts"

/** A row that has asked for a slot. Without a limit, it has left this worker: it waits at the door, or it was lost. */
export interface Entered {
  readonly claimed: ClaimedTask
  readonly limit?: HeldLimit | undefined
  /** Why Postgres refuses its key, and would refuse it again. */
  readonly refused?: string
}

/** Where rows ask: see worker/door.ts. */
export interface LimitDoor {
  /** Whether the slot of a row was given to it before a back-off. */
  readonly isHeldBack: (claimed: ClaimedTask, key: string) => boolean
  /** Waits for the answer, holding the place in the pool: who may start does so at once. */
  readonly ask: (claimed: ClaimedTask, limit: LimitOfRow) => Effect.Effect<Entered>
}

interface Limited {
  readonly door: LimitDoor
  readonly limit: LimitDefinition
  readonly state: Tagged
  readonly restore: Restore
}

/** Whether the row holds a slot of its state's key, and knows how many there are. */
const holdsSlot = ({ limit: held }: ClaimedTask, { key, slots }: LimitOfRow): boolean =>
  held !== undefined && held.slot > 0 && held.key === key && held.slots === slots

/** Why the step can't begin: undefined if it can. */
const asked = (
  attempt: Attempt,
  needed: LimitOfRow,
  { door, restore }: Limited
): Effect.Effect<Outcome | undefined> =>
  Effect.map(Effect.exit(restore(door.ask(attempt.claimed, needed))), (exit): Outcome | undefined => {
    // Interrupted. If the answer comes yet, nobody needs it.
    if (Exit.isFailure(exit)) return { _tag: "Released" }
    const { limit, refused } = exit.value
    if (refused !== undefined) return { _tag: "Rejected", error: toPostgresText(refused) }
    attempt.hasLeft = limit === undefined
    if (limit === undefined) return { _tag: "Released" }
    attempt.claimed.limit = limit
    return undefined
  })

/** Why the step can't begin yet. */
const missing = (attempt: Attempt, limited: Limited): Effect.Effect<Outcome | undefined> => {
  const { claimed } = attempt
  // The user's functions may throw anything.
  const needed = Effect.try({ try: () => limitOfState(limited.limit, limited.state), catch: (error) => error })
  return Effect.matchCauseEffect(needed, {
    onFailure: (cause) =>
      Effect.succeed<Outcome>({ _tag: "Rejected", error: toPostgresText(`${claimed.task}: ${formatCause(cause)}`) }),
    onSuccess: (needed) => {
      const isHeld = holdsSlot(claimed, needed)
      const mustAsk = needed.rate !== undefined || isHeld && limited.door.isHeldBack(claimed, needed.key)
      if (mustAsk) return asked(attempt, needed, limited)
      if (isHeld) return Effect.succeed(undefined)
      attempt.knocks = needed
      return Effect.succeed<Outcome>({ _tag: "Released" })
    }
  })
}

/**
 * Runs the step if its row holds a slot, and has its moment where its limit has a rate. Else it has not begun:
 * `attempt.knocks` says what it needs, or it has left this worker.
 */
export const withSlot = (attempt: Attempt, limited: Limited, run: Effect.Effect<Outcome>): Effect.Effect<Outcome> =>
  Effect.flatMap(missing(attempt, limited), (why) => why === undefined ? run : Effect.succeed(why))
