/**
 * Where claimed rows of limited states ask for slots, and where slots are handed on: after the commit of an outcome that
 * gave one back, and from time to time, because a crash may come in between, and because people delete, park and move
 * rows by hand.
 *
 * Rows of limits with a rate ask when they are about to start, and take a moment together with their slot. So do rows
 * that got their slot before a back-off that this worker has heard of.
 *
 * See limitSchema.ts and rateSchema.ts for how a row waits.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Entered } from "../attempt/limit.ts"
import { failureKindOf, messageOf } from "../sql/errors.ts"
import {
  type EnteredRow,
  enterLimits,
  findBackOffs,
  findOpenKeys,
  type Grant,
  type GrantedRow,
  grantSlots,
  type NextMoment,
  nextMoments,
  sayLimits,
  someAtDoor,
  takeMoments,
  takeSlotsBack
} from "../sql/limits.ts"
import { longestStart } from "../sql/rateSchema.ts"
import type { AfterCommit } from "./afterCommit.ts"
import type { Chores } from "./chores.ts"
import type { Database } from "./database.ts"
import { BatchSize, Entrance } from "./entrance.ts"
import { type Ask, type Knocks, lockedPause } from "./knocks.ts"
import { lockRetries } from "./lockRetries.ts"
import type { Pauses } from "./pauses.ts"
import type { Waker } from "./wakeup.ts"

/** How often slots are looked for that nobody has handed on, by a worker that has met limits, or by another one. */
const lookEvery = { limited: 1000, unlimited: 60_000 }

/** Looks that take long, one like the other, take this share of the time at most. */
const lookShare = 10

/** However long they take, in milliseconds. */
const longestPause = 60_000

/** How many keys one statement looks at. Fewer, down to the fewest, after one that was cut off. */
const keysOfLook = { most: 1000, fewest: 10 }

/** How many statements that hand slots on are sent at the same time. */
const statementsOfGrants = 2

/** How many looks there are for each time that slots are taken back. */
const looksPerTaking = 10

/**
 * An answer is late if it took longer than `longestStart`, and so many times as long as the one before: this process stood
 * still, perhaps. Where each answer takes long, none is late: asking again would help nobody.
 */
const lateFactor = 4

export interface DoorOptions {
  readonly sql: SqlClient
  readonly database: Database
  readonly now: () => number
  readonly knocks: Knocks
  readonly pauses: Pick<Pauses, "claimable" | "known">
  /** Where the rows go on. */
  readonly pool: { readonly demand: number; readonly entered: (results: ReadonlyArray<Entered>) => void }
  readonly wakeup: Waker
  readonly afterCommit: AfterCommit
  readonly chores: Chores
}

export class Door {
  private readonly options: DoorOptions
  private readonly size = new BatchSize()
  private keysOfLook = keysOfLook.most
  /** The tags of the states that this worker claims, by task. Undefined: any. */
  private readonly known: ReadonlyMap<string, ReadonlySet<string> | undefined>
  private readonly entrances: ReadonlyArray<{ readonly run: Effect.Effect<never> }>
  /** How long the last answer took to a row that was about to start, in milliseconds. */
  private lastTook = Infinity
  /** How long the last look took, in milliseconds. */
  private lookTook = 0
  /** A poll has found rows at the door. */
  private someAtDoor = false

  constructor(options: DoorOptions) {
    this.options = options
    this.known = new Map(options.pauses.known.map(({ name, states }) => [name, states && new Set(states)]))
    const { chores, knocks: { entering, mayLook, starting }, now, sql } = options
    chores.on("atDoor", () => {
      this.someAtDoor = true
      mayLook.set()
    })
    const shared = {
      now,
      size: this.size,
      send: <A>(statement: Effect.Effect<A, SqlError>) => this.send(statement),
      told: (rows: ReadonlyArray<EnteredRow | NextMoment>) => this.told(rows)
    }
    this.entrances = [
      new Entrance({
        ...shared,
        line: entering,
        ask: (rows) => enterLimits(sql, rows),
        settle: (...all) => this.settleSlots(...all)
      }),
      new Entrance({
        ...shared,
        line: starting,
        ask: (rows) => takeMoments(sql, rows),
        settle: (...all) => this.settleStarts(...all)
      })
    ]
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
    const granting = Effect.forever(Effect.andThen(
      knocks.mayGrant.wait(),
      Effect.andThen(Effect.yieldNow, Effect.suspend(() => this.grantAll))
    ))
    const looking = Effect.andThen(this.sayLimits, this.looking(0))
    return Effect.raceAllFirst([...this.entrances.map(({ run }) => run), granting, knocks.moments.run, looking])
  }

  /** This build may have other numbers than the one before it. */
  private get sayLimits(): Effect.Effect<void> {
    const { database, knocks: { said }, sql } = this.options
    if (said.length === 0) return Effect.void
    return Effect.matchEffect(Effect.retry(database.withTimeout(sayLimits(sql, said)), lockRetries), {
      // Whoever claims a row of a key says it again.
      onFailure: (error) => Effect.logDebug(`The numbers of limits could not be noted: ${messageOf(error)}`),
      onSuccess: () => Effect.void
    })
  }

  private settleSlots(results: ReadonlyArray<Entered>, sentAt: number): void {
    for (const { claimed } of results) claimed.slotSince = sentAt
    this.options.pool.entered(results)
  }

