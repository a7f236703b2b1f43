/** What a worker does after the commit of outcomes, and from time to time. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { parentOf } from "../attempt/children.ts"
import { findForgotten, wakeParents } from "../sql/children.ts"
import { deleteUnusedKeys } from "../sql/limitNotes.ts"
import { deleteExpired, notifyEnded } from "../sql/results.ts"
import { isEnd } from "../attempt/outcome.ts"
import type { FollowUp } from "./afterCommit.ts"

/** How often results are deleted whose time is over, in milliseconds. They count as gone before. */
const expiryInterval = 60_000

const deleteAllExpired = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.flatMap(deleteExpired(sql), (more) => more ? deleteAllExpired(sql) : Effect.void)

/** Deletes results whose time is over. */
const expiry = (sql: SqlClient): FollowUp => ({
  concerns: () => false,
  work: () => deleteAllExpired(sql),
  every: expiryInterval,
  chore: "expired"
})

/** Notifies those who wait for the end of a task. If a worker crashes before, they find out when they look. */
const waiters = (sql: SqlClient): FollowUp => ({
  concerns: ({ claimed, outcome }) => claimed.watched && isEnd(outcome),
  work: (committed) =>
    committed.length === 0 ? Effect.void : notifyEnded(sql, committed.map(({ claimed }) => claimed.id)),
  every: Infinity
})

/** How often parents are looked for whose children have ended unnoticed, in milliseconds. Infinite, in tests: never. */
export const ParentsLook = Context.Reference<number>("effect-pg-task/internal/ParentsLook", {
  defaultValue: () => 60_000
})

/** Parents go on once no child of theirs is open. */
const parents = (sql: SqlClient, every: number): FollowUp => ({
  concerns: ({ claimed, outcome }) => isEnd(outcome) && parentOf(claimed) !== undefined,
  work: (committed) =>
    committed.length > 0
      ? wakeParents(sql, [...new Set(committed.map(({ claimed }) => parentOf(claimed)!))])
      : Effect.flatMap(findForgotten(sql), (found) =>
        found.length === 0 ? Effect.void : wakeParents(sql, found.map(({ id }) => id))),
  every,
  chore: "forgotten"
})

/** How often a part of the keys of limits is looked through for unused ones, in milliseconds. */
export const KeysLook = Context.Reference<number>("effect-pg-task/internal/KeysLook", {
  defaultValue: () => 60_000
})

/** Deletes what is noted of keys that no task has any more. Nothing depends on it but disk space. */
const unusedKeys = (sql: SqlClient, every: number): FollowUp => {
  let after = ""
  const look = Effect.suspend(() => deleteUnusedKeys(sql, after))
  return {
    concerns: () => false,
    work: () =>
      Effect.map(look, (next) => {
        after = next
      }),
    every,
    chore: "notes"
  }
}

export const makeFollowUps = (sql: SqlClient): Effect.Effect<ReadonlyArray<FollowUp>> =>
  Effect.gen(function*() {
    return [waiters(sql), parents(sql, yield* ParentsLook), expiry(sql), unusedKeys(sql, yield* KeysLook)]
  })
