/** The scopes of the connections that a worker has reserved. Closing them ends the statements on a silent server. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { type Borrowed, giveBack } from "../sql/borrowed.ts"

export class BorrowedScopes implements Borrowed {
  private readonly scopes = new Set<Scope.Closeable>()

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
