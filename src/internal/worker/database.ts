/**
 * The worker's connection to its database, which may go away at any time: statements are sent again with backoff,
 * and the log says once that it is lost, and once that it is back.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { messageOf, failureKindOf } from "../sql/errors.ts"
import type { WorkerMetrics } from "./metrics.ts"
import { Signal } from "./signal.ts"

/** If one of the worker's statements takes longer, its connection has broken silently. In checks, one a second. */
const maxLooks = 15

const firstBackoff = Duration.millis(50)

const backoff = Schedule.min([Schedule.exponential("100 millis", 2), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

const failure = (cause: string, message: string) =>
  new SqlError({ reason: new ConnectionError({ cause: new Error(cause), message, operation: "execute" }) })

const timedOut = failure(`no answer within ${maxLooks}s`, "The database did not answer")
const closed = failure("the worker has stopped", "The worker has stopped")

/** A statement that waits for its answer. */
interface InFlight {
  looks: number
  readonly giveUp: () => void
}

export class Database {
  private readonly metrics: WorkerMetrics
  private isLost = false
  private lossCount = 0
  private readonly underway = new Set<InFlight>()
  private readonly sent = new Signal()
  private watching = false
  private isClosed = false

  constructor(metrics: WorkerMetrics) {
    this.metrics = metrics
  }

  /** How often the database was lost, or a connection to it broke. */
  get losses(): number {
    return this.lossCount
  }

  /** A connection broke that sends no statements: behind the same address there may be another server now. */
  noteBroken(): void {
    this.lossCount++
  }

  /** Whether the last statement failed because of the database. */
  get lost(): boolean {
    return this.isLost
  }

  /**
   * Gives up what hangs, forever. One watch for all statements: a race against a timer for each would cost a chain a
   * tenth of its speed.
   */
  get watch(): Effect.Effect<never> {
    const look = Effect.sync(() => {
      for (const statement of this.underway) if (++statement.looks > maxLooks) statement.giveUp()
      // When no statement is in flight, this fiber sleeps until one is sent.
      this.watching = this.underway.size > 0
      return this.watching
    })
    const doze = Effect.flatMap(look, (busy) => busy ? Effect.void : this.sent.wait())
    return Effect.forever(Effect.andThen(Effect.sleep("1 second"), doze))
  }

  /** Sends a statement, at most for a while. */
  readonly withTimeout = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
    Effect.contextWith((context) =>
      Effect.callback((resume) => {
        if (this.isClosed) return resume(Exit.fail(closed))
        const fiber = Effect.runForkWith(context)(statement)
        const entry: InFlight = {
          looks: 0,
          giveUp: () => {
            this.underway.delete(entry)
            // First: an interruption may end the fiber at once, and would be taken for one of the caller.
            resume(Exit.fail(timedOut))
            fiber.interruptUnsafe()
          }
        }
        this.underway.add(entry)
        fiber.addObserver((exit) => {
          this.underway.delete(entry)
          resume(exit)
        })
        if (!this.watching) {
          this.watching = true
          this.sent.set()
        }
        // Some statements can't be interrupted: nobody waits for that.
        return Effect.sync(() => fiber.interruptUnsafe())
      })
    )

  /** Gives up all that waits for an answer, and sends nothing more. */
  close(): void {
    this.isClosed = true
    for (const statement of this.underway) statement.giveUp()
  }

  /** Sends a statement again and again until the database takes it. */
  readonly retrying = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A> =>
    Effect.orDie(this.retryingUnless(statement, () => false))

  /** The same, but what `refused` says fails at once. */
  readonly retryingUnless = <A>(
    statement: Effect.Effect<A, SqlError>,
    refused: (error: SqlError) => boolean
  ): Effect.Effect<A, SqlError> =>
    Effect.matchEffect(this.withTimeout(statement), {
      onFailure: (error) =>
        refused(error) ? Effect.fail(error) : Effect.andThen(this.markLost(error), this.again(statement, refused)),
      onSuccess: (a) => this.isLost ? Effect.as(this.noteBack, a) : Effect.succeed(a)
    })

  /** The first try has failed: the schedule of the others is made only now, because hardly any statement needs it. */
  private again<A>(
    statement: Effect.Effect<A, SqlError>,
    refused: (error: SqlError) => boolean
  ): Effect.Effect<A, SqlError> {
    return this.withTimeout(statement).pipe(
      Effect.retry({ schedule: backoff, while: (error) => !refused(error) }),
      Effect.delay(firstBackoff),
      Effect.tap(() => this.isLost ? this.noteBack : Effect.void)
    )
  }

  /** A statement failed. A lock or a timeout is no lost database. */
  markLost(error: SqlError): Effect.Effect<void> {
    if (this.isLost || failureKindOf(error) === "Lock") return Effect.void
    this.isLost = true
    this.lossCount++
    return Effect.logWarning(`Database lost: ${messageOf(error)}. Waiting for it`)
  }

  private get noteBack(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isLost = false
      this.metrics.reconnected()
      return Effect.logInfo("Database back")
    })
  }
}
