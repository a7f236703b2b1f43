/** Whether a step of a limited state may begin. */
import * as Effect from "effect/Effect"
import type { Tagged } from "../../NextStep.ts"
import { type LimitDefinition, limitOfState } from "../definition/limit.ts"
import { formatCause, toPostgresText } from "./causeText.ts"
import type { Attempt } from "./claimedTask.ts"
import type { Outcome } from "./outcome.ts"

/** Why the step can't begin yet. Undefined if the row holds a slot of its state's key, and knows how many there are. */
const missingSlot = (
  attempt: Attempt,
  limit: LimitDefinition,
  state: Tagged
): Effect.Effect<Outcome | undefined> => {
  const { limit: held, task } = attempt.claimed
  return Effect.try({
    try: (): Outcome | undefined => {
      const needed = limitOfState(limit, state)
      if (held !== undefined && held.slot > 0 && held.key === needed.key && held.slots === needed.slots) {
        return undefined
      }
      attempt.knocks = needed
      return { _tag: "Released" }
    },
    catch: (error) => error
  }).pipe(
    Effect.catchCause((cause) =>
      Effect.succeed<Outcome>({ _tag: "Rejected", error: toPostgresText(`${task}: ${formatCause(cause)}`) })
    )
  )
}

/** Runs the step if its row holds a slot. Else it has not begun, and `attempt.knocks` says what it needs. */
export const withSlot = (
  attempt: Attempt,
  limit: LimitDefinition,
  state: Tagged,
  run: Effect.Effect<Outcome>
): Effect.Effect<Outcome> =>
  Effect.flatMap(missingSlot(attempt, limit, state), (missing) => missing === undefined ? run : Effect.succeed(missing))
