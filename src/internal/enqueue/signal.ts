/** Sending signals to tasks. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { isObject } from "effect/Predicate"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Metrics from "../../Metrics.ts"
import { TaskInboxFullError, TaskNotFoundError, TaskOptionsError, type TaskTableError } from "../../TaskError.ts"
import { asOwn, toTableError } from "../sql/errors.ts"
import { insertKeyed } from "../sql/keys.ts"
import * as Signals from "../sql/signals.ts"
import { transact } from "../sql/transact.ts"
import { notifierOf } from "./notifier.ts"
import { currentTrace } from "./trace.ts"

/** `Task.SignalOptions`. */
export interface SignalOptions {
  readonly dedupe?: string | undefined
}

/** In characters: it is stored for as long as the task lives. */
const maxDedupe = 500

export const dedupeOf = (
  task: string,
  options: SignalOptions | undefined
): Effect.Effect<string | undefined, TaskOptionsError> => {
  const refuse = (mistake: string) => new TaskOptionsError({ task, message: `${task}: ${mistake}. Nothing was sent` })
  if (options === undefined) return Effect.undefined
  if (!isObject(options)) return refuse("the options must be an object, such as { dedupe: \"webhook-7\" }")
  const dedupe: unknown = options.dedupe
  if (dedupe === undefined) return Effect.undefined
  return typeof dedupe === "string" && dedupe !== "" && dedupe.length <= maxDedupe && !/[\0\p{Surrogate}]/u.test(dedupe)
    ? Effect.succeed(dedupe)
    : refuse(`\`dedupe\` must be a text of 1 to ${maxDedupe} characters, without NUL or half surrogate pairs`)
}

/** Tells how a signal was refused. */
const refused = (target: Signals.SignalTarget, tag: string, sent: Signals.Sent) => {
  const { task } = target
  const [id, which] = "key" in target ? [target.key, `the key "${target.key}"`] : [target.id, `the id ${target.id}`]
  switch (sent) {
    case "gone":
      return new TaskNotFoundError({
        id,
        message: task === undefined
          ? `The signal "${tag}" was not sent: there is no task ${id}. It has ended, or was cancelled`
          : `The signal "${tag}" was not sent: there is no task "${task}" with ${which}. It has ended, or was `
            + "cancelled, or it is a task of another name"
      })
    case "full":
      return new TaskInboxFullError({
        id,
        message:
          `The signal "${tag}" was not sent: the task with ${which} has not taken the signals that it got before, and holds `
          + `${Signals.maxInboxSignals} of them or 1 MB at most`
      })
    case "sent":
    case "duplicate":
      return undefined
  }
}

const outcomes = { sent: "sent", duplicate: "duplicate", full: "refused", gone: "refused" } as const

/** Counts what became of a signal. One that is sent in a transaction is sent when that commits. */
const count = (sql: SqlClient.SqlClient, { task = "" }: Signals.SignalTarget, sent: Signals.Sent) => {
  const outcome = outcomes[sent]
  const counted = Metric.update(Metric.withAttributes(Metrics.signals, { task, outcome }), 1)
  return outcome === "refused" ? counted : sql.afterCommit(counted)
}

/** Puts a signal into the row of a task, if there is one, and says what became of it. */
const put = Effect.fnUntraced(function*(
  sql: SqlClient.SqlClient,
  target: Signals.SignalTarget,
  signal: Signals.EncodedSignal
): Effect.fn.Return<Signals.Sent, SqlError> {
  const traced = { ...signal, trace: yield* currentTrace }
  const transaction = yield* Effect.serviceOption(sql.transactionService)
  return yield* Option.isSome(transaction)
    ? asOwn(Signals.sendSignal(sql, target, traced, false))
    : notifierOf(sql).store((quiet) => Signals.sendSignal(sql, target, traced, quiet), (sent) => sent === "sent")
})

/** Counts a signal, and fails if no row has taken it. */
const settle = Effect.fnUntraced(function*(
  sql: SqlClient.SqlClient,
  target: Signals.SignalTarget,
  tag: string,
  sent: Signals.Sent
): Effect.fn.Return<void, TaskNotFoundError | TaskInboxFullError> {
  yield* count(sql, target, sent)
  const refusal = refused(target, tag, sent)
  if (refusal !== undefined) return yield* refusal
})

/** Sends a signal to a task. A duplicate changes nothing, and is no error. */
export const sendSignal = (
  target: Signals.SignalTarget,
  signal: Signals.EncodedSignal
): Effect.Effect<void, TaskNotFoundError | TaskInboxFullError | SqlError | TaskTableError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const sent = yield* put(sql, target, signal)
    yield* settle(sql, target, signal.tag, sent)
  }).pipe(Effect.catchTag("SqlError", toTableError))

/** A task that is stored, together with its first signal, if no row has its key. */
interface FirstTask {
  readonly task: string
  readonly key: string
  readonly step: string
}

/** Looks for the row and stores one so often: each time, another row got the key in between, and ended. */
const maxLooks = 10

/**
 * Sends a signal to the task that has the key. If there is none, or it has ended, stores a new one with the signal, in
 * one transaction.
 */
export const signalOrEnqueue = (
  { key, step, task }: FirstTask,
  signal: Signals.EncodedSignal,
  looks = 1
): Effect.Effect<
  { readonly created: boolean },
  TaskNotFoundError | TaskInboxFullError | SqlError | TaskTableError,
  SqlClient.SqlClient
> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const target = { task, key }
    const sent = yield* put(sql, target, signal)
    if (sent !== "gone" || looks > maxLooks) {
      yield* settle(sql, target, signal.tag, sent)
      return { created: false }
    }
    const trace = yield* currentTrace
    const stored = Effect.gen(function*() {
      const [row] = yield* insertKeyed(sql, { task, key, step, trace, delay: 0, at: null }, true)
      if (row !== undefined) yield* sendSignal({ task, id: row.id }, signal)
      return row !== undefined
    })
    const created = yield* asOwn(transact(sql, stored))
    return created ? { created } : yield* signalOrEnqueue({ key, step, task }, signal, looks + 1)
  }).pipe(Effect.catchTag("SqlError", toTableError))
