/**
 * The connections that a worker has to itself for a while. The driver can't interrupt everything: it waits without end
 * for a silent server to answer a ROLLBACK, or, with `multiplex`, the statements before. So a worker that has ended takes
 * its connections away from what still holds them. That ends them, and their client can close.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"

export class Borrowed {
  private readonly scopes = new Set<Scope.Closeable>()

  /** A scope for a connection. */
  readonly scope = (strategy?: "sequential" | "parallel"): Effect.Effect<Scope.Closeable> =>
    Effect.suspend(() => {
      const scope = Scope.makeUnsafe(strategy)
      this.scopes.add(scope)
      return Effect.as(Scope.addFinalizer(scope, Effect.sync(() => this.scopes.delete(scope))), scope)
    })

  /** Takes all of them away. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.forEach([...this.scopes], giveBack, { concurrency: "unbounded", discard: true }))
  }
}

const giveBack = (scope: Scope.Closeable): Effect.Effect<void> => Scope.close(scope, Exit.void)

/** Those of the worker that runs this fiber. */
export const CurrentBorrowed = Context.Reference<Borrowed>("effect-pg-task/Borrowed", {
  defaultValue: () => new Borrowed()
})

/** Runs `use` with a connection, which is given back at its end, or before. */
export const borrow = <A, E>(
  sql: SqlClient,
  use: (connection: Connection, giveBack: Effect.Effect<void>) => Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError> =>
  Effect.flatMap(CurrentBorrowed, (borrowed) =>
    Effect.acquireUseRelease(
      borrowed.scope(),
      (scope) => Effect.flatMap(Scope.provide(sql.reserve, scope), (connection) => use(connection, giveBack(scope))),
      giveBack
    ))

/**
 * `sql.withTransaction` on a borrowed connection. That of depth -1 is none yet: the one inside it is the outermost. As
 * always, the connection is given back before anything that is to run after the commit.
 */
export const withBorrowedTransaction = <A, E>(
  sql: SqlClient,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError> =>
  borrow(sql, (connection, giveBack) =>
    Effect.provideService(
      sql.withTransaction(Effect.andThen(sql.afterCommit(giveBack), effect)),
      sql.transactionService,
      [connection, -1]
    ))
