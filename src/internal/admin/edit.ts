/** Replacing a task's state. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { EditFailure } from "../../Admin.ts"
import { EditError, InvalidStateError } from "../../TaskError.ts"
import * as Statements from "../sql/admin.ts"
import { checkId, notFound } from "./target.ts"
import { explain } from "../sql/errors.ts"
import { type Decoded, type ParsedStep, parseStep } from "../definition/codec.ts"
import type { TaskDefinition } from "../definition/task.ts"

/** What is behind a task's typed face. */
export const definitionOf = (task: unknown): TaskDefinition => task as TaskDefinition

/** Whether `raw` has the shape that every task's `step` has. */
export const checkRaw = (raw: string): Effect.Effect<ParsedStep, InvalidStateError> =>
  Effect.mapError(parseStep(raw), ({ message }) => new InvalidStateError({ task: "", state: "", message }))

export const decodeRaw = Effect.fnUntraced(function*(
  task: TaskDefinition,
  raw: string
): Effect.fn.Return<Decoded, InvalidStateError> {
  const parsed = yield* checkRaw(raw)
  const invalid = (message: string) => new InvalidStateError({ task: task.name, state: parsed.tag, message })
  if (parsed.task !== task.name) return yield* invalid(`This is a task "${parsed.task}", not "${task.name}"`)
  return yield* Effect.mapError(task.codec.decode(parsed), ({ message }) => invalid(message))
})

const refusal = (id: string, edited: Statements.Edited, task: string | undefined): EditError =>
  task !== undefined && edited.task !== task
    ? new EditError({ reason: "OtherTask", id, message: `${id} is a task "${edited.task ?? ""}", not "${task}"` })
    : edited.running
    ? new EditError({ reason: "Running", id, message: `${id} is running: a state can be edited only while it is not` })
    : new EditError({ reason: "Changed", id, message: `${id} has moved on since it was read: look at it again` })

/** Stores the new state, or says why it can't be. */
export const store: (
  id: string,
  edit: Omit<Statements.Edit, "id">
) => Effect.Effect<void, EditFailure, SqlClient.SqlClient> = Effect.fn("Admin.edit")(function*(given, edit) {
  const id = yield* checkId(given)
  const [edited] = yield* Statements.edit(yield* SqlClient.SqlClient, { ...edit, id })
  if (edited === undefined) return yield* notFound(id)
  if (!edited.changed) return yield* refusal(id, edited, edit.task)
}, Effect.catchTag("SqlError", explain))
