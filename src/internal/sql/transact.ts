/** A transaction whose connection may get lost. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { findInCause } from "./errors.ts"

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
