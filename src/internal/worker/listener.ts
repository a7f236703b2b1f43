/**
 * Notifications, where the client has them. They are a shortcut, never relied on: every wake-up also has a poll
 * behind it, and the listener is checked by notifications that the worker sends to itself.
 */
import { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { CurrentBorrowed } from "../sql/borrowed.ts"
import { messageOf } from "../sql/errors.ts"
import { pollGrace } from "./leaseRescue.ts"
import { countWorkers, workersOf } from "../enqueue/listeners.ts"
import { nextByItself, type OwnProbe, type Probe, readProbe } from "./probe.ts"
import { Signal } from "./signal.ts"
import { type BackOff, backOffIn } from "../sql/backOff.ts"
import { channel, notify } from "../sql/notify.ts"
import { pausesChanged } from "../sql/pauses.ts"
import { stopAll, stopIn } from "../sql/table.ts"

export interface ListenerOptions {
  readonly client: PgClient
  readonly workerId: string
  /** The schema of this worker's table: others share the channel. */
  readonly schema: string
  /** Something may have become ready. */
  readonly onChange: () => void
  /** Somebody asks all workers to stop, or those of this schema. */
  readonly onStop: () => void
  /** Its connection broke. */
  readonly onBroken: () => void
  /** Somebody says that a task was cancelled. */
  readonly onCancel: (id: string) => void
  /** No task of a limit, or of a key, starts for a while. */
  readonly onBackOff: (backOff: BackOff) => void
  /** Something was paused or resumed. */
  readonly onPauses: () => void
  /** Another worker has sent a probe. */
  readonly onProbe: (probe: Probe) => void
  /** What it sends to itself, and how often. */
  readonly probe: OwnProbe
  readonly now: () => number
}

const backoff = Schedule.min([Schedule.exponential("100 millis", 2), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/** If a statement takes longer, its connection has broken silently. */
const listenTimeout = "10 seconds"

/**
 * After this many unanswered probes the connection is replaced. (One probe may just be late.) The limit doubles each
 * time, because behind a pooler in transaction mode no new connection would help.
 */
const minDeafChecks = 2
const maxDeafChecks = 32

/** From when on a poll sends the next probe along with its own, as parts of the interval. */
const nextByPoll = 0.95

const silence = (problem: string) =>
  new SqlError({
    reason: new ConnectionError({ cause: new Error(problem), message: problem, operation: "listen" })
  })

const unanswered = silence("no connection, or no answer to LISTEN")
const deaf = silence("notifications do not come through")

export class Listener {
  private readonly options: ListenerOptions
  /** Open once it is known whether we can listen. */
  private readonly known = Latch.makeUnsafe(false)
  private connected = false
  /** A probe was sent, and has not come back. */
  private awaited = false
  private warned = false
  /** When a probe was last sent, by the local clock in milliseconds, and after how long the next one was promised. */
  private probedAt = -Infinity
  private promised = Infinity
  /** When to send one sooner than that. */
  private hurriedAt = Infinity
  private readonly hurried = new Signal()
  /** Checks that found the connection deaf, and after how many it is replaced. */
  private deafChecks = 0
  private deafLimit = minDeafChecks
  private readonly replace = new Signal()
  private readonly warning = new Signal()

  constructor(options: ListenerOptions) {
    this.options = options
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

  /** A notification to ourselves for a poll to send, if it is time. The one before must have come back. */
  nextProbe(): string | undefined {
    const now = this.options.now()
    // One that is on its way comes soon enough.
    if (this.awaited) this.hurriedAt = Infinity
    if (!this.connected || now < Math.min(this.hurriedAt, this.probedAt + this.interval * nextByPoll)) return undefined
    if (this.awaited) this.missed()
    return this.probeNow()
  }

  private probeNow(): string {
    const { now, probe } = this.options
    this.awaited = true
    this.probedAt = now()
    this.promised = probe.interval
    this.hurriedAt = Infinity
    return probe.text
  }

  /** How long after the last probe the next one is due: peers forget a worker that is later than it has promised. */
  private get interval(): number {
    return Math.min(this.options.probe.interval, this.promised)
  }

  /** Sends a probe in so many milliseconds, unless one is sent before. */
  probeIn(delay: number): void {
    this.hurriedAt = Math.min(this.hurriedAt, this.options.now() + delay)
    this.hurried.set()
  }

  /** Another worker has sent what this one was to send sooner. */
  leaveProbe(): void {
    this.hurriedAt = Infinity
  }

  /** Sends the notifications to ourselves that no poll has sent, because the worker is busy. */
  get check(): Effect.Effect<never> {
    const { now } = this.options
    const left = () => Math.min(this.hurriedAt, this.probedAt + this.interval * nextByItself) - now()
    const wait = Effect.suspend(() => this.hurried.wait(left() > 0 ? left() : this.interval * nextByItself))
    const late = Effect.suspend(() => left() > 0 ? Effect.void : this.sendProbe(this.nextProbe()))
    return Effect.forever(Effect.andThen(Effect.andThen(wait, Effect.sleep(pollGrace)), late))
  }

  private sendProbe(probe: string | undefined): Effect.Effect<void> {
    if (probe === undefined) return Effect.void
    return notify(this.options.client, probe).pipe(Effect.timeoutOption(listenTimeout), Effect.ignore)
  }

  /** The connection has broken silently, and a new one would work; or a pooler is between the worker and the server. */
  private missed(): void {
    if (++this.deafChecks >= this.deafLimit) {
      this.deafChecks = 0
      this.deafLimit = Math.min(this.deafLimit * 2, maxDeafChecks)
      this.replace.set()
    }
    if (this.warned) return
    this.warned = true
    this.warning.set()
  }

  private get warn(): Effect.Effect<never> {
    const warned = Effect.logWarning(
      "Notifications do not come through (a pooler in transaction mode?): polling instead"
    )
    return Effect.forever(Effect.andThen(this.warning.wait(), warned))
  }

  /**
   * Ends its connection with its scope, whose finalizers run side by side: one after the other, the driver would wait
   * for the answer to UNLISTEN before it gives the connection back, and a silent one has none.
   */
  private get listenOnce(): Effect.Effect<never, SqlError> {
    return Effect.acquireUseRelease(
      Effect.flatMap(CurrentBorrowed, (borrowed) => borrowed.scope("parallel")),
      (scope) => Effect.flatMap(this.listen(scope), (notifications) => this.hear(notifications)),
      (scope) => Scope.close(scope, Exit.void)
    )
  }

  private listen(scope: Scope.Scope) {
    return this.options.client.listen(channel).pipe(
      Effect.timeoutOrElse({ duration: listenTimeout, orElse: () => Effect.fail(unanswered) }),
      Scope.provide(scope)
    )
  }

  private hear(notifications: Queue.Dequeue<{ readonly payload: string }, SqlError>): Effect.Effect<never, SqlError> {
    this.connected = true
    // A pooler may accept LISTEN and deliver nothing. Until the probe comes back, the worker polls as without LISTEN.
    const probe = this.probeNow()
    this.known.openUnsafe()
    // What happened while nobody listened.
    this.options.onChange()
    this.options.onPauses()
    const received = Effect.forever(Effect.map(Queue.take(notifications), ({ payload }) => this.receive(payload)))
    const replaced = Effect.andThen(this.replace.wait(), Effect.fail(deaf))
    const probed = Effect.andThen(this.sendProbe(probe), Effect.never)
    return Effect.raceAllFirst([received, replaced, probed, this.warn])
  }

  private receive(payload: string): void {
    if (payload.startsWith("probe ")) this.receiveProbe(payload)
    else if (payload === stopAll || payload === stopIn(this.options.schema)) this.options.onStop()
    else if (payload === pausesChanged) this.options.onPauses()
    else if (payload.startsWith("cancel ")) this.options.onCancel(payload.slice("cancel ".length))
    else {
      const backOff = backOffIn(payload)
      if (backOff === undefined) this.options.onChange()
      else this.options.onBackOff(backOff)
    }
  }

  private receiveProbe(payload: string): void {
    const probe = readProbe(payload)
    if (probe.workerId === this.options.workerId) return this.heard()
    this.options.onProbe(probe)
  }

  private heard(): void {
    this.awaited = this.warned = false
    this.deafChecks = 0
    this.deafLimit = minDeafChecks
  }

  private disconnected(error: SqlError): Effect.Effect<void> {
    // The log said before that no notifications come through.
    const first = error !== deaf && (this.connected || !this.warned)
    if (this.connected) this.options.onBroken()
    this.connected = false
    this.warned = true
    this.known.openUnsafe()
    return first
      ? Effect.logWarning(`Not listening for notifications: ${messageOf(error)}. Polling until it works`)
      : Effect.void
  }
}

/** The size of a pool that was given none. */
const defaultConnections = 10

/** The client, where it can listen and has a connection to spare for that. Undefined when the worker must poll. */
export const clientToListen: Effect.Effect<PgClient | undefined, never, Scope.Scope> = Effect.gen(function*() {
  const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient))
  if (client === undefined) return undefined
  const { maxConnections = defaultConnections } = client.config as { readonly maxConnections?: number }
  // Listening takes its connection for good, and the last one is for everything else.
  if (workersOf(client) + 1 >= maxConnections) {
    yield* Effect.logWarning(
      `The pool has no connection to spare for LISTEN: polling. Give it more than its ${maxConnections}: one for ` +
        "each of its workers, and those that the steps need"
    )
    return undefined
  }
  yield* Effect.acquireRelease(countWorkers(client, 1), () => countWorkers(client, -1))
  return client
})
