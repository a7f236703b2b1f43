/**
 * The connections that a worker's own statements and its listener reserve for a while. With `multiplex` the driver
 * first waits for the answers to earlier statements, and can't be interrupted: if the server is silent, it waits
 * forever. So a worker that has ended closes the scopes of all its connections. That ends the statements on them, and
 * the client can close.
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

  /** Gives all of them back. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.forEach([...this.scopes], giveBack, { concurrency: "unbounded", discard: true }))
  }
}

const giveBack = (scope: Scope.Closeable): Effect.Effect<void> => Scope.close(scope, Exit.void)

/** Those of the worker that runs this fiber. */
export const CurrentBorrowed = Context.Reference<Borrowed>("effect-pg-task/Borrowed", {
  defaultValue: () => new Borrowed()
})

/** Runs `use` with a connection of its own. */
export const borrow = <A, E>(
  sql: SqlClient,
  use: (connection: Connection) => Effect.Effect<A, E>
): Effect.Effect<A, E | SqlError> =>
  Effect.flatMap(CurrentBorrowed, (borrowed) =>
    Effect.acquireUseRelease(
      borrowed.scope(),
      (scope) => Effect.flatMap(Scope.provide(sql.reserve, scope), use),
      giveBack
    ))
