/** Claims that failed: what they may have taken all the same, and the time at which they failed. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { type Position, positionAt, releaseBehind, serverTime } from "../sql/claim.ts"
import { codeOf, isConnectionLost, failureKindOf } from "../sql/errors.ts"
import type { Database } from "./database.ts"
import { lockRetries } from "./lockRetries.ts"

export interface Unanswered {
  readonly sql: SqlClient
  readonly database: Database
  readonly tasks: ReadonlyArray<string>
  /** A worker that stops tries once: it must not wait for a database that is away. */
  readonly isStopping: () => boolean
}

/** Whether a statement that failed may have been carried out: its answer was lost, or never came. */
export const mayHaveRun = (error: SqlError): boolean => codeOf(error) === undefined || isConnectionLost(error)

/** The database answers, and refuses: a row is locked, or a trigger of somebody's does not let it be given back. */
const isRefusal = (error: SqlError) => failureKindOf(error) !== "Database"

/** Sends a statement until the database is there to answer it. Undefined when it can't be carried out. */
const insist = <A>({ isStopping, database }: Unanswered, statement: Effect.Effect<A, SqlError>) => {
  const once: Effect.Effect<A | undefined, SqlError> = Effect.suspend(() =>
    isStopping() ? Effect.orElseSucceed(statement, () => undefined) : statement
  )
  return database.retryingUnless(once, isRefusal).pipe(
    Effect.retry(lockRetries),
    Effect.orElseSucceed(() => undefined)
  )
}

/**
 * Gives back the rows that a claim took whose answer never came, from this due time on. What can't be given back is
 * rescued when its lease is over.
 */
export const releaseUnanswered = (
  unanswered: Unanswered,
  token: string,
  from: number | undefined
): Effect.Effect<void> => {
  const releaseFrom = (task: string | null, position: Position): Effect.Effect<void> =>
    Effect.flatMap(
      insist(unanswered, releaseBehind(unanswered.sql, { token, task, position })),
      (next) => next === undefined ? Effect.void : releaseFrom(task, next)
    )
  return Effect.forEach(
    [...unanswered.tasks, null],
    (task) => releaseFrom(task, positionAt(from)),
    { discard: true }
  )
}

/** Waits until the database answers, and asks it for its time: undefined when this worker stops. */
export const timeOnceBack = (unanswered: Unanswered): Effect.Effect<number | undefined> =>
  insist(unanswered, serverTime(unanswered.sql))
