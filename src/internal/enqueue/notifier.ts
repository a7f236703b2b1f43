/**
 * Notifications that no statement sends by itself, many in one. Postgres commits transactions that notify one after
 * the other, and the disk's wait with them: so of the tasks that a process enqueues at the same time, each by a
 * statement of its own, all but the first are stored quietly, and told of together, as soon as they are committed.
 *
 * What is told of after the commit may be lost with the process: then the workers' polls find it.
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
  /** Of the next notification, if anybody has asked for it: open once it was sent. */
  private next: Latch.Latch | undefined

  constructor(sql: SqlClient) {
    this.sql = sql
  }

  /**
   * Runs a statement that stores tasks, quietly if others are under way. The first to ask for a notification waits for
   * it, but may be interrupted: so a program that ends has told of what it enqueued.
   */
  store<A, E>(statement: (quiet: boolean) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      const quiet = this.storing > 0
      this.storing++
      let told: Effect.Effect<void> = Effect.void
      const stored = Effect.onExit(statement(quiet), (exit) => {
        this.storing--
        if (!quiet || exit._tag === "Failure") return Effect.void
        const isFirst = this.next === undefined
        return Effect.map(this.tell, (sent) => {
          if (isFirst) told = sent
        })
      })
      return quiet ? Effect.tap(stored, () => told) : stored
    })
  }

  /** Sees to it that a notification is sent from now on. Ends at once, with an effect that waits for it. */
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

  /** One notification at a time: it tells of all that was stored until it is sent. */
  private get notifyLoop(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => this.telling = this.next !== undefined,
      // What ends in the same turn is told of together.
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
        // Also of a client that has been closed, whose statements are interrupted.
        Effect.ignoreCause,
        Effect.andThen(Effect.sync(() => told?.openUnsafe()))
      )
    })
  }
}

const notifiers = new WeakMap<SqlClient, Notifier>()

/** The notifier of a client: all who enqueue through it, and all its workers, share one. */
export const notifierOf = (sql: SqlClient): Notifier => {
  const found = notifiers.get(sql)
  if (found !== undefined) return found
  const notifier = new Notifier(sql)
  notifiers.set(sql, notifier)
  return notifier
}
