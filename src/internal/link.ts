/**
 * The worker's connection to its database, which may go away at any time: statements are sent again with backoff,
 * and the log says once that it is lost, and once that it is back.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { messageOf } from "./database.ts"
import type { Meter } from "./meter.ts"

/** A statement of ours that takes longer hangs: its connection is gone, and nobody told us. */
const statementTimeout = Duration.seconds(15)

const backoff = Schedule.min([Schedule.exponential("50 millis", 2), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

const timedOut = new SqlError({
  reason: new ConnectionError({
    cause: new Error(`no answer within ${Duration.format(statementTimeout)}`),
    message: "The database did not answer",
    operation: "execute"
  })
})

export class Link {
  private readonly meter: Meter
  private isLost = false

  constructor(meter: Meter) {
    this.meter = meter
  }

  /** Whether the last statement failed because of the database. */
  get lost(): boolean {
    return this.isLost
  }

  /** Sends a statement, at most for a while. */
  readonly once = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
    Effect.timeoutOrElse(statement, { duration: statementTimeout, orElse: () => Effect.fail(timedOut) })

  /** Sends a statement again and again until the database takes it. */
  readonly persist = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A> =>
    Effect.orDie(this.persistUnless(statement, () => false))

  /** The same, but what `refused` says fails at once. */
  readonly persistUnless = <A>(
    statement: Effect.Effect<A, SqlError>,
    refused: (error: SqlError) => boolean
  ): Effect.Effect<A, SqlError> =>
    this.once(statement).pipe(
      Effect.tapError((error) => refused(error) ? Effect.void : this.noteTrouble(error)),
      Effect.retry({ schedule: backoff, while: (error) => !refused(error) }),
      Effect.tap(() => this.isLost ? this.noteBack : Effect.void)
    )

  /** A statement failed that is not sent again. */
  noteTrouble(error: SqlError): Effect.Effect<void> {
    if (this.isLost) return Effect.void
    this.isLost = true
    return Effect.logWarning(`Database lost: ${messageOf(error)}. Waiting for it`)
  }

  private get noteBack(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isLost = false
      this.meter.reconnected()
      return Effect.logInfo("Database back")
    })
  }
}
