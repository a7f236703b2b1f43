/**
 * Rescues the rows of dead workers. A lease that has expired proves nothing: while the database was away, or a session
 * held the row, no worker could renew. So an expired lease is looked at again and again for a third of a lease, and
 * its row is rescued only if its worker could have renewed all that time. Live workers need much less for it.
 *
 * One worker looks for all that run the same tasks: its look notifies the others, which put off their own. They look
 * when no such notification has come for a while.
 */
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import { failureKindOf, messageOf } from "../sql/errors.ts"
import { judge, type JudgedRow, lookInBlocks, type LookRow, type Suspicion } from "../sql/lease.ts"
import { type LeaseLook, lookForLeases } from "../sql/look.ts"
import { type LeaseOptions, noteFailure } from "./leaseRenewal.ts"
import type { OthersLooks } from "./othersLooks.ts"
import { Signal } from "./signal.ts"

/** An expired lease is judged this many times, a twelfth of a lease apart. The last time rescues its row. */
const judgements = 5
const judgementsPerLease = 12

/** The most rows that are watched, and judged with one statement. More than that wait until these are rescued. */
const maxWatched = 10_000
const maxJudged = 1000

/** A look in front reads this many entries of the index at most, of all tasks together, but some of each. */
const frontSize = 5000
const minFrontSize = 100

/** A look further back reads this many blocks of the table, and fewer where that takes too long. */
const maxBlocks = 512
const minBlocks = 8

/** Looks take this share of the time at most. One that failed may have met a silent server: it counts as a second. */
const lookShare = 20
const failedLook = 1000

/**
 * When the next look in front is made, as parts of the poll interval: from then on by a poll, if the worker is idle;
 * else by itself. Workers that are notified of another one's look wait for longer, so that this one goes on to look for them.
 */
const nextByPoll = 0.95
const nextByItself = 1.25
const patience = { least: 0.5, random: 0.5 }

/** A poll that is late, too, may still make the look. In milliseconds. */
export const pollGrace = 20

/**
 * Notifications may be false, and another worker may look, but fail to rescue. So each worker looks by itself after this
 * many poll intervals, whatever it is told. And it believes no rest that is longer than this, in milliseconds.
 */
const longestTrust = 30
const longestRest = 300_000

/** After a failure, doubled with each that follows, up to the longest. In milliseconds. */
const failedBackoff = { first: 50, longest: 5000 }

/** A dead worker may leave a thousand tasks: the log names this many, and counts the rest. */
const maxLogged = 20

/** How long after its last renewal a row may be rescued, at the earliest. In milliseconds. */
export const rescuedAfter = (lease: number): number => lease + lease * (judgements - 1) / judgementsPerLease

interface Watched {
  /** When its lease was first seen expired, in milliseconds since 1970 by Postgres's clock. */
  readonly since: number
  /** How often in a row it was found expired since then, and free to be renewed. */
  judged: number
}

export interface RescueOptions extends LeaseOptions {
  /** The notification that tells others of a look, and how long this worker rests after it, in milliseconds. */
  readonly announce: (rest: number) => string | undefined
  /** A worker that leaves this look to others leaves them other looks, too. */
  readonly othersLooks: OthersLooks
}

export class Rescue {
  private readonly options: RescueOptions
  /** Called when there may be rescued rows to run. */
  private readonly onRescued: () => void
  private readonly changed = new Signal()
  private readonly watched = new Map<TaskId, Watched>()
  // By the local clock, in milliseconds.
  private judgedAt = -Infinity
  /** When to look in front: by a poll that comes along, or else by itself. */
  private pollAt = 0
  private frontAt: number
  private frontTook = 0
  /** When this worker itself last looked. */
  private lookedAt: number
  private blocksAt = 0
  /** Where the look at the whole table goes on. Undefined: the look in front reaches every due row. */
  private block: number | undefined
  private blocks = maxBlocks
  private failedWait = failedBackoff.first

  constructor(options: RescueOptions, onRescued: () => void) {
    this.options = options
    this.onRescued = onRescued
    // A worker polls when it has started, unless it is busy at once.
    this.lookedAt = options.now()
    this.frontAt = this.lookedAt + Math.min(options.pollInterval * patience.least, 1000)
  }

  get run(): Effect.Effect<never> {
    return Effect.forever(
      this.turn.pipe(
        Effect.catch((error) => this.failed(error)),
        Effect.andThen(Effect.suspend(() => this.changed.wait(Math.max(this.nextAt - this.options.now(), 1))))
      )
    )
  }

