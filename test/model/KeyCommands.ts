/** Enqueueing with keys, on the table and in the model. */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Enqueued } from "../../src/Task.ts"
import type { EnqueueError, TaskKeyTakenError } from "../../src/TaskError.ts"
import type { Command } from "./Commands.ts"
import { expect, type World } from "./Harness.ts"
import * as Model from "./Model.ts"
import { Plain, Safe, waits, Walk } from "./ModelTasks.ts"
import { change } from "./Workers.ts"

type EnqueueKeyed = Extract<Command, { readonly _tag: "EnqueueKeyed" }>
type Failure = EnqueueError | SqlError

/** What the caller was told. With `fail`, of a key that is taken: the id of its row. */
type Told = Pick<Enqueued, "id" | "created" | "status"> | { readonly taken: string | null }

const isTaken = (error: Failure | TaskKeyTakenError): error is TaskKeyTakenError => error._tag === "TaskKeyTakenError"

const send = (
  { due, key, many, n, onConflict, step }: EnqueueKeyed
): Effect.Effect<Told, Failure, SqlClient.SqlClient> => {
  const state = step === "Safe" ? new Safe({ n }) : new Plain({ n })
  const delay = due === "now" ? 0 : waits.hour
  const stored = many
    ? Effect.map(Walk.enqueueAll([state], { key: () => key, onConflict, delay }), ([told]) => told!)
    : Walk.enqueue(state, { key, onConflict, delay })
  return Effect.catchIf(stored, isTaken, ({ id }) => Effect.succeed({ taken: id }))
}

/** A row as it is told of by the call that has just replaced its state. */
const afterwards = (row: Model.Row, before: Model.Row) => Model.replaced(row, before)

export const enqueueKeyed = (world: World, command: EnqueueKeyed) =>
  Effect.gen(function*() {
    const { due, key, n, onConflict, step } = command
    const text = Model.stepText[step](n)
    const at = due === "now" ? { fromNow: 0 } : Model.inMillis(waits.hour)
    const holder = [...world.rows.values()].find((row) => row.key === key && row.task === "Walk")
    const told = yield* send(command)
    const isTold = (row: Model.Row, created: boolean) =>
      expect(
        "id" in told && told.id === row.id && told.created === created &&
          told.status === Model.statusOf(row, world.clock),
        `told ${JSON.stringify(told)} of ${JSON.stringify(row)}`
      )
    if (holder === undefined) {
      if (!("id" in told)) return yield* expect(false, "the key was free").pipe(Effect.as(change(world, [])))
      const row = { ...Model.enqueued(told.id, text, at), key }
      yield* isTold(row, true)
      return change(world, [row])
    }
    if (onConflict === "fail") {
      yield* expect("taken" in told && told.taken === holder.id, `told ${JSON.stringify(told)}`)
      return change(world, [])
    }
    if (onConflict === "keep") {
      yield* isTold(holder, false)
      return change(world, [])
    }
    const row = Model.replacing(holder, { step: text, at }, { throttle: onConflict === "throttle" })
    yield* isTold(afterwards(row, holder), false)
    return change(world, [row])
  })
