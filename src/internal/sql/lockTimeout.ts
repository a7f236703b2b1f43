/** How long a transaction waits for a lock that another session holds. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { query } from "./query.ts"

export const lockTimeout = (sql: SqlClient): Effect.Effect<string, SqlError> =>
  Effect.map(
    query<{ value: string }>(sql, "select current_setting('lock_timeout') as value", []),
    (rows) => rows[0]!.value
  )

/** For the rest of the transaction. */
export const setLockTimeout = (sql: SqlClient, value: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(query(sql, "select set_config('lock_timeout', $1, true)", [value]))
