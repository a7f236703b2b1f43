/** The statements of the library in a step's transaction. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Lease } from "./lease.ts"
import { query } from "./query.ts"

/**
 * Locks the row of an attempt, without a time limit, and returns how many transitions the task has made. Undefined
 * when the attempt is no longer the current one. Fails on a read-only server.
 */
export const lockAttempt = (
  sql: SqlClient,
  { id, token }: Lease
): Effect.Effect<number | undefined, SqlError> =>
  Effect.map(
    query<{ transitions: number }>(
      sql,
      "select transitions from pg_task where id = $1::uuid and lease_token = $2::uuid for update",
      [id, token]
    ),
    (rows) => rows[0]?.transitions
  )

/** Checks that the server answers. */
export const ping = (sql: SqlClient): Effect.Effect<unknown, SqlError> => query(sql, "select 1", [])
