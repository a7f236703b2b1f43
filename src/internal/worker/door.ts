/**
 * Where claimed rows of limited states ask for slots, and where slots are handed on: after the commit of an outcome that
 * gave one back, and from time to time, because a crash may come in between, and because people delete, park and move
 * rows by hand.
 *
 * See limitSchema.ts for how a row waits for a slot.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { ClaimedTask, HeldLimit } from "../attempt/claimedTask.ts"
import { codeOf, failureKindOf, messageOf } from "../sql/errors.ts"
import type { KnownTask } from "../sql/known.ts"
import {
  type EnteredRow,
  enterLimits,
  findOpenKeys,
  type Grant,
  type GrantedRow,
  grantSlots,
  takeSlotsBack
} from "../sql/limits.ts"
import type { AfterCommit } from "./afterCommit.ts"
import type { Database } from "./database.ts"
import { type Knock, type Knocks, lockedPause } from "./knocks.ts"
import type { Waker } from "./wakeup.ts"

/** The locks of more keys than these are never held together. */
const maxKeys = 50

/** More rows in one statement would hold its locks for longer. */
const maxRows = 200

/** How often slots are looked for that nobody has handed on, by a worker that has met limits, or by another one. */
const lookEvery = { limited: 1000, unlimited: 60_000 }

/** A look takes this share of the time at most. */
const lookShare = 10

/** How many keys one statement looks at. Fewer, down to the fewest, after one that was cut off. */
const keysOfLook = { most: 1000, fewest: 10 }

/** How many looks there are for each time that slots are taken back. */
const looksPerTaking = 10

/** A row that has asked for a slot. Without a limit, it has left this worker: it waits at the door, or it was lost. */
export interface Entered {
  readonly claimed: ClaimedTask
  readonly limit?: HeldLimit | undefined
  /** Why Postgres refuses its key, and would refuse it again. */
  readonly refused?: string
}

export interface DoorOptions {
  readonly sql: SqlClient
  readonly database: Database
  readonly now: () => number
  readonly known: ReadonlyArray<KnownTask>
  readonly knocks: Knocks
  /** Where the rows go on. */
  readonly pool: { readonly demand: number; readonly entered: (results: ReadonlyArray<Entered>) => void }
  readonly wakeup: Waker
  readonly afterCommit: AfterCommit
}

/** The first items of a list whose keys are few enough. */
const takeKeys = <A>(items: Array<A>, keyOf: (item: A) => string, most: number): Array<A> => {
  const keys = new Set<string>()
  let count = 0
  for (const item of items) {
    keys.add(keyOf(item))
    if (keys.size > Math.min(maxKeys, most) || count === most) break
    count++
  }
  return items.splice(0, count)
}

export class Door {
  private readonly options: DoorOptions
  /** How many rows one statement may concern now: fewer where the server has cancelled one because it took too long. */
  private most = maxRows
  private keysOfLook = keysOfLook.most
  /** The tags of the states that this worker claims, by task. Undefined: any. */
  private readonly known: ReadonlyMap<string, ReadonlySet<string> | undefined>

  constructor(options: DoorOptions) {
    this.options = options
    this.known = new Map(options.known.map(({ name, states }) => [name, states && new Set(states)]))
  }

  /**
   * These rows have got slots: they are ready. This worker knows, and others must, if it can't take them. Those in
   * quarantine are looked for after a notification.
   */
  private granted(rows: ReadonlyArray<GrantedRow>): void {
    if (rows.length === 0) return
    const { afterCommit, pool, wakeup } = this.options
    wakeup.dueBehind()
    if (pool.demand === 0 || rows.some((row) => row.quarantined === true || !this.knows(row))) afterCommit.left()
  }

  private knows({ tag, task }: GrantedRow): boolean {
    if (task === null || !this.known.has(task)) return false
    const tags = this.known.get(task)
    return tags === undefined || tag === null || tags.has(tag)
  }

