/** Statements that come through, whatever the database does. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"

/** For statements that may be sent twice: the database may be away, and connections may hang. */
export const persist = <A, R>(statement: Effect.Effect<A, SqlError, R>): Effect.Effect<A, never, R> =>
  Effect.timeoutOption(statement, "10 seconds").pipe(
    Effect.flatMap((done) => done._tag === "Some" ? Effect.succeed(done.value) : Effect.fail("no answer" as const)),
    Effect.retry(Schedule.spaced("100 millis")),
    Effect.orDie
  )
