/**
 * Notifications, where the client has them. They are a shortcut, never relied on: every wake-up also has a poll
 * behind it, and the listener is checked by notifications that the worker sends to itself.
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import { messageOf } from "./database.ts"
import { channel, notify } from "./sql.ts"

export interface ListenerOptions {
  readonly client: PgClient
  readonly workerId: string
  /** Something may have become ready. */
  readonly onChange: () => void
  /** Somebody asks all workers to stop. */
  readonly onStop: () => void
  /** A task was cancelled: its row is gone. */
  readonly onCancel: (id: string) => void
}

const backoff = Schedule.min([Schedule.exponential("100 millis", 2), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

export class Listener {
  private readonly options: ListenerOptions
  private readonly probe: string
  /** Open once it is known whether we can listen. */
  private readonly known = Latch.makeUnsafe(false)
  private connected = false
  /** A probe was sent, and has not come back. */
  private awaited = false
  private warned = false

  constructor(options: ListenerOptions) {
    this.options = options
    this.probe = `probe ${options.workerId}`
  }

  /** Whether notifications come through, as far as we know. */
  get hears(): boolean {
    return this.connected && !this.awaited
  }

  /** Waits until the first attempt to listen has worked or failed. */
  get settled(): Effect.Effect<void> {
    return this.known.await
  }

  /** Listens until its fiber is interrupted, connecting anew whenever the connection breaks. */
  get run(): Effect.Effect<never> {
    return this.listenOnce.pipe(
      Effect.tapError((error) => this.disconnected(error)),
      Effect.retry(backoff),
      Effect.orDie
    )
  }

  /** Sends a notification to ourselves. Called at every poll; the one before must have come back by then. */
  get check(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.connected) return Effect.void
      const deaf = this.awaited && !this.warned
      this.awaited = true
      const sent = Effect.ignore(notify(this.options.client, this.probe))
      if (!deaf) return sent
      this.warned = true
      return Effect.andThen(
        Effect.logWarning("Notifications do not come through (a pooler in transaction mode?): polling instead"),
        sent
      )
    })
  }

  private get listenOnce(): Effect.Effect<never, SqlError> {
    return Effect.scoped(
      Effect.flatMap(this.options.client.listen(channel), (notifications) => {
        this.connected = true
        this.awaited = false
        this.known.openUnsafe()
        // What happened while nobody listened.
        this.options.onChange()
        return Effect.forever(Effect.map(Queue.take(notifications), ({ payload }) => this.receive(payload)))
      })
    )
  }

  private receive(payload: string): void {
    if (payload === this.probe) this.awaited = this.warned = false
    else if (payload === "stop_worker") this.options.onStop()
    else if (payload.startsWith("cancel ")) this.options.onCancel(payload.slice("cancel ".length))
    else if (!payload.startsWith("probe ")) this.options.onChange()
  }

  private disconnected(error: SqlError): Effect.Effect<void> {
    const first = this.connected || !this.warned
    this.connected = false
    this.warned = true
    this.known.openUnsafe()
    return first
      ? Effect.logWarning(`Not listening for notifications: ${messageOf(error)}. Polling until it works`)
      : Effect.void
  }
}
