/** The claimed tasks that wait for a slot, in two queues: new ones, and chains whose next step is due at once. */
import * as MutableList from "effect/MutableList"
import type { ClaimedTask } from "../attempt/claimedTask.ts"
import { Memory } from "./memory.ts"
import { type Brought, Prefetch } from "./prefetch.ts"

export interface BufferOptions {
  readonly concurrency: number
  /** How many tasks may wait for a free slot at most. */
  readonly bufferSize: number
  /** The local clock, in milliseconds. */
  readonly now: () => number
}

/** While many chains wait, a new task begins this rarely, in milliseconds. So endless chains can't keep it out. */
const newTaskEvery = 250

/** Tasks that have waited for too long, by their queue. */
export interface Waiting {
  readonly fresh: ReadonlyArray<ClaimedTask>
  readonly chains: ReadonlyArray<ClaimedTask>
}

/** Those of a list that have waited since `before`. They leave it. */
const takeSince = (list: MutableList.MutableList<ClaimedTask>, before: number): ReadonlyArray<ClaimedTask> => {
  const taken: Array<ClaimedTask> = []
  for (const claimed of MutableList.takeAll(list)) {
    if (claimed.heldSince <= before) taken.push(claimed)
    else MutableList.append(list, claimed)
  }
  return taken
}

export class Buffer {
  /** What all claimed tasks of the worker take, also those that run. */
  readonly memory: Memory
  private readonly options: BufferOptions
  private readonly prefetch: Prefetch
  /** Claimed and not yet begun. */
  private readonly fresh = MutableList.make<ClaimedTask>()
  /** Tasks whose next step is due at once, behind the others. */
  private readonly chains = MutableList.make<ClaimedTask>()
  private chainsTurn = false
  /** When a new task last began, by the local clock in milliseconds. */
  private newTaskAt = -Infinity

  constructor(options: BufferOptions, memory = new Memory()) {
    this.options = options
    this.memory = memory
    this.prefetch = new Prefetch(options)
  }

  get size(): number {
    return this.fresh.length + this.chains.length
  }

  /** Another chain may be kept. Else its next step takes its turn with everybody's. */
  get hasRoomForChain(): boolean {
    return this.chains.length < this.options.bufferSize && !this.memory.isFull
  }

  /**
   * How many tasks to claim, for so many free slots and for the buffer, which is to hold `least` of them or more; 0
   * while enough are here.
   */
  demand(free: number, least = 0): number {
    const idle = free - this.chains.length
    const ahead = this.memory.isFull ? 0 : Math.max(this.ahead, least)
    const room = Math.max(idle, 0) + ahead - this.fresh.length
    // Not one by one as slots get free: half a buffer at a time.
    return room > 0 && (idle > this.fresh.length || this.fresh.length * 2 <= ahead) ? room : 0
  }

  /** How many tasks may wait for a slot. */
  private get ahead(): number {
    const target = this.prefetch.target(this.options.now())
    // Chains that fill every slot must not keep new tasks out.
    return this.chains.length > 0 ? Math.max(target, this.options.concurrency) : target
  }

  /** A claim has brought tasks: whether some have to wait, and whether they were as many as were asked for. */
  claimed(what: Brought): void {
    this.prefetch.claimed(this.options.now(), what)
  }

  addNew(claimed: ClaimedTask): void {
    MutableList.append(this.fresh, claimed)
  }

  addChain(claimed: ClaimedTask): void {
    MutableList.append(this.chains, claimed)
  }

  /**
   * The next one for a free slot. By turns from both queues, so that neither new tasks nor long chains wait for the
   * other's end. But while more chains wait than there are slots, hardly any task begins that may become one more.
   */
  take(): ClaimedTask | undefined {
    const now = this.options.now()
    const crowded = this.chains.length > this.options.concurrency && now - this.newTaskAt < newTaskEvery
    this.chainsTurn = crowded || !this.chainsTurn
    const claimed = this.chainsTurn ? this.takeChain() ?? this.takeNew(now) : this.takeNew(now) ?? this.takeChain()
    if (claimed === undefined) this.prefetch.starved(now)
    else if (this.fresh.length === 0) this.prefetch.emptied(now)
    return claimed
  }

  private takeChain(): ClaimedTask | undefined {
    const claimed = MutableList.take(this.chains)
    return claimed === MutableList.Empty ? undefined : claimed
  }

  private takeNew(now: number): ClaimedTask | undefined {
    const claimed = MutableList.take(this.fresh)
    if (claimed === MutableList.Empty) return undefined
    this.newTaskAt = now
    return claimed
  }

  /** What has waited for this many milliseconds. It leaves the buffer: another worker may be idle. */
  takeWaiting(age: number): Waiting {
    const before = this.options.now() - age
    const fresh = takeSince(this.fresh, before)
    if (fresh.length > 0) this.prefetch.reset()
    return { fresh, chains: takeSince(this.chains, before) }
  }
}
