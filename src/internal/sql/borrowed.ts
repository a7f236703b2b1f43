/**
 * The connections that the library's own statements and a listener reserve for a while. With `multiplex` the driver
 * first waits for the answers to earlier statements, and can't be interrupted: if the server is silent, it waits
 * forever. So a worker keeps the scopes of all its connections, and closes them when it has ended (see
 * worker/borrowedScopes.ts).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"

/** Makes a scope for a connection. */
export interface Borrowed {
  readonly scope: (strategy?: "sequential" | "parallel") => Effect.Effect<Scope.Closeable>
}

/** Of the worker that runs this fiber, or one that remembers no scopes. */
export const CurrentBorrowed = Context.Reference<Borrowed>("effect-pg-task/Borrowed", {
  defaultValue: () => ({ scope: (strategy) => Scope.make(strategy) })
})

/** Ends the use of a connection. */
export const giveBack = (scope: Scope.Closeable): Effect.Effect<void> => Scope.close(scope, Exit.void)

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
