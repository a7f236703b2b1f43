/** Waiting for what a task comes to, and looking at the state in which it is. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
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
import { type Codec, type DecodeError, readStep, type TaggedState } from "./codec.ts"

/** What is known of a task where its result is waited for. */
interface TaskCodec {
  readonly name: string
  readonly codec: Codec<TaggedState>
}

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
  Effect.flatMap(
    Effect.serviceOption(sql.transactionService),
    (transaction) =>
      Option.isNone(transaction) ? Effect.void : new TaskTransactionError({
        task,
        message:
          `${task}: a result can't be waited for within a transaction, because workers see the task only after its `
          + "commit. Enqueue it there, and await it afterwards"
      })
  )

export const gone = (id: string): TaskNotFoundError =>
  new TaskNotFoundError({
    id,
    message: `There is no task ${id} (any more): it has finished without a final state, its result is no longer kept, `
      + "or it was cancelled"
  })

export const parked = (id: string, { error, task }: NonNullable<Found>): TaskParkedError =>
  new TaskParkedError({
    id,
    task: task ?? "",
    error: error ?? "",
    message: `Task ${id} is parked, and goes on only if somebody retries it: ${error}`
  })

const decode = ({ codec, name }: TaskCodec, raw: string | null) => {
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
const resultOf = (
  task: TaskCodec,
  id: string,
  found: Found
): Effect.Effect<Tagged, TaskInvalidStateError | TaskNotFoundError | TaskParkedError> => {
  if (found === undefined) return gone(id)
  if (found.ended) return decode(task, found.raw)
  return parked(id, found)
}

/** Fails at once for a task of another name: its result would fit no schema of this one. */
const checkTask = (task: TaskCodec, found: Found) =>
  found !== undefined && found.task !== task.name ? Effect.asVoid(decode(task, found.raw)) : Effect.void

/** `await`. */
const awaitResult = (task: TaskCodec, given: string, options: AwaitOptions = {}) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* refuseTransaction(task.name, sql)
    const id = yield* checkId(given)
    const isSettledOrOther = (found: Found) =>
      isSettled(options)(found) || (found !== undefined && found.task !== task.name)
    const found = yield* waitersOf(sql).wait(id, isSettledOrOther)
    yield* checkTask(task, found)
    return yield* resultOf(task, id, found)
  }).pipe(Effect.catchTag("SqlError", (error: SqlError) => toTableError(error)))

/** `execute`: `stored` stores the task, marked as watched, or finds the one that has its key. */
const executeAndAwait = <E, R>(
  task: TaskCodec,
  stored: Effect.Effect<string | { readonly id: string }, E, R>,
  options: AwaitOptions = {}
) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* refuseTransaction(task.name, sql)
    const { found, id } = yield* waitersOf(sql).waitForNew(stored, isSettled(options))
    return yield* resultOf(task, id, found)
  })

/** `peek`. */
const peekAt = (task: TaskCodec, given: string) =>
  Effect.gen(function*() {
    const id = yield* checkId(given)
    const [row] = yield* peek(yield* SqlClient.SqlClient, id)
    return yield* row === undefined ? gone(id) : decode(task, row.raw)
  }).pipe(Effect.catchTag("SqlError", (error: SqlError) => toTableError(error)))

/** The methods of a declaration that are about results. `store` stores a task, marked as watched. */
export const makeResultMethods = <S, Options, E, R>(
  task: TaskCodec,
  store: (state: S, options?: Options) => Effect.Effect<string | { readonly id: string }, E, R>
) => ({
  execute: (state: S, options?: Options & AwaitOptions) =>
    executeAndAwait(task, store(state, options), options).pipe(Effect.catchIf(isSqlError, toTableError)),
  await: (id: string, options?: AwaitOptions) => awaitResult(task, id, options),
  peek: (id: string) => peekAt(task, id)
})
