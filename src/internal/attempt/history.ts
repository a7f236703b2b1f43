/** What an attempt leaves in the history of its task, where the task keeps one. */
import type { TaskDefinition } from "../definition/task.ts"
import type { HistoryEntry, KeptHistories } from "../sql/history.ts"
import { clampMillis } from "../sql/time.ts"
import type { Attempt } from "./claimedTask.ts"
import { endingOf, type RowOutcome, shortError } from "./outcome.ts"

/** Undefined if the task of this attempt keeps no history. */
export type ToHistory = (attempt: Attempt, outcome: RowOutcome) => HistoryEntry | undefined

/** A row was woken, but nothing has happened that it waits for. */
const ranNothing = (outcome: RowOutcome): boolean => outcome._tag === "Waiting" && outcome.step === undefined

/** How long each of these tasks keeps its history: for ever without a number. In milliseconds. */
export const keptHistories = (tasks: ReadonlyMap<string, TaskDefinition>): KeptHistories => {
  const kept = new Map<string, number | undefined>()
  for (const { history, name } of tasks.values()) {
    if (history !== undefined) kept.set(name, history === Infinity ? undefined : clampMillis(history))
  }
  return kept
}

/** Undefined if none of the tasks keeps a history: then its attempts need not be looked at. `now` in milliseconds. */
export const makeToHistory = (
  tasks: ReadonlyMap<string, TaskDefinition>,
  now: () => number,
  worker?: string
): ToHistory | undefined => {
  const kept = keptHistories(tasks)
  if (kept.size === 0) return undefined
  return ({ claimed, startedAt }, outcome) =>
    claimed.task === undefined || !kept.has(claimed.task) || ranNothing(outcome) ? undefined : {
      id: claimed.id,
      task: claimed.task,
      state: claimed.tag,
      transition: claimed.transitions,
      attempt: claimed.tried + 1,
      outcome: endingOf(undefined, outcome),
      signal: claimed.wait?.event,
      error: "error" in outcome ? shortError(outcome.error) : undefined,
      duration: now() - startedAt,
      worker,
      keep: kept.get(claimed.task)
    }
}
