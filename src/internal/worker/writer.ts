/**
 * Stores outcomes, many with one statement: flushes at once when idle, and gathers what comes while a flush is under
 * way. A batch that fails loses nothing: it is sent again, or taken apart until the row at fault stands alone.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { ClaimedTask, Entry, StoredOutcome } from "../attempt/claimedTask.ts"
import { messageOf, failureKindOf } from "../sql/errors.ts"
import { toPostgresText } from "../attempt/causeText.ts"
import type { Database } from "./database.ts"
import type { WorkerMetrics } from "./metrics.ts"
import { type RowOutcome, toChanges, withStored } from "../attempt/outcome.ts"
import { lockedRows, type StoredRow, storeOutcomes } from "../sql/outcome.ts"

/** More in one statement would not be faster, and would hold its rows' locks for longer. */
const maxBatch = 1000

/** Nor may large states together become a text that is too long for one statement, or for JavaScript. */
const maxBatchLength = 8_000_000

/** Which rows of a batch were written. */
interface Stored {
  readonly get: (id: string) => StoredRow | undefined
  /** Each of them: then no row is in the batch twice. */
  readonly all: boolean
  /** Some of them are unsettled: they were not written, and are to be sent again. */
  readonly unsettled: boolean
  /** The answer to a first try was lost: it may have been written then. */
  readonly again: boolean
}

const nothing: Stored = { get: () => undefined, all: false, unsettled: false, again: false }

/** A batch could not be stored. `again`: it was sent before, and the answer was lost. */
interface Failure {
  readonly error: SqlError
  readonly again: boolean
}

export interface WriterOptions {
  readonly sql: SqlClient
  readonly database: Database
  /** In milliseconds. */
  readonly lease: number
  readonly metrics: WorkerMetrics
  /** Whether the commits need not wait for the disk. */
  readonly isAsync: boolean
  /** Where outcomes come from. */
  readonly outbox: Queue.Dequeue<Entry>
  readonly onStored: (results: ReadonlyArray<StoredOutcome>) => Effect.Effect<void>
}

/** How many of the first go into one statement: one at least, whatever its size. */
const countThatFit = (entries: ReadonlyArray<Entry>): number => {
  let length = 0
  const tooMany = entries.findIndex(({ outcome }, index) => {
    if ("step" in outcome) length += outcome.step.length
    return length > maxBatchLength && index > 0
  })
  return tooMany < 0 ? entries.length : tooMany
}

export class Writer {
  private readonly options: WriterOptions

  constructor(options: WriterOptions) {
    this.options = options
  }

  /**
   * Writes until its fiber is interrupted. What waits for locked rows beside it has a scope of its own: that of the
   * worker ends it when it begins to close, and then the last outcomes would be lost.
   */
  get run(): Effect.Effect<never> {
    const taken = Queue.takeBetween(this.options.outbox, 1, maxBatch)
    const turn = Effect.flatMap(taken, (entries) =>
      // After many outcomes, many steps begin: one turn of the event loop later most of them have ended, and one statement
      // stores their outcomes. After one outcome only the next step of its task begins: nothing else is worth the wait.
      Effect.andThen(this.storeAll(entries), entries.length === 1 ? Effect.void : Effect.yieldNow))
    return Effect.scoped(Effect.forever(turn, { disableYield: true }))
  }

  private storeAll(entries: ReadonlyArray<Entry>): Effect.Effect<void, never, Scope.Scope> {
    const count = countThatFit(entries)
    const [batch, rest] = [entries.slice(0, count), entries.slice(count)]
    return rest.length === 0 ? this.store(batch) : Effect.andThen(this.store(batch), this.storeAll(rest))
  }

  private store(batch: ReadonlyArray<Entry>, again = false): Effect.Effect<void, never, Scope.Scope> {
    return Effect.matchEffect(this.send(batch, again), {
      onFailure: (failure) => this.takeApart(batch, failure),
      onSuccess: (stored) => this.settle(batch, stored)
    })
  }

  /** One statement for the batch. Sent again for as long as the database is away. */
  private send(batch: ReadonlyArray<Entry>, before = false): Effect.Effect<Stored, Failure> {
    const { lease, database, isAsync, metrics, sql } = this.options
    metrics.stored(batch.length)
    const changes = toChanges(batch)
    let sent = before ? 1 : 0
    const statement = Effect.suspend(() => {
      sent++
      return storeOutcomes(sql, changes, { lease, isAsync, again: sent > 1 })
    })
    return Effect.mapBoth(
      database.retryingUnless(statement, (error) => failureKindOf(error) !== "Database"),
      {
        onFailure: (error) => ({ error, again: sent > 1 }),
        onSuccess: (rows) => {
          const byId = new Map<string, StoredRow>(rows.map((row) => [row.id, row]))
          const unsettled = rows.at(-1)?.unsettled === true
          return { get: (id) => byId.get(id), all: byId.size === batch.length, unsettled, again: sent > 1 }
        }
      }
    )
  }

  private settle(batch: ReadonlyArray<Entry>, stored: Stored): Effect.Effect<void, never, Scope.Scope> {
    // A row that this worker lost and claimed again may be among them twice: the last of its attempts is the current one.
    const last = stored.all ? undefined : new Map(batch.map(({ claimed }) => [claimed.id, claimed]))
    const rowOf = (claimed: ClaimedTask) =>
      last === undefined || last.get(claimed.id) === claimed ? stored.get(claimed.id) : undefined
    if (stored.unsettled) return this.settleSome(batch, stored, ({ claimed }) => rowOf(claimed)?.unsettled === true)
    return this.options.onStored(batch.map(({ claimed, outcome }) => {
      const row = rowOf(claimed)
      // Of a row that was written by a first try whose answer was lost, nothing is known.
      claimed.watched = row?.watched ?? stored.again
      return {
        claimed,
        outcome: row === undefined ? outcome : withStored(claimed, outcome, row),
        // When a batch is sent again, a missing row usually means that the first send has stored its outcome. Only
        // `Continued` keeps its token, and is matched again.
        current: row !== undefined || (stored.again && outcome._tag !== "Continued")
      }
    }))
  }

