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
import type { ClaimedTask } from "../attempt/claimedTask.ts"
import type { Entered } from "../attempt/limit.ts"
import type { TaskDefinition } from "../definition/task.ts"
import { failureKindOf, messageOf } from "../sql/errors.ts"
import {
  type EnteredRow,
  enterLimits,
  findOpenKeys,
  type GrantedRow,
  grantSlots,
  limitNameOf,
  type LimitOfRow,
  type NextMoment,
  takeMoments,
  takeSlotsBack
} from "../sql/limits.ts"
import { longestStart } from "../sql/rateSchema.ts"
import type { AfterCommit } from "./afterCommit.ts"
import { BackOffs } from "./backOffs.ts"
import type { Database } from "./database.ts"
import { type Knock, Knocks, lockedPause, maxKeys } from "./knocks.ts"
import { Moments } from "./moments.ts"
import { Signal } from "./signal.ts"
import type { Wakeup } from "./wakeup.ts"

/** How often slots are looked for that nobody has handed on, by a worker that has met limits, or by another one. */
const lookEvery = { limited: 1000, unlimited: 60_000 }

/** A look takes this share of the time at most. */
const lookShare = 10

/** How many looks there are for each time that slots are taken back. */
const looksPerTaking = 10

/** How often a row asks again that begins too late after the answer. Then it begins: else a slow database held it up. */
const mostAsks = 3

export interface DoorOptions {
  readonly sql: SqlClient
  readonly database: Database
  readonly now: () => number
  readonly tasks: ReadonlyMap<string, TaskDefinition>
}

/** Where the rows go on. */
interface Inside {
  readonly pool: { readonly demand: number; readonly entered: (results: ReadonlyArray<Entered>) => void }
  readonly wakeup: Wakeup
  readonly afterCommit: AfterCommit
}

/** A row that is about to start, and waits for the answer. */
interface Ask extends Knock {
  asks: number
  readonly answer: (entered: Entered) => void
}

export class Door {
  private readonly options: DoorOptions
  private readonly mayGrant = new Signal()
  private readonly mayLook = new Signal()
  private readonly slots: Knocks<Knock>
  private readonly asks: Knocks<Ask>
  private readonly moments: Moments
  private readonly backOffs: BackOffs
  /** The limits of this worker's tasks that have a rate. */
  private readonly rated: ReadonlySet<string>
  /** Keys with slots to hand on. */
  private keys = new Set<string>()
  /** This worker has met limits. */
  private isUsed: boolean
  private inside: Inside | undefined

  constructor(options: DoorOptions) {
    this.options = options
    const limits = [...options.tasks.values()].flatMap(({ limits }) => [...limits?.values() ?? []])
    this.isUsed = limits.length > 0
    this.rated = new Set(limits.flatMap(({ name, rate }) => rate === undefined ? [] : [name]))
    this.backOffs = new BackOffs(options.now)
    this.moments = new Moments(options.now, (keys) => this.momentsCame(keys))
    const answered = (rows: ReadonlyArray<EnteredRow | NextMoment>, own: number) => this.answered(rows, own)
    this.slots = new Knocks({ ...options, send: enterLimits, settle: (...all) => this.settleSlots(...all), answered })
    this.asks = new Knocks({ ...options, send: takeMoments, settle: (...all) => this.settleAsks(...all), answered })
  }

  /** Says who takes the rows that have got slots. */
  opens(inside: Inside): void {
    this.inside = inside
  }

  /** Rows of these tasks have got slots: they are ready. This worker knows, and others must, if it can't take them. */
  private granted(tasks: ReadonlyArray<string | null>): void {
    const { afterCommit, pool, wakeup } = this.inside!
    wakeup.dueIn(0)
    const isForeign = tasks.some((task) => task === null || !this.options.tasks.has(task))
    if (isForeign || pool.demand === 0) afterCommit.left()
  }

  /** Whether the rows of this key ask when they are about to start. */
  isRated(key: string): boolean {
    return this.rated.size > 0 && this.rated.has(limitNameOf(key))
  }

  /** Whether a row whose slot was given to it, or seen with it, at that time may not start with it any more. */
  isHeldBack({ limit, slotSince }: ClaimedTask): boolean {
    return limit !== undefined && this.backOffs.isHeldBack(limit.key, slotSince)
  }

  /** A claimed row asks for a slot. */
  enter(claimed: ClaimedTask, limit: LimitOfRow): void {
    this.isUsed = true
    this.slots.add({ claimed, limit })
  }

