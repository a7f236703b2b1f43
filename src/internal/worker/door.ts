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
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Entered } from "../attempt/limit.ts"
import { sameForAllKeys } from "../definition/limit.ts"
import type { TaskDefinition } from "../definition/task.ts"
import { failureKindOf, messageOf } from "../sql/errors.ts"
import {
  type EnteredRow,
  enterLimits,
  type GrantedRow,
  grantSlots,
  lookAtLimits,
  type NextMoment,
  sayLimits,
  takeMoments,
  takeSlotsBack
} from "../sql/limits.ts"
import { longestStart } from "../sql/rateSchema.ts"
import type { AfterCommit } from "./afterCommit.ts"
import type { Database } from "./database.ts"
import { Entrance, lockedPause, maxKeys } from "./entrance.ts"
import type { Ask, Knocks } from "./knocks.ts"
import type { Wakeup } from "./wakeup.ts"

/** How often slots are looked for that nobody has handed on, by a worker that has met limits, or by another one. */
const lookEvery = { limited: 1000, unlimited: 60_000 }

/** A look takes this share of the time at most. */
const lookShare = 10

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
  readonly tasks: ReadonlyMap<string, TaskDefinition>
  readonly knocks: Knocks
  readonly isPaused: (task: string) => boolean
  /** Where the rows go on. */
  readonly pool: { readonly demand: number; readonly entered: (results: ReadonlyArray<Entered>) => void }
  readonly wakeup: Wakeup
  readonly afterCommit: AfterCommit
}

export class Door {
  private readonly options: DoorOptions
  private readonly entrances: ReadonlyArray<{ readonly run: Effect.Effect<never> }>
  /** How long the last answer took to a row that was about to start, in milliseconds. */
  private lastTook = Infinity

  constructor(options: DoorOptions) {
    this.options = options
    const { entering, starting } = options.knocks
    const answered = (rows: ReadonlyArray<EnteredRow | NextMoment>, own: number) => this.answered(rows, own)
    const shared = { ...options, answered }
    this.entrances = [
      new Entrance({ ...shared, line: entering, send: enterLimits, settle: (...all) => this.settleSlots(...all) }),
      new Entrance({ ...shared, line: starting, send: takeMoments, settle: (...all) => this.settleStarts(...all) })
    ]
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
    const granting = Effect.forever(Effect.andThen(
      knocks.mayGrant.wait(),
      Effect.andThen(Effect.yieldNow, Effect.suspend(() => this.grantAll))
    ))
    const looking = Effect.andThen(this.sayLimits, this.looking(0))
    return Effect.raceAllFirst([...this.entrances.map(({ run }) => run), granting, knocks.moments.run, looking])
  }

  /** This build may have other numbers than the one before it. */
  private get sayLimits(): Effect.Effect<void> {
    const { database, sql, tasks } = this.options
    const limits = sameForAllKeys([...tasks.values()].map(({ limits }) => limits))
    if (limits.length === 0) return Effect.void
    return Effect.matchEffect(database.withTimeout(sayLimits(sql, limits)), {
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

  private answered(rows: ReadonlyArray<EnteredRow | NextMoment>, own: number): void {
    const granted = rows.flatMap((row) => row.state === "granted" ? [row.task] : [])
    const quarantined = rows.some((row) => row.state === "out" && row.slot !== null)
    this.noteMoments(rows)
    if (granted.length > own || quarantined) this.granted(granted)
  }

  private noteMoments(rows: ReadonlyArray<EnteredRow | GrantedRow | NextMoment>): void {
    for (const row of rows) if (row.state === "later") this.options.knocks.moments.add(row.key, row.wait)
  }

  private get grantAll(): Effect.Effect<void> {
    return Effect.suspend(() => this.grant(this.options.knocks.takeKeys()))
  }

  private grant(keys: ReadonlyArray<string>): Effect.Effect<void> {
    const { database, knocks, sql } = this.options
    const batch = keys.slice(0, maxKeys)
    if (batch.length === 0) return Effect.void
    const timed = batch.some((key) => knocks.isTimed(key))
    const statement = grantSlots(sql, batch, { timed })
    const granted = database.retryingUnless(statement, (error) => failureKindOf(error) !== "Database")
    return Effect.matchEffect(granted, {
      onFailure: (error) =>
        Effect.logDebug(`Slots could not be handed on, and will be again: ${messageOf(error)}`).pipe(
          Effect.andThen(Effect.sleep(lockedPause)),
          Effect.map(() => batch.forEach((key) => knocks.freed(key)))
        ),
      onSuccess: (rows) =>
        Effect.sync(() => {
          this.noteMoments(rows)
          const tasks = rows.flatMap((row) => row.state === "granted" ? [row.task] : [])
          if (tasks.length > 0) this.granted(tasks)
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
        return knocks.mayLook.wait(Math.max(pause, (now() - startedAt) * lookShare))
      })
    }).pipe(Effect.andThen(Effect.suspend(() => this.looking(looks + 1))))
  }

  /** The worker's other statements tell if the database is lost. */
  private get look(): Effect.Effect<void> {
    const { database, knocks, sql } = this.options
    return Effect.matchEffect(database.withTimeout(lookAtLimits(sql)), {
      onFailure: (error) => Effect.logDebug(`Free slots could not be looked for: ${messageOf(error)}`),
      onSuccess: (look) => Effect.sync(() => knocks.looked(look))
    })
  }

  private get takeBack(): Effect.Effect<void> {
    const { database, isPaused, knocks, sql, tasks } = this.options
    const taken = takeSlotsBack(sql, [...tasks.keys()].filter((task) => !isPaused(task)))
    return Effect.matchEffect(database.withTimeout(taken), {
      onFailure: (error) => Effect.logDebug(`Slots could not be taken back: ${messageOf(error)}`),
      onSuccess: (keys) => Effect.sync(() => keys.forEach((key) => knocks.freed(key)))
    })
  }
}