  private get turn(): Effect.Effect<void, SqlError> {
    return Effect.gen({ self: this }, function*() {
      const { now } = this.options
      // After a standstill of this process a poll may be about to make this look.
      if (now() >= this.frontAt) yield* Effect.sleep(pollGrace)
      if (now() >= this.frontAt) yield* this.lookInFront
      if (this.block !== undefined && now() >= this.blocksAt) yield* this.lookInBlocks(this.block)
      if (this.watched.size > 0 && now() >= this.judgeAt) yield* this.judge
      this.failedWait = failedBackoff.first
    })
  }

  private get nextAt(): number {
    return Math.min(
      this.frontAt,
      this.block === undefined ? Infinity : this.blocksAt,
      this.watched.size === 0 ? Infinity : this.judgeAt
    )
  }

  private get judgeAt(): number {
    return this.judgedAt + this.options.lease / judgementsPerLease
  }

  /**
   * While the database did not answer, workers could perhaps not renew: every lease is watched anew. If it only refused
   * this statement, because of a lock or a timeout, it could have taken others.
   */
  private failed(error: SqlError): Effect.Effect<void> {
    if (failureKindOf(error) !== "Lock") this.watched.clear()
    const wait = this.failedWait
    this.failedWait = Math.min(wait * 2, failedBackoff.longest)
    return Effect.andThen(noteFailure(this.options.database, "The look for expired leases", error), Effect.sleep(wait))
  }

