/** What an attempt does about children: it stores new ones, lets go of others, and reads what they came to. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Move, Tagged } from "../../NextStep.ts"
import { TaskChildGoneError, type TaskInvalidStateError } from "../../TaskError.ts"
import { type ChildDefinition, childrenIn, decodeChild, isNewChild, resultsIn } from "../definition/child.ts"
import {
  childrenTag,
  type ChildState,
  detachChildren,
  hasOpenChild,
  insertChildren,
  readChildren
} from "../sql/children.ts"
import type { ClaimedTask } from "./claimedTask.ts"
import type { Outcome } from "./outcome.ts"

/** What a step returned, and what that writes. */
interface Moved {
  readonly move: Move
  readonly outcome: Outcome
}

/**
 * What must be committed with a move because of children. Undefined for most moves. New ones are stored; those that the
 * new state doesn't hold any more get their own way. If the task ends, children that have ended stay as they are: to
 * change a hundred thousand rows takes seconds, and nothing depends on their `parent` then.
 */
export const movingChildren = (
  sql: SqlClient,
  claimed: ClaimedTask,
  from: Tagged,
  { move, outcome }: Moved
): Effect.Effect<void, SqlError | TaskInvalidStateError> | undefined => {
  if (move._tag === "None") return undefined
  const after = childrenIn(move.state)
  const added = after.filter(isNewChild)
  const before = childrenIn(from)
  if (added.length === 0 && before.length === 0) return undefined
  const kept = new Set<string>(after.map(({ id }) => id))
  const left = before.filter(({ id }) => !kept.has(id)).map(({ id }) => id)
  const rows = Effect.forEach(added, ({ encoded, id }) => Effect.map(encoded!, (step) => ({ id, step })))
  return Effect.flatMap(rows, (rows) => insertChildren(sql, claimed.id, rows, claimed.trace)).pipe(
    Effect.andThen(detachChildren(sql, left, outcome._tag === "Finished")),
    Effect.withTracerEnabled(false)
  )
}

const backoff = Schedule.min([Schedule.exponential("50 millis", 2), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/** The parent of a task, if it has one: a claim tells. */
export const parentOf = ({ facts }: ClaimedTask): string | undefined =>
  facts === null ? undefined : (JSON.parse(facts) as { readonly parent?: string }).parent

/** The database may be away: that is no failure of the step. */
const persistently = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A> =>
  statement.pipe(Effect.withTracerEnabled(false), Effect.retry(backoff), Effect.orDie)

const gone = ({ id, task }: ChildDefinition) =>
  new TaskChildGoneError({
    id,
    task: task.name,
    message: `The child ${id} of task "${task.name}" is gone: it was cancelled, or ended without a final state`
  })

/** A final state; or, where what is settled is waited for, what has become of the child. */
const resultOf = (rows: ReadonlyMap<string, ChildState>, tag: string) =>
(
  child: ChildDefinition
): Effect.Effect<unknown, TaskChildGoneError | TaskInvalidStateError> => {
  const row = rows.get(child.id)
  if (tag === childrenTag) return row?.ended === true ? decodeChild(child, row.raw) : gone(child)
  if (row === undefined) return Effect.succeed({ _tag: "Gone" })
  return row.ended
    ? Effect.map(decodeChild(child, row.raw), (state) => ({ _tag: "Ended", state }))
    : Effect.succeed({ _tag: "Parked", error: row.error ?? "" })
}

/**
 * What the children of a state have come to, once none of them is open: an effect, which fails if one is gone. Undefined
 * while one is open.
 */
export const joinedChildren = Effect.fnUntraced(function*(sql: SqlClient, state: Tagged, tag: string) {
  const ids = childrenIn(state).map(({ id }) => id)
  if (ids.length === 0) return resultsIn(state, resultOf(new Map(), tag))
  if (yield* persistently(hasOpenChild(sql, ids, tag === childrenTag))) return undefined
  const rows = yield* persistently(readChildren(sql, ids))
  return resultsIn(state, resultOf(new Map(rows.map((row) => [row.id, row])), tag))
})
