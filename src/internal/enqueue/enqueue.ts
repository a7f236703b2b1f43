/** Storing new tasks. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskTableError } from "../../TaskError.ts"
import type { TaskId } from "../../TaskId.ts"
import { toTableError } from "../sql/errors.ts"
import { notifierOf } from "./notifier.ts"
import * as Insert from "../sql/insert.ts"
import { currentTrace } from "./trace.ts"

export const insertTask = (
  step: string,
  due: Insert.Due,
  watched = false
): Effect.Effect<TaskId, SqlError | TaskTableError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const task = { step, delay: due.delay, at: due.at, trace: yield* currentTrace, watched }
    const transaction = yield* Effect.serviceOption(sql.transactionService)
    return yield* Option.isSome(transaction)
      ? Insert.insertTask(sql, task, false)
      : notifierOf(sql).store((quiet) => Insert.insertTask(sql, task, quiet))
  }).pipe(Effect.catchTag("SqlError", toTableError))

export const insertTasks = (
  steps: ReadonlyArray<string>,
  due: Insert.Due
): Effect.Effect<ReadonlyArray<TaskId>, SqlError | TaskTableError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    if (steps.length === 0) return []
    const sql = yield* SqlClient.SqlClient
    return yield* Insert.insertTasks(sql, { steps, delay: due.delay, at: due.at, trace: yield* currentTrace })
  }).pipe(Effect.catchTag("SqlError", toTableError))