  /** Sends a statement once. */
  private send<A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return this.options.database.retryingUnless(statement, () => true)
  }

  /** A look in front for a poll to make along with its own, if it is time for one. */
  takeShared(): LeaseLook | undefined {
    const { now, pollInterval } = this.options
    if (now() < this.pollAt) return undefined
    this.pollAt = this.frontAt = now() + pollInterval * nextByItself
    return this.inFront
  }

  private get inFront(): LeaseLook {
    const { announce, tasks } = this.options
    const limit = Math.max(Math.ceil(frontSize / tasks.length), minFrontSize)
    // Whoever fails to rescue must not keep others from it.
    const works = this.failedWait === failedBackoff.first
    return { tasks, limit, notification: works ? announce(Math.ceil(this.frontTook * lookShare)) : undefined }
  }

  /** A look that is shared with a poll has failed: it is made apart, at once. */
  lookApart(): void {
    this.pollAt = Infinity
    this.frontAt = 0
    this.changed.set()
  }

  /** Another worker of the same tasks has looked. It rests this many milliseconds before it looks again. */
  othersLook(rest: number): void {
    const { othersLooks, pollInterval } = this.options
    const least = Math.max(rest >= 0 ? Math.min(rest, longestRest) : 0, pollInterval * nextByItself)
    othersLooks.trust(least + pollInterval)
    this.putOff(least)
    this.pollAt = this.frontAt = Math.min(this.pollAt, this.lookedAt + pollInterval * longestTrust)
    this.block = undefined
    this.changed.set()
  }

  private putOff(least: number): void {
    const { now, pollInterval } = this.options
    this.pollAt = this.frontAt = now() + least + pollInterval * (patience.least + patience.random * Math.random())
  }

  /** What a look in front has found, which took this long, in milliseconds. */
  looked(rows: ReadonlyArray<LookRow>, took: number): void {
    const { now, othersLooks, pollInterval } = this.options
    const { mine, more, next } = rows[0]!
    this.changed.set()
    // Another worker looks just now, and will say so.
    if (!mine) return this.putOff(0)
    othersLooks.end()
    this.lookedAt = now()
    this.frontTook = took
    this.watch(rows)
    this.block = more ? this.block ?? 0 : undefined
    const expiry = next === null ? Infinity : Math.max(next, 0) + 10
    const restUntil = now() + took * lookShare
    this.pollAt = Math.max(restUntil, now() + Math.min(expiry, pollInterval * nextByPoll))
    this.frontAt = Math.max(restUntil, now() + Math.min(expiry, pollInterval * nextByItself))
  }

  /** Where nearly all running rows are. If there is more, the whole table is looked through, too. */
  private get lookInFront(): Effect.Effect<void, SqlError> {
    return Effect.suspend(() => {
      const { now, sql } = this.options
      const startedAt = now()
      return this.send(lookForLeases(sql, this.inFront)).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => {
            // It was too much for the timeout of the server, or for ours.
            this.block ??= 0
            this.frontAt = this.restAfterFailure(error, now() - startedAt)
          })
        ),
        Effect.map((rows) => {
          this.looked(rows, now() - startedAt)
          this.onRescued()
        })
      )
    })
  }

  private restAfterFailure(error: SqlError, took: number): number {
    return this.options.now() + (failureKindOf(error) === "Lock" ? took : Math.min(took, failedLook)) * lookShare
  }

  private lookInBlocks(from: number): Effect.Effect<void, SqlError> {
    return Effect.suspend(() => {
      const { now, sql, tasks } = this.options
      const startedAt = now()
      return this.send(lookInBlocks(sql, tasks, { from, to: from + this.blocks })).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => {
            this.blocks = Math.max(this.blocks >> 1, minBlocks)
            this.blocksAt = this.restAfterFailure(error, now() - startedAt)
          })
        ),
        Effect.map((rows) => {
          const { mine, more } = rows[0]!
          this.blocksAt = now() + (now() - startedAt) * lookShare
          if (!mine) return
          this.watch(rows)
          // From the beginning again only if the next look in front doesn't reach every row, either.
          this.block = more ? from + this.blocks : undefined
          this.blocks = Math.min(this.blocks * 2, maxBlocks)
        })
      )
    })
  }

  private watch(rows: ReadonlyArray<LookRow>): void {
    for (const { id, since, token } of rows) {
      if (id === null || this.watched.has(id) || this.watched.size >= maxWatched) continue
      // This worker lives. It renews its own as soon as it can.
      const own = this.options.pool.held.get(id)
      const renews = own?.token === token && own.attempt?.stop === undefined
      if (!renews) this.watched.set(id, { since, judged: 0 })
    }
  }

  private get judge(): Effect.Effect<void, SqlError> {
    return Effect.gen({ self: this }, function*() {
      const { lease, now } = this.options
      // Whatever has kept this worker from judging may have kept the others from renewing.
      if (now() - this.judgedAt > lease / 3) { for (const watched of this.watched.values()) watched.judged = 0 }
      this.judgedAt = now()
      const all = [...this.watched]
      for (let start = 0; start < all.length; start += maxJudged) {
        const some = all.slice(start, start + maxJudged)
        yield* this.judgeSome(some.map(([id, { judged, since }]) => ({ id, since, ripe: judged >= judgements - 1 })))
      }
    })
  }

  /**
   * A batch that Postgres refuses is taken apart: one row must not keep the others from being rescued. A parent that is
   * to be replaced and its child are only refused together, because a trigger on the parent changes the child.
   */
  private judgeSome(some: ReadonlyArray<Suspicion>): Effect.Effect<void, SqlError> {
    const { kept, lease, maxCrashes, sql } = this.options
    return Effect.matchEffect(this.send(judge(sql, some, { maxCrashes, lease, kept })), {
      onFailure: (error) => {
        if (failureKindOf(error) !== "Data") return Effect.fail(error)
        if (some.length === 1) return this.refused(some[0]!.id, error)
        const middle = some.length >> 1
        return Effect.andThen(this.judgeSome(some.slice(0, middle)), this.judgeSome(some.slice(middle)))
      },
      onSuccess: (rows) => {
        this.judged(some.map(({ id }) => id), rows)
        return this.rescued(rows.filter(({ state }) => state === "rescued"))
      }
    })
  }

  /** It is tried again once the row has been watched anew. */
  private refused(id: TaskId, error: SqlError): Effect.Effect<void> {
    this.watched.get(id)!.judged = 0
    return Effect.logError(`The lease of task ${id} has expired, but its row can't be freed: ${messageOf(error)}`)
  }

  private judged(ids: ReadonlyArray<TaskId>, rows: ReadonlyArray<JudgedRow>): void {
    const states = new Map(rows.map(({ id, state }) => [id, state]))
    for (const id of ids) {
      const state = states.get(id)
      const watched = this.watched.get(id)!
      if (state === undefined || state === "rescued") this.watched.delete(id)
      else if (state === "expired") watched.judged++
      else watched.judged = 0
    }
  }

  private rescued(rows: ReadonlyArray<JudgedRow>): Effect.Effect<void> {
    if (rows.length === 0) return Effect.void
    this.options.metrics.leasesRescued(rows.length)
    // There may be more rows, of a worker that crashed with a large buffer.
    if (this.watched.size + rows.length >= maxWatched) this.frontAt = 0
    this.onRescued()
    return Effect.gen(function*() {
      yield* Effect.forEach(rows.slice(0, maxLogged), logRescued, { discard: true })
      if (rows.length > maxLogged) yield* Effect.logWarning(`${rows.length - maxLogged} more tasks rescued`)
    })
  }
}

const logRescued = (row: JudgedRow): Effect.Effect<void> =>
  (row.parked === true
    ? Effect.logError("Parked: its worker crashed again and again")
    : Effect.logWarning("Rescued: the lease had expired")).pipe(
      Effect.annotateLogs({ task: row.task, id: row.id, crashes: row.crashes })
    )
