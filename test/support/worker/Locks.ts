/** Sessions beside the worker that hold what it needs. */
import { Deferred, Effect, Fiber, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { run } from "./Table.ts"

/** Runs a statement in a transaction of another session, which stays open until the inner effect commits it. */
export const holding = (
  statement: string
): Effect.Effect<Effect.Effect<void, SqlError>, SqlError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const held = yield* Deferred.make<void, SqlError>()
    const end = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkScoped(sql.withTransaction(
      Effect.andThen(Deferred.into(Effect.asVoid(run(statement)), held), Deferred.await(end))
    ))
    yield* Deferred.await(held)
    return Effect.andThen(Deferred.succeed(end, undefined), Fiber.join(fiber))
  })

/** Locks every row of the table, as an update of all of them does. */
export const lockingRows: Effect.Effect<
  Effect.Effect<void, SqlError>,
  SqlError,
  SqlClient.SqlClient | Scope.Scope
> = holding("select 1 from pg_task for update")
