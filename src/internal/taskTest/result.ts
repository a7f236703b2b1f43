/** What happened in a step, as a test sees it. */
import type * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { decodeRaw } from "../definition/task.ts"
import type { ClaimedTask } from "../attempt/claimedTask.ts"
import type { RowOutcome } from "../attempt/outcome.ts"
import type { TaskDefinition } from "../definition/task.ts"
import type { TaskInvalidStateError } from "../../TaskError.ts"
import type { TaskId } from "../../TaskId.ts"

/** What became of a step, before it gets the types of its task: `TaskTest.Outcome`. */
type AnyOutcome =
  | { readonly _tag: "Finished" | "Lost" }
  | { readonly _tag: "Ended" | "Continued" | "Waiting"; readonly next: unknown }
  | { readonly _tag: "Delayed"; readonly next: unknown; readonly delay: Duration.Duration }
  | { readonly _tag: "Scheduled"; readonly next: unknown; readonly at: DateTime.Utc }
  | {
    readonly _tag: "Retried"
    readonly error: string
    readonly cause: Cause.Cause<unknown>
    readonly delay: Duration.Duration
  }
  | { readonly _tag: "Parked"; readonly error: string; readonly cause: Cause.Cause<unknown> }

/** What became of one row's step: `TaskTest.Result`. */
export type AnyResult =
  & { readonly id: TaskId; readonly task: string | null; readonly step: string | null }
  & (AnyOutcome | { readonly _tag: "Rejected"; readonly error: string })

const stateOf = (task: TaskDefinition, raw: string) => Effect.map(decodeRaw(task, raw), ({ state }) => state)

const outcomeOf = (
  task: TaskDefinition,
  step: string,
  outcome: Exclude<RowOutcome, { readonly _tag: "Rejected" }>
): Effect.Effect<AnyOutcome, TaskInvalidStateError> => {
  switch (outcome._tag) {
    case "Finished":
      return "step" in outcome
        ? Effect.map(stateOf(task, outcome.step), (next) => ({ _tag: "Ended", next }))
        : Effect.succeed({ _tag: "Finished" })
    case "Continued":
      return Effect.map(stateOf(task, outcome.step), (next) => ({ _tag: "Continued", next }))
    case "Waiting":
      return Effect.map(stateOf(task, outcome.step ?? step), (next) => ({ _tag: "Waiting", next }))
    case "Rescheduled":
      return Effect.map(stateOf(task, outcome.step), (next) =>
        outcome.at === undefined
          ? { _tag: "Delayed", next, delay: Duration.millis(outcome.delay ?? 0) }
          : { _tag: "Scheduled", next, at: DateTime.makeUnsafe(outcome.at) })
    case "Retried":
      return Effect.succeed({ ...outcome, _tag: "Retried", delay: Duration.millis(outcome.delay) })
    case "Parked":
      return Effect.succeed({ _tag: "Parked", error: outcome.error, cause: outcome.cause! })
    case "Released":
      return Effect.succeed({ _tag: "Lost" })
  }
}

/** What became of an attempt. `current`: whether its outcome was stored. */
export const toResult = Effect.fnUntraced(function*(
  tasks: ReadonlyMap<string, TaskDefinition>,
  claimed: ClaimedTask,
  outcome: RowOutcome,
  current: boolean
): Effect.fn.Return<AnyResult, TaskInvalidStateError> {
  const name = { id: claimed.id, task: claimed.task ?? null, step: claimed.tag ?? null }
  if (outcome._tag === "Rejected") return { ...name, _tag: "Rejected", error: outcome.error }
  const task = tasks.get(claimed.task!)!
  const about = { ...name, state: yield* stateOf(task, claimed.step!), attempt: claimed.tried + 1 }
  return { ...about, ...(yield* outcomeOf(task, claimed.step!, current ? outcome : { _tag: "Released" })) }
})
