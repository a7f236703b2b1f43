/** Storing new tasks. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskTableError } from "../../TaskError.ts"
import type { TaskId } from "../../TaskId.ts"
import { asOwn, toTableError } from "../sql/errors.ts"
import type { KeyRow } from "../sql/keys.ts"
import type { Key } from "./key.ts"
import { enqueueKeyed, type KeyedError } from "./keyed.ts"
import { notifierOf } from "./notifier.ts"
import * as Insert from "../sql/insert.ts"
import type { LimitOfRow } from "../sql/limits.ts"
import { currentTrace } from "./trace.ts"

/** Stores a task: with its key, if it has one. */
export const enqueueTask = (
  task: string,
  step: string,
  { due, key, limit, watched = false }: {
    readonly due: Insert.Due
    readonly key: Key | undefined
    /** Somebody waits for its end. With a key, they must mark the row themselves: it may be there already. */
    readonly watched?: boolean
    /** Not used with a key: then the worker that claims the row finds out its limit. */
    readonly limit?: LimitOfRow | undefined
  }
): Effect.Effect<TaskId | KeyRow, KeyedError, SqlClient.SqlClient> =>
  key === undefined ? insertTask(step, due, { watched, limit }) : enqueueKeyed(step, { task, ...due }, key)

const insertTask = (
  step: string,
  due: Insert.Due,
  { limit, watched }: { readonly watched: boolean; readonly limit: LimitOfRow | undefined }
): Effect.Effect<TaskId, SqlError | TaskTableError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const task = { step, delay: due.delay, at: due.at, trace: yield* currentTrace, watched, limit }
    const transaction = yield* Effect.serviceOption(sql.transactionService)
    return yield* Option.isSome(transaction)
      ? asOwn(Insert.insertTask(sql, task, false))
      : notifierOf(sql).store((quiet) => Insert.insertTask(sql, task, quiet))
  }).pipe(Effect.catchTag("SqlError", toTableError))

export const insertTasks = (
  steps: ReadonlyArray<string>,
  due: Insert.Due,
  limits?: ReadonlyArray<LimitOfRow | undefined>
): Effect.Effect<ReadonlyArray<TaskId>, SqlError | TaskTableError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    if (steps.length === 0) return []
    const sql = yield* SqlClient.SqlClient
    const tasks = { steps, delay: due.delay, at: due.at, trace: yield* currentTrace }
    const inserted = limits === undefined
      ? Insert.insertTasks(sql, tasks)
      : Insert.insertLimited(sql, { limits, ...tasks })
    return yield* asOwn(inserted)
  }).pipe(Effect.catchTag("SqlError", toTableError))
