/**
 * Notifications of producers, many in one. Postgres commits transactions that notify one after the other, and the
 * disk's wait with them: so of the tasks that a process enqueues at the same time, each by a statement of its own,
 * all but the first are stored quietly, and told of together, as soon as they are committed.
 *
 * What is told of after the commit may be lost with the process: then the workers' polls find it.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { notify } from "./sql.ts"

export class Notifier {
  private readonly sql: SqlClient
  private storing = 0
  private telling = false
  private untold = false

  constructor(sql: SqlClient) {
    this.sql = sql
  }

  /** Runs a statement that stores tasks, quietly if others are under way. */
  store<A, E>(statement: (quiet: boolean) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      const quiet = this.storing > 0
      this.storing++
      return Effect.onExit(statement(quiet), (exit) => {
        this.storing--
        return quiet && exit._tag === "Success" ? this.tell : Effect.void
      })
    })
  }

  /** One notification at a time: it tells of all that was stored until it is sent. */
  private get tell(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.untold = true
      if (this.telling) return Effect.void
      this.telling = true
      return Effect.onExit(this.tellAll, () => Effect.sync(() => (this.telling = false)))
    })
  }

  private get tellAll(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => this.untold,
      body: () => {
        this.untold = false
        return Effect.withTracerEnabled(Effect.ignore(notify(this.sql, "")), false)
      },
      step: () => {}
    })
  }
}

const notifiers = new WeakMap<SqlClient, Notifier>()

/** The notifier of a client: all who enqueue through it share one. */
export const notifierOf = (sql: SqlClient): Notifier => {
  const found = notifiers.get(sql)
  if (found !== undefined) return found
  const notifier = new Notifier(sql)
  notifiers.set(sql, notifier)
  return notifier
}
