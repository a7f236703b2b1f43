/** Hears of the ends of tasks, where the client has notifications and a connection to spare. */
import { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import { endedChannel } from "../sql/results.ts"
import { query } from "../sql/query.ts"
import { workersOf } from "./listeners.ts"

/** If a statement takes longer, its connection has broken silently. */
const listenTimeout = "10 seconds"

/** A pooler in transaction mode delivers nothing: so a connection that stays silent is replaced seldom. */
const replacedAfter = 12

const backoff = Schedule.min([Schedule.exponential("100 millis", 2), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/** The size of a pool that was given none. */
const defaultConnections = 10

/** Workers on the same client need connections, too: for LISTEN, for their steps and for their own statements. */
const isSpare = (connections: number, workers: number): boolean =>
  workers === 0 ? connections >= 2 : connections > 4 && connections - workers >= 3

export interface EndListenerOptions {
  /** Tasks have ended, or are parked. */
  readonly onEnded: (ids: ReadonlyArray<string>) => void
  /** Something may have happened while nobody listened. */
  readonly onConnected: () => void
}

export class EndListener {
  private readonly options: EndListenerOptions
  private readonly probe = `probe ${crypto.randomUUID()}`
  private connected = false
  private count = 0
  /** A probe was sent, and has not come back. */
  private awaited = false
  private missed = 0

  constructor(options: EndListenerOptions) {
    this.options = options
  }

  /** Whether notifications come through, as far as we know. */
  get hears(): boolean {
    return this.connected && !this.awaited
  }

  /** How often it has connected. */
  get connections(): number {
    return this.count
  }

  /** Listens until its fiber is interrupted. Every so often it checks that notifications come through. */
  run(interval: number): Effect.Effect<never> {
    return Effect.flatMap(Effect.serviceOption(PgClient), (found) => {
      const client = Option.getOrUndefined(found)
      if (client === undefined) return Effect.never
      const { maxConnections = defaultConnections } = client.config as { readonly maxConnections?: number }
      if (!isSpare(maxConnections, workersOf(client))) return Effect.never
      const once = Effect.scoped(Effect.flatMap(
        Effect.timeoutOption(client.listen(endedChannel), listenTimeout),
        (queue) => Option.isNone(queue) ? Effect.void : this.hear(client, queue.value, interval)
      ))
      return once.pipe(
        Effect.ignoreCause,
        Effect.ensuring(Effect.sync(() => {
          this.connected = false
        })),
        Effect.repeat(backoff),
        Effect.andThen(Effect.never)
      )
    })
  }

  private hear(
    client: PgClient,
    notifications: Queue.Dequeue<{ readonly payload: string }, SqlError>,
    interval: number
  ): Effect.Effect<unknown, SqlError> {
    this.connected = true
    this.count++
    this.missed = 0
    const received = Effect.forever(Effect.map(Queue.take(notifications), ({ payload }) => this.receive(payload)))
    const check = Effect.suspend(() => {
      if (this.awaited) this.missed++
      this.awaited = true
      return query(client, "select pg_notify($1, $2)", [endedChannel, this.probe]).pipe(
        Effect.timeoutOption(listenTimeout),
        Effect.ignore
      )
    })
    this.awaited = false
    const checks = Effect.suspend(() =>
      Effect.whileLoop({
        while: () => this.missed < replacedAfter,
        body: () => Effect.andThen(check, Effect.sleep(interval)),
        step: () => {}
      })
    )
    this.options.onConnected()
    return Effect.raceFirst(received, checks)
  }

  private receive(payload: string): void {
    if (payload.startsWith("probe ")) {
      if (payload === this.probe) {
        this.awaited = false
        this.missed = 0
      }
    } else this.options.onEnded(payload.split(" "))
  }
}
