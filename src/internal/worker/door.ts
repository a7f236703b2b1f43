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
import type { TaskDefinition } from "../definition/task.ts"
import { codeOf, failureKindOf, messageOf } from "../sql/errors.ts"
import { type EnteredRow, enterLimits, findOpenKeys, grantSlots, takeSlotsBack } from "../sql/limits.ts"
import type { AfterCommit } from "./afterCommit.ts"
import type { Database } from "./database.ts"
import type { Knock, Knocks } from "./knocks.ts"
import type { Waker } from "./wakeup.ts"

/** The locks of more keys than these are never held together. */
const maxKeys = 50

/** More rows in one statement would hold its locks for longer. */
const maxRows = 200

/** Before what was locked is tried again. In milliseconds. */
const lockedPause = 50

/** How often slots are looked for that nobody has handed on, by a worker that has met limits, or by another one. */
const lookEvery = { limited: 1000, unlimited: 60_000 }

/** A look takes this share of the time at most. */
const lookShare = 10

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
  readonly tasks: ReadonlyMap<string, TaskDefinition>
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
    if (keys.size > maxKeys || count === most) break
    count++
  }
  return items.splice(0, count)
}

export class Door {
  private readonly options: DoorOptions

  constructor(options: DoorOptions) {
    this.options = options
  }

  /** Rows of these tasks have got slots: they are ready. This worker knows, and others must, if it can't take them. */
  private granted(tasks: ReadonlyArray<string | null>): void {
    const { afterCommit, pool, tasks: own, wakeup } = this.options
    wakeup.dueIn(0)
    const isForeign = tasks.some((task) => task === null || !own.has(task))
    if (isForeign || pool.demand === 0) afterCommit.left()
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
      body: () => this.enterBatch(takeKeys(waiting, ({ limit }) => limit.key, maxRows)),
      step: () => {}
    })
  }

  /** Fails for no reason but a lost database, which is waited for. */
  private enterBatch(batch: ReadonlyArray<Knock>): Effect.Effect<void> {
    const { database, sql } = this.options
    const rows = batch.map(({ claimed: { id, token }, limit }) => ({ id, token, key: limit.key, slots: limit.slots }))
    const entered = database.retryingUnless(enterLimits(sql, rows), (error) => failureKindOf(error) !== "Database")
    return Effect.matchEffect(entered, {
      onFailure: (error) => this.again(batch, error),
      onSuccess: (rows) => Effect.suspend(() => this.settle(batch, rows))
    })
  }

  private settle(batch: ReadonlyArray<Knock>, rows: ReadonlyArray<EnteredRow>): Effect.Effect<unknown> {
    const found = new Map(rows.map((row) => [row.id, row]))
    const isLocked = ({ claimed }: Knock) => found.get(claimed.id)?.state === "locked"
    const locked = batch.filter(isLocked)
    const settled = batch.filter((knock) => !isLocked(knock))
    this.options.pool.entered(settled.map(({ claimed, limit: { key, slots } }) => {
      const row = found.get(claimed.id)
      return { claimed, limit: row?.state === "in" ? { key, slots, slot: row.slot! } : undefined }
    }))
    const own = new Set(settled.filter(({ claimed }) => found.get(claimed.id)?.state === "in"))
    const granted = rows.flatMap(({ state, task }) => state === "granted" ? [task] : [])
    const quarantined = rows.some(({ slot, state }) => state === "out" && slot !== null)
    if (granted.length > own.size || quarantined) this.granted(granted)
    if (locked.length === 0) return Effect.void
    return Effect.forkChild(Effect.map(Effect.sleep(lockedPause), () => this.options.knocks.enterAgain(locked)))
  }

  /** It was refused though the database is there: because of a lock, or of the key of one row. */
  private again(batch: ReadonlyArray<Knock>, error: SqlError): Effect.Effect<void> {
    // A slot that is held already: where transactions are repeatable reads by default, a function sees what is past.
    if (failureKindOf(error) === "Lock" || codeOf(error) === "23505") {
      return Effect.logDebug(`Slots could not be asked for, and will be again: ${messageOf(error)}`).pipe(
        Effect.andThen(Effect.sleep(lockedPause)),
        Effect.map(() => this.options.knocks.enterAgain(batch))
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
    const { database, knocks, sql } = this.options
    const batch = keys.slice(0, maxKeys)
    if (batch.length === 0) return Effect.void
    const granted = database.retryingUnless(grantSlots(sql, batch), (error) => failureKindOf(error) !== "Database")
    return Effect.matchEffect(granted, {
      onFailure: (error) =>
        Effect.logDebug(`Slots could not be handed on, and will be again: ${messageOf(error)}`).pipe(
          Effect.andThen(Effect.sleep(lockedPause)),
          Effect.map(() => batch.forEach((key) => knocks.freed(key)))
        ),
      onSuccess: (rows) =>
        Effect.sync(() => {
          if (rows.length > 0) this.granted(rows.map(({ task }) => task))
        })
    }).pipe(Effect.andThen(Effect.suspend(() => this.grant(keys.slice(maxKeys)))))
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
    const { database, knocks, sql } = this.options
    return Effect.matchEffect(database.withTimeout(findOpenKeys(sql)), {
      onFailure: (error) => Effect.logDebug(`Free slots could not be looked for: ${messageOf(error)}`),
      onSuccess: (keys) => Effect.sync(() => keys.forEach((key) => knocks.freed(key)))
    })
  }

  private get takeBack(): Effect.Effect<void> {
    const { database, knocks, sql, tasks } = this.options
    return Effect.matchEffect(database.withTimeout(takeSlotsBack(sql, [...tasks.keys()])), {
      onFailure: (error) => Effect.logDebug(`Slots could not be taken back: ${messageOf(error)}`),
      onSuccess: (keys) => Effect.sync(() => keys.forEach((key) => knocks.freed(key)))
    })
  }
}
