/** What is asked of the door: slots for claimed rows, and slots to hand on. It keeps this until the door comes to it. */
import type { ClaimedTask } from "../attempt/claimedTask.ts"
import type { LimitOfRow } from "../sql/limits.ts"
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

export class Knocks {
  /** Rows that ask, the first first. */
  readonly waiting: Array<Knock> = []
  readonly mayEnter = new Signal()
  readonly mayGrant = new Signal()
  /** Keys with slots to hand on, perhaps. */
  private keys = new Set<string>()
  private used: boolean

  /** `used`: this worker has limited states. */
  constructor(used: boolean) {
    this.used = used
  }

  /** This worker has met limits. */
  get isUsed(): boolean {
    return this.used
  }

  /** A claimed row asks for a slot. */
  enter(claimed: ClaimedTask, limit: LimitOfRow): void {
    this.add([{ claimed, limit, pause: lockedPause.first }])
  }

  /** The same ones, after their pause: others have locked them. */
  enterAgain(knocks: ReadonlyArray<Knock>): void {
    this.add(knocks.map((knock) => ({ ...knock, pause: Math.min(knock.pause * 2, lockedPause.longest) })))
  }

  private add(knocks: ReadonlyArray<Knock>): void {
    this.used = true
    this.waiting.push(...knocks)
    this.mayEnter.set()
  }

  /** A slot of this key is free, perhaps. */
  freed(key: string): void {
    this.used = true
    this.keys.add(key)
    this.mayGrant.set()
  }

  takeKeys(): ReadonlyArray<string> {
    const keys = [...this.keys]
    this.keys = new Set()
    return keys
  }
}
