/** Notifications: all of them go through one channel. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { query } from "./query.ts"

export const channel = "pg_task_changed"

export const notify = (sql: SqlClient, payload: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(query(sql, "select pg_notify($1, $2)", [channel, payload]))