  private settleStarts(results: ReadonlyArray<Entered & { readonly knock: Ask }>, sentAt: number): void {
    const { knocks, now } = this.options
    const took = now() - sentAt
    const isLate = took > longestStart && took > this.lastTook * lateFactor
    this.lastTook = took
    for (const { knock, ...entered } of results) {
      const { claimed, limit } = entered
      claimed.slotSince = sentAt
      if (limit !== undefined && (isLate || knocks.hasBackedOff(limit.key, sentAt))) knocks.starting.add(knock)
      else knock.answer(entered)
    }
  }

  private told(rows: ReadonlyArray<EnteredRow | NextMoment>): void {
    this.noteMoments(rows.flatMap((row) => row.state === "later" ? [row] : []))
    this.granted(rows.flatMap((row) => row.state === "later" ? [] : [row]))
  }

  private noteMoments(moments: ReadonlyArray<NextMoment>): void {
    for (const { key, wait } of moments) this.options.knocks.moments.add(key, wait)
  }

  /** Two statements at a time: while the database works on one, this worker reads the answer of the other. */
  private get grantAll(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const keys = this.options.knocks.takeKeys()
      return Effect.forEach(Arr.chunksOf(keys, this.size.keys), (batch) => this.grant(batch), {
        concurrency: statementsOfGrants,
        discard: true
      })
    })
  }

  private grant(batch: ReadonlyArray<string>): Effect.Effect<void> {
    const { knocks, sql } = this.options
    return Effect.matchEffect(this.send(grantSlots(sql, batch)), {
      onFailure: (error) => {
        this.size.adapt(error)
        return Effect.logDebug(`Slots could not be handed on, and will be again: ${messageOf(error)}`).pipe(
          Effect.andThen(Effect.sleep(lockedPause.first)),
          Effect.map(() => batch.forEach((key) => knocks.freed(key)))
        )
      },
      onSuccess: (rows) => Effect.andThen(this.settleGrants(rows), this.askForMoments(batch))
    })
  }

  private settleGrants(rows: ReadonlyArray<Grant>): Effect.Effect<unknown> {
    return Effect.suspend(() => {
      this.size.adapt(undefined)
      const locked = rows.flatMap(({ lockedKey }) => lockedKey ?? [])
      this.granted(rows.filter(({ lockedKey }) => lockedKey === null))
      if (locked.length === 0) return Effect.void
      const again = () => locked.forEach((key) => this.options.knocks.freed(key))
      return Effect.forkChild(Effect.map(Effect.sleep(lockedPause.longest), again))
    })
  }

  /** When those of these keys are to be looked at again whose rows wait for a moment. */
  private askForMoments(keys: ReadonlyArray<string>): Effect.Effect<void> {
    const { database, knocks, sql } = this.options
    const timed = keys.filter((key) => knocks.isTimed(key))
    if (timed.length === 0) return Effect.void
    return Effect.matchEffect(database.withTimeout(nextMoments(sql, timed)), {
      // The look at all limits finds them.
      onFailure: (error) => Effect.logDebug(`The next moments of rates could not be asked for: ${messageOf(error)}`),
      onSuccess: (moments) => Effect.sync(() => this.noteMoments(moments))
    })
  }

  private looking(looks: number): Effect.Effect<never> {
    const { knocks, now } = this.options
    return Effect.suspend(() => {
      const startedAt = now()
      const work = looks % looksPerTaking === 0 ? Effect.andThen(this.takeBack, this.look) : this.look
      return Effect.flatMap(knocks.isUsed ? work : this.lookForUse, () => {
        const pause = knocks.isUsed ? lookEvery.limited : lookEvery.unlimited
        return knocks.mayLook.wait(Math.max(pause, this.pauseAfter(now() - startedAt)))
      })
    }).pipe(Effect.andThen(Effect.suspend(() => this.looking(looks + 1))))
  }

  /** One look that has met a lock, or a database that was away, says nothing of the next: two in a row do. */
  private pauseAfter(took: number): number {
    const usual = Math.min(took, this.lookTook)
    this.lookTook = took
    return Math.min(usual * lookShare, longestPause)
  }

  /**
   * A worker without limits has no rights on their tables, perhaps. But its tasks may have had limits before, and their
   * rows wait at the door.
   */
  private get lookForUse(): Effect.Effect<void> {
    const { chores, database, sql } = this.options
    if (this.someAtDoor) {
      this.someAtDoor = false
      return this.look
    }
    if (chores.isAsked(lookEvery.unlimited)) return Effect.void
    return Effect.matchEffect(database.withTimeout(someAtDoor(sql, [...this.known.keys()])), {
      onFailure: (error) => Effect.logDebug(`Rows at the door could not be looked for: ${messageOf(error)}`),
      onSuccess: (found) => found ? this.look : Effect.void
    })
  }

  /** The worker's other statements tell if the database is lost. */
  private get look(): Effect.Effect<void> {
    const { database, knocks, sql } = this.options
    const backOffs = Effect.matchEffect(database.withTimeout(findBackOffs(sql)), {
      onFailure: (error) => Effect.logDebug(`Back-offs could not be looked for: ${messageOf(error)}`),
      onSuccess: (found) => Effect.sync(() => knocks.backOffsAre(found))
    })
    return Effect.andThen(backOffs, this.lookAfter(""))
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
    const { database, knocks, pauses, sql } = this.options
    return Effect.matchEffect(database.withTimeout(takeSlotsBack(sql, pauses.claimable)), {
      onFailure: (error) => Effect.logDebug(`Slots could not be taken back: ${messageOf(error)}`),
      onSuccess: (keys) => Effect.sync(() => keys.forEach((key) => knocks.freed(key)))
    })
  }
}