  /**
   * Sends a statement until the database takes it, or refuses it for another reason than being away. If an answer was
   * lost, nobody knows which rows got slots then: there may be some.
   */
  private send<A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return Effect.suspend(() => {
      const { afterCommit, database, wakeup } = this.options
      let sent = 0
      const counted = Effect.suspend(() => {
        sent++
        return statement
      })
      const answered = database.retryingUnless(counted, (error) => failureKindOf(error) !== "Database")
      return Effect.tap(answered, () =>
        Effect.sync(() => {
          if (sent === 1) return
          wakeup.dueBehind()
          afterCommit.left()
        }))
    })
  }

  /** Works until its fiber is interrupted. */
  get run(): Effect.Effect<never> {
    const { knocks } = this.options
    const entering = Effect.forever(Effect.andThen(
      knocks.mayEnter.wait(),
      // The others of a claim come in the same turn.
      Effect.andThen(Effect.yieldNow, Effect.suspend(() => this.enterAll()))
    ))
    const granting = Effect.forever(Effect.andThen(
      knocks.mayGrant.wait(),
      Effect.andThen(Effect.yieldNow, Effect.suspend(() => this.grantAll))
    ))
    return Effect.raceAllFirst([entering, granting, this.looking(0)])
  }

  private enterAll(): Effect.Effect<void> {
    const { waiting } = this.options.knocks
    return Effect.whileLoop({
      while: () => waiting.length > 0,
      body: () => this.enterBatch(takeKeys(waiting, ({ limit }) => limit.key, this.most)),
      step: () => {}
    })
  }

  /** Fails for no reason but a lost database, which is waited for. */
  private enterBatch(batch: ReadonlyArray<Knock>): Effect.Effect<void> {
    const rows = batch.map(({ claimed: { id, token }, limit }) => ({ id, token, key: limit.key, slots: limit.slots }))
    return Effect.matchEffect(this.send(enterLimits(this.options.sql, rows)), {
      onFailure: (error) => this.again(batch, error),
      onSuccess: (rows) => Effect.suspend(() => this.settle(batch, rows))
    })
  }

  /** Where the server lets no statement take long, smaller ones come through. */
  private adapt(error: SqlError | undefined): void {
    if (error === undefined) this.most = Math.min(this.most * 2, maxRows)
    else if (codeOf(error) === "57014") this.most = Math.max(this.most >> 1, 1)
  }

  private settle(batch: ReadonlyArray<Knock>, rows: ReadonlyArray<EnteredRow>): Effect.Effect<unknown> {
    this.adapt(undefined)
    const found = new Map(rows.filter(({ state }) => state !== "granted").map((row) => [row.id, row]))
    const isLocked = ({ claimed }: Knock) => found.get(claimed.id)?.state === "locked"
    const locked = batch.filter(isLocked)
    const settled = batch.filter((knock) => !isLocked(knock))
    this.options.pool.entered(settled.map(({ claimed, limit: { key, slots } }) => {
      const row = found.get(claimed.id)
      return { claimed, limit: row?.state === "in" ? { key, slots, slot: row.slot! } : undefined }
    }))
    this.granted(rows.filter(({ id, state }) => state === "granted" && found.get(id)?.state !== "in"))
    return locked.length === 0 ? Effect.void : Effect.forkChild(this.enterAgain(locked))
  }

  private enterAgain(batch: ReadonlyArray<Knock>): Effect.Effect<void> {
    return Effect.map(Effect.sleep(batch[0]!.pause), () => this.options.knocks.enterAgain(batch))
  }

  /** It was refused though the database is there: because of a lock, or of the key of one row. */
  private again(batch: ReadonlyArray<Knock>, error: SqlError): Effect.Effect<void> {
    this.adapt(error)
    // A slot that is held already: where transactions are repeatable reads by default, a function sees what is past.
    if (failureKindOf(error) === "Lock" || codeOf(error) === "23505") {
      return Effect.logDebug(`Slots could not be asked for, and will be again: ${messageOf(error)}`).pipe(
        Effect.andThen(this.enterAgain(batch))
      )
    }
    if (batch.length > 1) {
      const middle = batch.length >> 1
      return Effect.andThen(this.enterBatch(batch.slice(0, middle)), this.enterBatch(batch.slice(middle)))
    }
    return Effect.sync(() =>
      this.options.pool.entered(batch.map(({ claimed, limit }) => ({
        claimed,
        refused: `The slot of the limit "${limit.key}" could not be asked for: ${messageOf(error)}`
      })))
    )
  }

  private get grantAll(): Effect.Effect<void> {
    return Effect.suspend(() => this.grant(this.options.knocks.takeKeys()))
  }

  private grant(keys: ReadonlyArray<string>): Effect.Effect<void> {
    const { knocks, sql } = this.options
    const batch = keys.slice(0, Math.min(maxKeys, this.most))
    if (batch.length === 0) return Effect.void
    return Effect.matchEffect(this.send(grantSlots(sql, batch)), {
      onFailure: (error) => {
        this.adapt(error)
        return Effect.logDebug(`Slots could not be handed on, and will be again: ${messageOf(error)}`).pipe(
          Effect.andThen(Effect.sleep(lockedPause.first)),
          Effect.map(() => batch.forEach((key) => knocks.freed(key)))
        )
      },
      onSuccess: (rows) => Effect.suspend(() => this.settleGrants(rows))
    }).pipe(Effect.andThen(Effect.suspend(() => this.grant(keys.slice(batch.length)))))
  }

  private settleGrants(rows: ReadonlyArray<Grant>): Effect.Effect<unknown> {
    this.adapt(undefined)
    const locked = rows.flatMap(({ lockedKey }) => lockedKey ?? [])
    this.granted(rows.filter(({ lockedKey }) => lockedKey === null))
    if (locked.length === 0) return Effect.void
    const again = () => locked.forEach((key) => this.options.knocks.freed(key))
    return Effect.forkChild(Effect.map(Effect.sleep(lockedPause.longest), again))
  }

  private looking(looks: number): Effect.Effect<never> {
    const { knocks, now } = this.options
    return Effect.suspend(() => {
      const startedAt = now()
      const work = looks % looksPerTaking === 0 ? Effect.andThen(this.takeBack, this.look) : this.look
      return Effect.flatMap(knocks.isUsed ? work : this.look, () => {
        const pause = knocks.isUsed ? lookEvery.limited : lookEvery.unlimited
        return Effect.sleep(Math.max(pause, (now() - startedAt) * lookShare))
      })
    }).pipe(Effect.andThen(Effect.suspend(() => this.looking(looks + 1))))
  }

  /** The worker's other statements tell if the database is lost. */
  private get look(): Effect.Effect<void> {
    return this.lookAfter("")
  }

  private lookAfter(after: string): Effect.Effect<void> {
    const { database, knocks, sql } = this.options
    return Effect.suspend(() =>
      Effect.matchEffect(database.withTimeout(findOpenKeys(sql, { after, most: this.keysOfLook })), {
        onFailure: (error) => {
          this.keysOfLook = Math.max(this.keysOfLook >> 1, keysOfLook.fewest)
          return Effect.logDebug(`Free slots could not be looked for: ${messageOf(error)}`)
        },
        onSuccess: ({ keys, next }) => {
          for (const key of keys) knocks.freed(key)
          return next === undefined ? Effect.void : this.lookAfter(next)
        }
      })
    )
  }

  private get takeBack(): Effect.Effect<void> {
    const { database, knocks, known, sql } = this.options
    return Effect.matchEffect(database.withTimeout(takeSlotsBack(sql, known)), {
      onFailure: (error) => Effect.logDebug(`Slots could not be taken back: ${messageOf(error)}`),
      onSuccess: (keys) => Effect.sync(() => keys.forEach((key) => knocks.freed(key)))
    })
  }
}
