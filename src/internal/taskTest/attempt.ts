/** One attempt in the caller's fiber, and in the caller's transaction if there is one, by the worker's own parts. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { type ClaimedTask, makeAttempt } from "../attempt/claimedTask.ts"
import { parentOf } from "../attempt/children.ts"
import { wakeParents } from "../sql/children.ts"
import { codeOf } from "../sql/errors.ts"
import { isEnd, type Outcome, toChanges } from "../attempt/outcome.ts"
import { runAttempt, type Runner } from "../attempt/attempt.ts"
import { isReplaced, storeInTransaction } from "../sql/outcome.ts"
import type { TaskInvalidStateError } from "../../TaskError.ts"
import { type AnyResult, toResult } from "./result.ts"
import { lockTimeout, setLockTimeout } from "../sql/lockTimeout.ts"
import { isInTransaction } from "../sql/transact.ts"
import { TaskTestError } from "./TaskTestError.ts"

export type AttemptError = SqlError | TaskInvalidStateError | TaskTestError

const isAborted = (error: SqlError): boolean => codeOf(error) === "25P02"

/** In production the writes before that statement would have been committed; here Postgres has undone them. */
const aborted = (claimed: ClaimedTask) =>
  new TaskTestError({
    reason: "TransactionAborted",
    message: `Step "${claimed.tag}" of task "${claimed.task}" went on after a statement of it had failed. Within a `
      + `transaction, as here, Postgres then refuses all further statements: put the one that may fail into a `
      + `sql.withTransaction of its own, or run this test without TaskTest.rolledBack`
  })

const hasFailed = (outcome: Outcome) => outcome._tag === "Retried" || outcome._tag === "Parked"

/**
 * A step that fails because a statement failed leaves an aborted transaction, which refuses all further statements. So
 * it runs behind a savepoint, and is rolled back to it in that case. The writes of other failed steps stay, as they do
 * in production.
 */
const behindSavepoint = (
  sql: SqlClient,
  claimed: ClaimedTask,
  attempt: Effect.Effect<Outcome>
): Effect.Effect<Outcome, SqlError | TaskTestError> =>
  Effect.suspend(() => {
    let outcome: Outcome | undefined
    const attempted = Effect.tap(attempt, (ended) => {
      outcome = ended
      return sql`select 1`
    })
    const undone = (error: SqlError): Effect.Effect<Outcome, SqlError | TaskTestError> => {
      if (outcome === undefined) return Effect.fail(error)
      return hasFailed(outcome) ? Effect.succeed(outcome) : aborted(claimed)
    }
    return Effect.catchIf(sql.withTransaction(attempted), isAborted, undone)
  })

/** Runs the step and stores its outcome. Returns the outcome, and whether it was stored. */
const runAndStore = Effect.fnUntraced(function*(runner: Runner, claimed: ClaimedTask) {
  const { lease, sql } = runner
  const inTransaction = yield* isInTransaction(sql)
  const attempt = makeAttempt(claimed, performance.now())
  const running = runAttempt(runner, attempt)
  const outcome = yield* inTransaction ? behindSavepoint(sql, claimed, running) : running
  if (outcome._tag === "Stored") return { outcome: outcome.outcome, current: true, replaced: false }
  const changes = toChanges([{ claimed, outcome, history: runner.toHistory?.(attempt, outcome) }])
  const stored = yield* storeInTransaction(sql, changes, { lease, from: "Transaction" })
  return { outcome, current: stored !== undefined, replaced: stored !== undefined && isReplaced(stored) }
})

/** The lock timeout of the caller's transaction stays what it was. */
const keepLockTimeout = <A, E>(sql: SqlClient, effect: Effect.Effect<A, E>): Effect.Effect<A, E | SqlError> =>
  Effect.flatMap(isInTransaction(sql), (inTransaction) =>
    inTransaction
      ? Effect.flatMap(lockTimeout(sql), (before) => Effect.tap(effect, setLockTimeout(sql, before)))
      : effect)

/**
 * Runs the step of a claimed row. Returns what happened, and whether the row is still claimed for a step that is due
 * now.
 */
export const attemptInTest = (
  runner: Runner,
  claimed: ClaimedTask
): Effect.Effect<{ readonly result: AnyResult; readonly goesOn: boolean }, AttemptError> =>
  Effect.gen(function*() {
    const { current, outcome, replaced } = yield* keepLockTimeout(runner.sql, runAndStore(runner, claimed))
    const parent = current && isEnd(outcome) ? parentOf(claimed) : undefined
    if (parent !== undefined) yield* wakeParents(runner.sql, [parent])
    const result = yield* toResult(runner.tasks, claimed, outcome, current)
    if (outcome._tag !== "Continued" || !current || replaced) return { result, goesOn: false }
    claimed.advance(outcome.step)
    return { result, goesOn: true }
  })