  /** The others are stored: what is not settled is sent again, beside them. */
  private settleSome(
    batch: ReadonlyArray<Entry>,
    stored: Stored,
    isUnsettled: (entry: Entry) => boolean
  ): Effect.Effect<void, never, Scope.Scope> {
    const [open, settled] = [batch.filter(isUnsettled), batch.filter((entry) => !isUnsettled(entry))]
    const later = Effect.forkScoped(this.storeWhenFree(open, stored.again))
    const get = (id: string) => {
      const row = stored.get(id)
      return row?.unsettled ? undefined : row
    }
    return Effect.andThen(later, this.settle(settled, { get, all: false, unsettled: false, again: stored.again }))
  }

  private takeApart(batch: ReadonlyArray<Entry>, failure: Failure): Effect.Effect<void, never, Scope.Scope> {
    if (batch.length === 1) return this.storeAlone(batch[0]!, failure)
    if (failureKindOf(failure.error) !== "Lock") return this.storeHalves(batch, failure)
    return Effect.flatMap(this.lockedIn(batch), (locked) => {
      const [free, held] = [batch.filter((entry) => !locked.has(entry)), batch.filter((entry) => locked.has(entry))]
      if (held.length === 0) return this.storeHalves(batch, failure)
      const waiting = Effect.forkScoped(this.storeWhenFree(held, failure.again))
      return free.length === 0 ? Effect.asVoid(waiting) : Effect.andThen(waiting, this.store(free, failure.again))
    })
  }

  /** Those of a batch whose rows other sessions hold just now: with signals that is nothing unusual. */
  private lockedIn(batch: ReadonlyArray<Entry>): Effect.Effect<ReadonlySet<Entry>> {
    const { database, sql } = this.options
    const look = database.withTimeout(lockedRows(sql, batch.map(({ claimed }) => claimed.id)))
    return Effect.matchEffect(look, {
      onFailure: () => Effect.succeed(new Set()),
      onSuccess: (rows) => {
        const ids = new Set<string>(rows.map(({ id }) => id))
        return Effect.succeed(new Set(batch.filter(({ claimed }) => ids.has(claimed.id))))
      }
    })
  }

  private storeHalves(batch: ReadonlyArray<Entry>, { again }: Failure): Effect.Effect<void, never, Scope.Scope> {
    const middle = batch.length >> 1
    return Effect.andThen(this.store(batch.slice(0, middle), again), this.store(batch.slice(middle), again))
  }

  /**
   * The row at fault. What the database refuses for its content is parked with the reason in place of it: it was refused
   * now, so no earlier send has stored it.
   */
  private storeAlone(entry: Entry, { again, error }: Failure): Effect.Effect<void, never, Scope.Scope> {
    if (failureKindOf(error) === "Lock") return Effect.asVoid(Effect.forkScoped(this.storeWhenFree([entry], again)))
    const { claimed, history, outcome } = entry
    const parked: RowOutcome = {
      _tag: "Parked",
      error: toPostgresText(`The outcome of this step (${outcome._tag}) could not be stored: ${messageOf(error)}`)
    }
    const rest = {
      claimed,
      outcome: parked,
      history: history && { ...history, outcome: "parked", error: parked.error }
    }
    return Effect.matchEffect(this.send([rest]), {
      onFailure: ({ error }) =>
        Effect.andThen(
          Effect.logError(`The outcome of task ${claimed.id} could not be stored: ${messageOf(error)}`),
          this.settle([rest], nothing)
        ),
      onSuccess: (stored) => this.settle([rest], stored)
    })
  }

  /**
   * Other sessions hold the rows: looks now and then which of them are free, beside the other batches, and on one
   * connection, however many they are.
   */
  private storeWhenFree(entries: ReadonlyArray<Entry>, again: boolean): Effect.Effect<void, never, Scope.Scope> {
    return Effect.delay(
      Effect.flatMap(this.lockedIn(entries), (locked) => {
        const free = entries.filter((entry) => !locked.has(entry))
        const [first, ...held] = entries.filter((entry) => locked.has(entry))
        const store = free.length === 0 ? Effect.void : this.store(free, again)
        if (first === undefined) return store
        // Waits in the queue for one row, another one each time: sessions that lock it one after another leave no gap.
        const queue = Effect.flatMap(this.storeOrWait(first, again), (stored) => {
          const left = stored ? held : [...held, first]
          return left.length === 0 ? Effect.void : this.storeWhenFree(left, again)
        })
        return Effect.andThen(store, queue)
      }),
      "200 millis"
    )
  }

  /** False if another session holds the row still. */
  private storeOrWait(entry: Entry, again: boolean): Effect.Effect<boolean, never, Scope.Scope> {
    return Effect.matchEffect(this.send([entry], again), {
      onFailure: (failure) =>
        failureKindOf(failure.error) === "Lock"
          ? Effect.succeed(false)
          : Effect.as(this.storeAlone(entry, failure), true),
      onSuccess: (stored) => Effect.as(this.settle([entry], stored), true)
    })
  }
}
