/**
 * Batches notifications. Postgres serialises the commits of transactions that call NOTIFY, including their wait for the
 * disk. So when a process enqueues several tasks at the same time, each with its own statement, only the first insert
 * notifies by itself. The others skip it, and one notification for all of them is sent after they are committed.
 *
 * If the process ends before that, the workers find the tasks at their next poll.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { SqlClient } from "effect/sql/SqlClient"
import { notify } from "../sql/notify.ts"

/** A notification that gets no answer must not keep the next one from being sent. */
const notifyTimeout = "5 seconds"

export class Notifier {
  private readonly sql: SqlClient
  private storing = 0
  private telling = false
  /** The latch of the next notification, if one was asked for: opens once the notification was sent. */
  private next: Latch.Latch | undefined

  constructor(sql: SqlClient) {
    this.sql = sql
  }

  /**
   * Runs a statement that stores tasks: without a notification if other such statements are in flight. None follows if
   * it has stored nothing, which `hasStored` says of what it returned. The first caller
   * that asks for a notification waits until it was sent, so that a program that ends has notified of its tasks. This
   * wait may be interrupted.
   */
  store<A, E>(
    statement: (quiet: boolean) => Effect.Effect<A, E>,
    hasStored: (a: A) => boolean = () => true
  ): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      const quiet = this.storing > 0
      this.storing++
      let told: Effect.Effect<void> = Effect.void
      const stored = Effect.onExit(statement(quiet), (exit) => {
        this.storing--
        if (!quiet || exit._tag === "Failure" || !hasStored(exit.value)) return Effect.void
        const isFirst = this.next === undefined
        return Effect.map(this.tell, (sent) => {
          if (isFirst) told = sent
        })
      })
      return quiet ? Effect.tap(stored, () => told) : stored
    })
  }

  /** Asks for a notification, to be sent after this. Ends at once, with an effect that waits until it was sent. */
  get tell(): Effect.Effect<Effect.Effect<void>> {
    return Effect.contextWith((context: Context.Context<never>) =>
      Effect.sync(() => this.tellUnsafe(Effect.runForkWith(context)))
    )
  }

  /** The same from synchronous code. */
  tellUnsafe(fork: (effect: Effect.Effect<void>) => unknown): Effect.Effect<void> {
    this.next ??= Latch.makeUnsafe(false)
    const told = this.next
    if (!this.telling) {
      this.telling = true
      fork(this.notifyLoop)
    }
    return told.await
  }

  /** Sends one notification at a time: it covers all tasks that were stored before it is sent. */
  private get notifyLoop(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => this.telling = this.next !== undefined,
      // Statements that end in the same turn of the event loop share one notification.
      body: () => Effect.andThen(Effect.yieldNow, this.notifyOnce),
      step: () => {}
    })
  }

  private get notifyOnce(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const told = this.next
      this.next = undefined
      return notify(this.sql, "").pipe(
        Effect.timeoutOption(notifyTimeout),
        Effect.withTracerEnabled(false),
        // A client that was closed interrupts its statements: that is ignored, too.
        Effect.ignoreCause,
        Effect.andThen(Effect.sync(() => told?.openUnsafe()))
      )
    })
  }
}

const notifiers = new WeakMap<SqlClient, Notifier>()

/** The notifier of a client: everything that enqueues through it, and all its workers, share one. */
export const notifierOf = (sql: SqlClient): Notifier => {
  const found = notifiers.get(sql)
  if (found !== undefined) return found
  const notifier = new Notifier(sql)
  notifiers.set(sql, notifier)
  return notifier
}
