/** Waiting for what a task comes to, and looking at the state in which it is. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Tagged } from "../../NextStep.ts"
import {
  TaskIdError,
  TaskInvalidStateError,
  TaskNotFoundError,
  TaskParkedError,
  TaskTransactionError
} from "../../TaskError.ts"
import { TaskId } from "../../TaskId.ts"
import { type Found, waitersOf } from "../enqueue/waiters.ts"
import { toTableError } from "../sql/errors.ts"
import { peek } from "../sql/results.ts"
import { type DecodeError, readStep } from "./codec.ts"
import type { DeclarationDefinition } from "./declaration.ts"

/** `Task.AwaitOptions`. */
export interface AwaitOptions {
  readonly onParked?: "fail" | "wait" | undefined
}

const isTaskId = Schema.is(TaskId)

const checkId = (id: string): Effect.Effect<string, TaskIdError> =>
  isTaskId(id)
    ? Effect.succeed(id)
    : new TaskIdError({ id: String(id), message: `"${String(id)}" is not the id of a task: \`enqueue\` returns one` })

/** It would wait for itself: no worker sees what an open transaction has stored. */
export const refuseTransaction = (
  task: string,
  sql: SqlClient.SqlClient
): Effect.Effect<void, TaskTransactionError> =>
  Effect.flatMap(Effect.serviceOption(sql.transactionService), (transaction) =>
    Option.isNone(transaction) ? Effect.void : new TaskTransactionError({
      task,
      message: `${task}: a result can't be waited for within a transaction, because workers see the task only after its `
        + "commit. Enqueue it there, and await it afterwards"
    }))

const gone = (id: string) =>
  new TaskNotFoundError({
    id,
    message: `There is no task ${id} (any more): it has finished without a final state, its result is no longer kept, `
      + "or it was cancelled"
  })

const decode = ({ codec, name }: DeclarationDefinition, raw: string | null) => {
  const invalid = (state: string) => ({ message }: DecodeError) =>
    new TaskInvalidStateError({ task: name, state, message })
  const parsed = readStep(raw)
  if (!("tag" in parsed)) return Effect.fail(invalid("")(parsed))
  if (parsed.task !== name) {
    return new TaskInvalidStateError({
      task: name,
      state: parsed.tag,
      message: `This is a task "${parsed.task}", not "${name}"`
    })
  }
  return Effect.mapBoth(codec.decode(parsed), { onFailure: invalid(parsed.tag), onSuccess: ({ state }) => state })
}

/** Whether nothing more is to be waited for. */
export const isSettled = ({ onParked }: AwaitOptions) => (found: Found): boolean =>
  found === undefined || found.ended || (found.error !== null && onParked !== "wait")

/** What a task has come to. */
export const resultOf = (
  declaration: DeclarationDefinition,
  id: string,
  found: Found
): Effect.Effect<Tagged, TaskInvalidStateError | TaskNotFoundError | TaskParkedError> => {
  if (found === undefined) return gone(id)
  if (found.ended) return decode(declaration, found.raw)
  const error = found.error ?? ""
  return new TaskParkedError({
    id,
    task: found.task ?? declaration.name,
    error,
    message: `Task ${id} is parked, and goes on only if somebody retries it: ${error}`
  })
}

/** Fails at once for a task of another name: its result would fit no schema of this one. */
const checkTask = (declaration: DeclarationDefinition, found: Found) =>
  found !== undefined && found.task !== declaration.name ? Effect.asVoid(decode(declaration, found.raw)) : Effect.void

/** `Declaration.await`. */
export const awaitResult = (declaration: DeclarationDefinition, given: string, options: AwaitOptions = {}) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* refuseTransaction(declaration.name, sql)
    const id = yield* checkId(given)
    const isSettledOrOther = (found: Found) =>
      isSettled(options)(found) || (found !== undefined && found.task !== declaration.name)
    const found = yield* waitersOf(sql).wait(id, isSettledOrOther)
    yield* checkTask(declaration, found)
    return yield* resultOf(declaration, id, found)
  }).pipe(Effect.catchTag("SqlError", (error: SqlError) => toTableError(error)))

/** `Declaration.peek`. */
export const peekAt = (declaration: DeclarationDefinition, given: string) =>
  Effect.gen(function*() {
    const id = yield* checkId(given)
    const [row] = yield* peek(yield* SqlClient.SqlClient, id)
    return yield* row === undefined ? gone(id) : decode(declaration, row.raw)
  }).pipe(Effect.catchTag("SqlError", (error: SqlError) => toTableError(error)))
