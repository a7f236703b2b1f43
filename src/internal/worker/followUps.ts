/** What a worker does after the commit of outcomes, and from time to time. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { deleteExpired, notifyEnded } from "../sql/results.ts"
import type { RowOutcome } from "../attempt/outcome.ts"
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

const isEnd = (outcome: RowOutcome): boolean =>
  outcome._tag === "Finished" || outcome._tag === "Parked" || outcome._tag === "Rejected"

/** Notifies those who wait for the end of a task. If a worker crashes before, they find out when they look. */
const waiters = (sql: SqlClient): FollowUp => ({
  concerns: ({ claimed, outcome }) => claimed.watched && isEnd(outcome),
  work: (committed) =>
    committed.length === 0 ? Effect.void : notifyEnded(sql, committed.map(({ claimed }) => claimed.id)),
  every: Infinity
})

export const makeFollowUps = (sql: SqlClient): ReadonlyArray<FollowUp> => [waiters(sql), expiry(sql)]
