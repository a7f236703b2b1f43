/** What happened in a step, as a test sees it. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { decodeRaw } from "../../../internal/admin/edit.ts"
import type { Held } from "../../../internal/attempt/claimedTask.ts"
import type { RowOutcome } from "../../../internal/attempt/outcome.ts"
import type { TaskDefinition } from "../../../internal/definition/task.ts"
import type { InvalidStateError } from "../../../TaskError.ts"
import type { Outcome, Rejected } from "../../TaskTest.ts"

/** A result before it gets the types of its task. */
export type AnyResult = Rejected | (Omit<Rejected, "_tag" | "error"> & Outcome<unknown, unknown>)

const stateOf = (task: TaskDefinition, raw: string) => Effect.map(decodeRaw(task, raw), ({ state }) => state)

const outcomeOf = (
  task: TaskDefinition,
  outcome: Exclude<RowOutcome, { readonly _tag: "Reject" }>
): Effect.Effect<Outcome<unknown, unknown>, InvalidStateError> => {
  switch (outcome._tag) {
    case "Finish":
      return Effect.succeed({ _tag: "Finished" })
    case "Advance":
      return Effect.map(stateOf(task, outcome.step), (next) => ({ _tag: "Moved", next }))
    case "Move":
      return Effect.map(stateOf(task, outcome.step), (next) =>
        outcome.at === undefined
          ? { _tag: "Delayed", next, delay: Duration.millis(outcome.delay ?? 0) }
          : { _tag: "Scheduled", next, at: DateTime.makeUnsafe(outcome.at) })
    case "Retry":
      return Effect.succeed({ ...outcome, _tag: "Retried", delay: Duration.millis(outcome.delay) })
    case "Park":
      return Effect.succeed({ _tag: "Parked", error: outcome.error, cause: outcome.cause! })
    case "Release":
      return Effect.succeed({ _tag: "Lost" })
  }
}

/** What became of an attempt. `current`: whether its outcome is in the row. */
export const toResult = Effect.fnUntraced(function*(
  tasks: ReadonlyMap<string, TaskDefinition>,
  held: Held,
  outcome: RowOutcome,
  current: boolean
): Effect.fn.Return<AnyResult, InvalidStateError> {
  const name = { id: held.id, task: held.task ?? null, step: held.tag ?? null }
  if (outcome._tag === "Reject") return { ...name, _tag: "Rejected", error: outcome.error }
  const task = tasks.get(held.task!)!
  const about = { ...name, state: yield* stateOf(task, held.step!), attempt: held.tried + 1 }
  return { ...about, ...(yield* outcomeOf(task, current ? outcome : { _tag: "Release" })) }
})
