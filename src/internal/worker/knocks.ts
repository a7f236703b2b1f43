/** What is asked of the door: slots for claimed rows, and slots to hand on. It keeps this until the door comes to it. */
import * as Effect from "effect/Effect"
import type { ClaimedTask } from "../attempt/claimedTask.ts"
import type { Entered, LimitDoor } from "../attempt/limit.ts"
import { sameForAllKeys } from "../definition/limit.ts"
import type { TaskDefinition } from "../definition/task.ts"
import type { BackOff } from "../sql/backOff.ts"
import { anyNumber } from "../sql/limitSchema.ts"
import { limitNameOf, type LimitOfRow } from "../sql/limits.ts"
import { BackOffs } from "./backOffs.ts"
import { Moments } from "./moments.ts"
import { Signal } from "./signal.ts"

/** A claimed row that asks for a slot. */
export interface Knock {
  readonly claimed: ClaimedTask
  readonly limit: LimitOfRow
  /** How long to wait before it asks again, if it is locked, in milliseconds. */
  readonly pause: number
}

/** Before what was locked asks again: doubled each time, up to the longest. In milliseconds. */
export const lockedPause = { first: 50, longest: 1000 }

/** A row that is about to start, and waits for the answer. */
export interface Ask extends Knock {
  readonly answer: (entered: Entered) => void
}

/** Rows that ask, the first first. */
export class Line<K extends Knock> {
  readonly waiting: Array<K> = []
  readonly mayEnter = new Signal()

  add(...knocks: ReadonlyArray<K>): void {
    this.waiting.push(...knocks)
    this.mayEnter.set()
  }

  /** The same ones, after their pause: others have locked them. */
  addAgain(knocks: ReadonlyArray<K>): void {
    this.add(...knocks.map((knock) => ({ ...knock, pause: Math.min(knock.pause * 2, lockedPause.longest) })))
  }

  /** Unless it has been sent. */
  remove(knock: K): void {
    const index = this.waiting.indexOf(knock)
    if (index >= 0) this.waiting.splice(index, 1)
  }
}

export class Knocks implements LimitDoor {
  /** Rows that ask for a slot, before they wait for their turn in the pool. */
  readonly entering = new Line<Knock>()
  /** Rows that are about to start. */
  readonly starting = new Line<Ask>()
  readonly mayGrant = new Signal()
  /** Keys may have slots that only a look finds. */
  readonly mayLook = new Signal()
  readonly moments: Moments
  /** What this build says of its limits. */
  readonly said: ReadonlyArray<LimitOfRow>
  private readonly backOffs: BackOffs
  /** The limits of this worker's tasks that have a rate. */
  private readonly rated: ReadonlySet<string>
  /** Keys with slots to hand on, perhaps. */
  private keys = new Set<string>()
  private used: boolean

  constructor(tasks: ReadonlyMap<string, TaskDefinition>, now: () => number) {
    const all = [...tasks.values()].map(({ limits }) => limits)
    const limits = all.flatMap((limits) => [...limits?.values() ?? []])
    this.said = sameForAllKeys(all)
    this.used = limits.length > 0
    this.rated = new Set(limits.flatMap(({ name, rate }) => rate === undefined ? [] : [name]))
    this.backOffs = new BackOffs(now)
    this.moments = new Moments(now, (keys) => this.momentsCame(keys))
  }

  /** This worker has met limits. */
  get isUsed(): boolean {
    return this.used
  }

  /** Whether the rows of this key ask when they are about to start. */
  isRated(key: string): boolean {
    return this.rated.size > 0 && this.rated.has(limitNameOf(key))
  }

  /** Whether a row that was claimed asks for a slot before it waits for its turn in the pool. */
  entersFirst({ limit }: ClaimedTask): boolean {
    return limit?.slot === 0 && !this.isRated(limit.key)
  }

  /** Whether the rows of this key may have to wait for a moment. */
  isTimed(key: string): boolean {
    return this.isRated(key) || this.backOffs.has(key)
  }

  /** Whether a row whose slot was given to it, or seen with it, at that time may not start with it any more. */
  isHeldBack({ slotSince }: ClaimedTask, key: string): boolean {
    return this.backOffs.isHeldBack(key, slotSince)
  }

  /** Whether a key has backed off since a row has asked. */
  hasBackedOff(key: string, since: number): boolean {
    return this.backOffs.isNewSince(key, since)
  }

  /** A claimed row asks for a slot. */
  enter(claimed: ClaimedTask, limit: LimitOfRow): void {
    this.used = true
    this.entering.add({ claimed, limit, pause: lockedPause.first })
  }

  /** A claimed row is about to start, and waits for the answer. */
  ask(claimed: ClaimedTask, limit: LimitOfRow): Effect.Effect<Entered> {
    return Effect.callback((resume) => {
      this.used = true
      const answer = (entered: Entered) => resume(Effect.succeed(entered))
      const ask: Ask = { claimed, limit, pause: lockedPause.first, answer }
      this.starting.add(ask)
      return Effect.sync(() => this.starting.remove(ask))
    })
  }

  /** A slot of this key is free, perhaps. */
  freed(key: string): void {
    this.used = true
    this.keys.add(key)
    this.mayGrant.set()
  }

  /** An attempt of this limit has ended. Where slots are not what tasks wait for, none is handed on. */
  left({ key, slots }: LimitOfRow): void {
    if (slots !== anyNumber || !this.isRated(key)) this.freed(key)
  }

  takeKeys(): ReadonlyArray<string> {
    const keys = [...this.keys]
    this.keys = new Set()
    return keys
  }

  /** Somebody says that no task of a limit, or of a key, starts for so many milliseconds. */
  backedOff(key: string, millis: number): void {
    this.backOffs.add(key, millis)
    this.moments.add(key, millis)
  }

  /** What a look has found. */
  backOffsAre(found: ReadonlyArray<BackOff>): void {
    for (const { key, millis } of found) this.backedOff(key, millis)
    this.backOffs.isKnown = true
  }

  private momentsCame(keys: ReadonlyArray<string>): void {
    for (const key of keys) this.freed(key)
    // A back-off of a whole limit is over: only a look finds its keys.
    if (keys.some((key) => limitNameOf(key) === key && this.backOffs.has(key))) this.mayLook.set()
  }
}
