/**
 * Runs the rows whose worker crashed. Any of them may be what killed it. They are never buffered, so that a crash says
 * something about the row that was running. Those on their last chance run one at a time, so that it is known what kills
 * the worker then.
 */
import * as Effect from "effect/Effect"
import { type ClaimedRow, claimQuarantined, releaseClaim } from "../sql/claim.ts"
import { type LeaseOptions, noteFailure } from "./leaseRenewal.ts"
import { rescuedAfter } from "./leaseRescue.ts"
import { Signal } from "./signal.ts"

const maxInt = 2 ** 31 - 1

/**
 * The pause between a notification and the query for rows in quarantine. Most notifications are about other rows, and
 * this query should not compete with their claim. A row in quarantine has already waited for a lease to expire, so this
 * pause does not matter.
 */
const debounce = "50 millis"

/**
 * After a notification, a worker that looks for tasks soon learns from that whether one is in quarantine. A busy one may
 * not look for long: then this query is sent. In milliseconds.
 */
const hintTimeout = 3500

export class Quarantine {
  private readonly options: LeaseOptions
  private readonly signal = new Signal()
  private readonly hinted = new Signal()
  /** When a look last said whether there are some, by the local clock in milliseconds. */
  private seenAt = -Infinity
  private lastAttemptRunning = false

  constructor(options: LeaseOptions) {
    this.options = options
  }

  /** There may be some. */
  look(): void {
    this.signal.set()
  }

  /** A notification came: there may be some, unless the worker's next look says otherwise. */
  hint(): void {
    this.hinted.set()
  }

  /** A look for tasks has said whether there are some. */
  seen(some: boolean): void {
    this.seenAt = this.options.now()
    if (some) this.look()
  }

  get run(): Effect.Effect<never> {
    const looking = Effect.forever(
      this.signal.wait().pipe(
        Effect.andThen(Effect.sleep(debounce)),
        Effect.andThen(Effect.suspend(() => this.runAll()))
      )
    )
    const waiting = Effect.forever(
      this.hinted.wait().pipe(
        Effect.andThen(Effect.sync(this.options.now)),
        Effect.tap(() => Effect.sleep(hintTimeout)),
        Effect.map((at) => {
          if (this.seenAt < at) this.look()
        })
      )
    )
    return Effect.raceAllFirst([looking, waiting])
  }

  private runAll(): Effect.Effect<void> {
    return Effect.flatMap(this.runOne, (found) => found ? this.runAll() : Effect.void)
  }

  /** False when there was none. */
  private get runOne(): Effect.Effect<boolean> {
    const { pool } = this.options
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(pool.reserveSlot), () => {
        const token = crypto.randomUUID()
        return Effect.map(this.claim(token), (row) => {
          if (row === undefined) pool.returnSlot()
          else this.start(row, token)
          return row !== undefined
        })
      })
    )
  }

  private claim(token: string): Effect.Effect<ClaimedRow | undefined> {
    const { lease, database, maxCrashes, now, pauses, sql } = this.options
    const release = Effect.ignore(database.withTimeout(releaseClaim(sql, token)))
    const startedAt = now()
    const mayRun = this.lastAttemptRunning ? maxCrashes - 2 : maxInt
    return database.withTimeout(claimQuarantined(sql, { tasks: pauses.claimable, token, lease, maxCrashes: mayRun }))
      .pipe(
        // After a standstill of this process another worker may have it.
        Effect.flatMap(([row]) =>
          now() - startedAt < rescuedAfter(lease) ? Effect.succeed(row) : Effect.as(release, undefined)
        ),
        Effect.catch((error) =>
          Effect.as(Effect.andThen(noteFailure(database, "The claim of a quarantined task", error), release), undefined)
        )
      )
  }

  private start(row: ClaimedRow, token: string): void {
    const { maxCrashes, pool } = this.options
    const lastChance = row.crashes >= maxCrashes - 1
    if (lastChance) this.lastAttemptRunning = true
    pool.admitReserved(row, token, () => {
      if (!lastChance) return
      this.lastAttemptRunning = false
      this.look()
    })
  }
}
