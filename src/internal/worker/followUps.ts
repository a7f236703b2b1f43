/** What a worker does after the commit of outcomes, and from time to time. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { deleteExpired } from "../sql/results.ts"
import type { FollowUp } from "./afterCommit.ts"

/** How often results are deleted whose time is over, in milliseconds. They count as gone before. */
const expiryInterval = 60_000

const deleteAllExpired = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.flatMap(deleteExpired(sql), (more) => more ? deleteAllExpired(sql) : Effect.void)

/** Deletes results whose time is over. */
const expiry = (sql: SqlClient): FollowUp => ({
  concerns: () => false,
  work: () => deleteAllExpired(sql),
  every: expiryInterval
})

export const makeFollowUps = (sql: SqlClient): ReadonlyArray<FollowUp> => [expiry(sql)]
