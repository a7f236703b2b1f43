/** What is asked of the door: slots for claimed rows, and slots to hand on. It keeps this until the door comes to it. */
import type { ClaimedTask } from "../attempt/claimedTask.ts"
import type { LimitOfRow } from "../sql/limits.ts"
import { Signal } from "./signal.ts"

/** A claimed row that asks for a slot. */
export interface Knock {
  readonly claimed: ClaimedTask
  readonly limit: LimitOfRow
}

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
    this.enterAgain([{ claimed, limit }])
  }

  enterAgain(knocks: ReadonlyArray<Knock>): void {
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
