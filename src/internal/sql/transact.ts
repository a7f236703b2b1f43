/** Transactions: those of the caller, and our own, whose connection may get lost. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { findInCause } from "./errors.ts"

/** Whether the caller has opened a transaction. */
export const isInTransaction = (sql: SqlClient): Effect.Effect<boolean> =>
  Effect.map(Effect.serviceOption(sql.transactionService), Option.isSome)

/**
 * `withTransaction`, but it fails with the database's error if the ROLLBACK fails, too, because the connection is gone.
 * There that is a defect.
 */
export const transact = <A, E, R>(
  sql: SqlClient,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SqlError, R> =>
  Effect.catchCause(sql.withTransaction(effect), (cause) => {
    const error = Cause.hasInterrupts(cause) || !Cause.hasDies(cause) ? undefined : findInCause(cause)
    return error === undefined ? Effect.failCause(cause) : Effect.fail(error)
  })
