/** A step's writes and its transition, committed together or not at all. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import type { Held } from "./attempt.ts"
import { troubleOf } from "./database.ts"
import { type Outcome, type RowOutcome, toChanges } from "./outcome.ts"
import { storeInTransaction } from "./sql.ts"

/** The attempt is no longer the current one: everything it wrote is rolled back. */
export class LeaseLost extends Data.TaggedError("LeaseLost")<{}> {}

/** What a step returned: its outcome, and what is to be committed with it. */
interface Handled {
  readonly outcome: RowOutcome
  readonly commit: Effect.Effect<unknown, unknown> | undefined
}

/** Retries of a transaction that lost against another one. They don't count as tries of the step. */
const contentionRetries = 4

/** A serialization failure, a deadlock or a lock timeout, also when the handler wrapped it. */
const isContention = (error: unknown, depth = 0): boolean =>
  isSqlError(error)
    ? troubleOf(error) === "Lock" && error.reason._tag !== "StatementTimeoutError"
    : hasProperty(error, "cause") && depth < 5 && isContention(error.cause, depth + 1)

/** Runs `handled`, its `commit`, and the fenced write of its outcome in one transaction. */
export const storeTogether = (
  { lease, sql }: { readonly sql: SqlClient; readonly lease: number },
  held: Held,
  handled: Effect.Effect<Handled, unknown>
): Effect.Effect<Outcome, unknown> =>
  sql.withTransaction(
    Effect.gen(function*() {
      const { commit, outcome } = yield* handled
      if (commit !== undefined) yield* commit
      const changes = toChanges([{ held, outcome }])
      const stored = yield* Effect.withTracerEnabled(storeInTransaction(sql, changes, lease), false)
      return stored ? outcome : yield* new LeaseLost()
    })
  ).pipe(
    Effect.retry({ times: contentionRetries, while: (error) => isContention(error) }),
    Effect.map((outcome): Outcome => ({ _tag: "Stored", outcome }))
  )
