/** Replacing a task's state. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { TaskEditError } from "../../TaskError.ts"
import * as Statements from "../sql/admin.ts"
import { checkId, notFound } from "./target.ts"
import { toTableError } from "../sql/errors.ts"

const refusal = (id: string, edited: Statements.Edited, task: string | undefined): TaskEditError =>
  task !== undefined && edited.task !== task
    ? new TaskEditError({ reason: "OtherTask", id, message: `${id} is a task "${edited.task ?? ""}", not "${task}"` })
    : edited.ended
    ? new TaskEditError({
      reason: "Ended",
      id,
      message: `${id} has ended: its state is its result. To run it again, enqueue a new task`
    })
    : edited.running
    ? new TaskEditError({
      reason: "Running",
      id,
      message: `${id} is running: a state can be edited only while it is not`
    })
    : new TaskEditError({ reason: "Changed", id, message: `${id} has moved on since it was read: look at it again` })

/** Stores the new state, or says why it can't be. */
export const store = Effect.fn("Admin.edit")(function*(given: string, edit: Omit<Statements.Edit, "id">) {
  const id = yield* checkId(given)
  const [edited] = yield* Statements.edit(yield* SqlClient.SqlClient, { ...edit, id })
  if (edited === undefined) return yield* notFound(id)
  if (!edited.changed) return yield* refusal(id, edited, edit.task)
}, Effect.catchTag("SqlError", toTableError))