  /** A claimed row is about to start, and waits for the answer. */
  ask(claimed: ClaimedTask, limit: LimitOfRow): Effect.Effect<Entered> {
    return Effect.callback((resume) => {
      this.isUsed = true
      const ask: Ask = { claimed, limit, asks: 0, answer: (entered) => resume(Effect.succeed(entered)) }
      this.asks.add(ask)
      return Effect.sync(() => this.asks.remove(ask))
    })
  }

  /** A slot of this key is free, perhaps. */
  freed(key: string): void {
    this.isUsed = true
    this.keys.add(key)
    this.mayGrant.set()
  }

  /** Somebody says that no task of a limit, or of a key, starts for so many milliseconds. */
  backedOff(key: string, millis: number): void {
    this.backOffs.add(key, millis)
    this.moments.add(key, millis)
  }

  /** Works until its fiber is interrupted. */
  get run(): Effect.Effect<never> {
    const granting = Effect.forever(Effect.andThen(
      this.mayGrant.wait(),
      Effect.andThen(Effect.yieldNow, Effect.suspend(() => this.grantAll))
    ))
    return Effect.raceAllFirst([this.slots.run, this.asks.run, granting, this.moments.run, this.looking(0)])
  }

  private settleSlots(results: ReadonlyArray<Entered>, sentAt: number): void {
    for (const { claimed } of results) claimed.slotSince = sentAt
    this.inside?.pool.entered(results)
  }

  private settleAsks(results: ReadonlyArray<Entered & { readonly knock: Ask }>, sentAt: number): void {
    const isLate = this.options.now() - sentAt > longestStart
    for (const { knock, ...entered } of results) {
      const { claimed, limit } = entered
      claimed.slotSince = sentAt
      const mustAsk = limit !== undefined && (isLate || this.backOffs.isHeldBack(limit.key, sentAt))
      if (mustAsk && ++knock.asks < mostAsks) this.asks.add(knock)
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
    for (const row of rows) if (row.state === "later") this.moments.add(row.key, row.wait)
  }

  private momentsCame(keys: ReadonlyArray<string>): void {
    for (const key of keys) this.freed(key)
    // A back-off of a whole limit is over: only a look finds its keys.
    if (keys.some((key) => limitNameOf(key) === key && this.backOffs.has(key))) this.mayLook.set()
  }

  private get grantAll(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const keys = [...this.keys]
      this.keys = new Set()
      return this.grant(keys)
    })
  }

  private grant(keys: ReadonlyArray<string>): Effect.Effect<void> {
    const { database, sql } = this.options
    const batch = keys.slice(0, maxKeys)
    if (batch.length === 0) return Effect.void
    const timed = batch.some((key) => this.isRated(key) || this.backOffs.has(key))
    const statement = grantSlots(sql, batch, { timed })
    const granted = database.retryingUnless(statement, (error) => failureKindOf(error) !== "Database")
    return Effect.matchEffect(granted, {
      onFailure: (error) =>
        Effect.logDebug(`Slots could not be handed on, and will be again: ${messageOf(error)}`).pipe(
          Effect.andThen(Effect.sleep(lockedPause)),
          Effect.map(() => batch.forEach((key) => this.freed(key)))
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
    const { now } = this.options
    return Effect.suspend(() => {
      const startedAt = now()
      const work = looks % looksPerTaking === 0 ? Effect.andThen(this.takeBack, this.look) : this.look
      return Effect.flatMap(this.isUsed ? work : this.look, () => {
        const pause = this.isUsed ? lookEvery.limited : lookEvery.unlimited
        return this.mayLook.wait(Math.max(pause, (now() - startedAt) * lookShare))
      })
    }).pipe(Effect.andThen(Effect.suspend(() => this.looking(looks + 1))))
  }

  /** The worker's other statements tell if the database is lost. */
  private get look(): Effect.Effect<void> {
    const { database, sql } = this.options
    return Effect.matchEffect(database.withTimeout(findOpenKeys(sql)), {
      onFailure: (error) => Effect.logDebug(`Free slots could not be looked for: ${messageOf(error)}`),
      onSuccess: (keys) => Effect.sync(() => keys.forEach((key) => this.freed(key)))
    })
  }

  private get takeBack(): Effect.Effect<void> {
    const { database, sql, tasks } = this.options
    return Effect.matchEffect(database.withTimeout(takeSlotsBack(sql, [...tasks.keys()])), {
      onFailure: (error) => Effect.logDebug(`Slots could not be taken back: ${messageOf(error)}`),
      onSuccess: (keys) => Effect.sync(() => keys.forEach((key) => this.freed(key)))
    })
  }
}
