/**
 * The rows that wait for a slot, in a lane for each priority of the worker's tasks: high ones first, then normal ones,
 * then low ones. A worker whose tasks have one priority has one lane.
 *
 * Each lane has a dispatcher of its own, so the rows of one lane, and its slow claims, don't hold up the others. The
 * lanes share the slots: a lane comes before those below it, but leaves an eighth to them while they have due rows.
 */
import type { ClaimedTask } from "../attempt/claimedTask.ts"
import type { TaskDefinition } from "../definition/task.ts"
import { Buffer, type BufferOptions, type Waiting } from "./buffer.ts"
import { Memory } from "./memory.ts"
import type { Brought } from "./prefetch.ts"
import type { Waker } from "./wakeup.ts"

/** Of this many tasks that begin, at least one has a lower priority, while such tasks are due. */
const share = 8

/**
 * While a claim is under way, slots are kept free for its rows: by lower lanes for long, because what they claim meanwhile
 * would come before; by higher lanes for a moment, and then a row that comes later has the next slot. In milliseconds.
 */
const patience = { ofLower: 1000, ofHigher: 50 }

/** A worker's tasks, in the order of their priority. Priorities that no task has are left out. */
export const lanesOf = (
  tasks: ReadonlyMap<string, TaskDefinition>
): ReadonlyArray<ReadonlyMap<string, TaskDefinition>> =>
  (["high", "normal", "low"] as const)
    .map((priority) => new Map([...tasks].filter(([, task]) => task.priority === priority)))
    .filter((lane) => lane.size > 0)

/** The lane of each task, by its name. A row that can't be decoded has no task: it is in the last lane. */
export const laneByTask = (lanes: ReadonlyArray<ReadonlyMap<string, TaskDefinition>>) => {
  const byName = new Map(lanes.flatMap((tasks, lane) => [...tasks.keys()].map((name) => [name, lane] as const)))
  return (task: string | undefined): number => byName.get(task ?? "") ?? lanes.length - 1
}

class Lane {
  readonly buffer: Buffer
  /** Its dispatcher claims, or is to claim as soon as there is room. */
  private seeks = false
  /** How many rows the claim under way may bring. 0 without one. */
  private asked = 0
  private askedAt = -Infinity
  /** How many of its tasks began after the last one of a lower lane. It is not counted further than the share needs. */
  private begun = 0

  constructor(options: BufferOptions, memory: Memory) {
    this.buffer = new Buffer(options, memory)
  }

  seek(demand: number, now: number): void {
    this.seeks = true
    this.asked = demand
    this.askedAt = now
  }

  answered(): void {
    this.asked = 0
  }

  /** Whether it was seeking. */
  rest(): boolean {
    const { seeks } = this
    this.seeks = false
    this.asked = 0
    return seeks
  }

  /** It is to have slots, for others with this patience. */
  isSeeking(now: number, patience: number): boolean {
    return this.seeks && (this.asked === 0 || now < this.askedAt + patience)
  }

  /** When the patience of others with the claim under way ends. */
  seeksUntil(now: number, patience: number): number {
    return this.asked > 0 && this.isSeeking(now, patience) ? this.askedAt + patience : Infinity
  }

  /** How many of this many slots are those of lower lanes. */
  leaves(slots: number): number {
    return Math.floor((this.begun + slots) / share)
  }

  get hasHadItsTurn(): boolean {
    return this.begun >= share - 1
  }

  taken(): void {
    this.begun = Math.min(this.begun + 1, share - 1)
  }

  lowerTaken(): void {
    this.begun = 0
  }
}

export interface LanesOptions extends BufferOptions {
  readonly wakeup: Waker
  /** How many there are, and that of a task. Default: one. */
  readonly lanes?: { readonly count: number; readonly of: (task: string | undefined) => number } | undefined
}

export class Lanes {
  /** What all claimed tasks of the worker take, also those that run. */
  readonly memory = new Memory()
  private readonly options: LanesOptions
  private readonly lanes: ReadonlyArray<Lane>

  constructor(options: LanesOptions) {
    this.options = options
    this.lanes = Array.from({ length: options.lanes?.count ?? 1 }, () => new Lane(options, this.memory))
  }

  /** The lane of a task that has begun elsewhere. */
  laneOf({ task }: ClaimedTask): number {
    return this.options.lanes?.of(task) ?? 0
  }

  /** How many rows wait for a slot. */
  get size(): number {
    return this.waiting(0, this.lanes.length)
  }

  /** How many rows wait for a slot in a lane, and in those above it. */
  sizeTo(lane: number): number {
    return this.waiting(0, lane + 1)
  }

  private waiting(from: number, to: number): number {
    let sum = 0
    for (let i = from; i < to; i++) sum += this.lanes[i]!.buffer.size
    return sum
  }

  /** How many rows a lane may claim now. */
  demand(lane: number, free: number): number {
    const { buffer } = this.lanes[lane]!
    if (this.lanes.length === 1) return buffer.demand(free)
    const slots = this.slotsOf(lane, free)
    return buffer.demand(slots, slots > 0 ? 0 : this.least(lane))
  }

  /** The most that any lane may claim now. `free` is undefined while none may. */
  mostDemand(free: number | undefined): number {
    return free === undefined ? 0 : this.lanes.reduce((most, _, lane) => Math.max(most, this.demand(lane, free)), 0)
  }

  /** The same as {@link demand}, for a lane that claims so many at once, or as soon as there is room. */
  seek(lane: number, free: number | undefined): number {
    const demand = free === undefined ? 0 : this.demand(lane, free)
    this.lanes[lane]!.seek(demand, this.options.now())
    return demand
  }

  /** A lane claims nothing for now. Others may have more room by that. */
  rest(lane: number): void {
    if (this.lanes[lane]!.rest() && this.lanes.length > 1) this.options.wakeup.roomChanged()
  }

  /** When a lane may have more room, though nothing happens until then. */
  roomAt(lane: number): number {
    let at = Infinity
    if (this.lanes.length === 1) return at
    const now = this.options.now()
    for (let i = 0; i < this.lanes.length; i++) {
      if (i === lane) continue
      at = Math.min(at, this.lanes[i]!.seeksUntil(now, i < lane ? patience.ofLower : patience.ofHigher))
    }
    return at
  }

  /** How many of the free slots a lane is to fill. */
  private slotsOf(lane: number, free: number): number {
    const now = this.options.now()
    let left = free
    for (let i = 0; i <= lane; i++) {
      const one = this.lanes[i]!
      const own = left - (this.isWantedBelow(i, now) ? one.leaves(left) : 0)
      if (i === lane) return own
      left -= one.isSeeking(now, patience.ofLower) ? own : Math.min(own, one.buffer.size)
    }
    return left
  }

  private isWantedBelow(lane: number, now: number): boolean {
    for (let i = lane + 1; i < this.lanes.length; i++) {
      const one = this.lanes[i]!
      if (one.buffer.size > 0 || one.isSeeking(now, patience.ofHigher)) return true
    }
    return false
  }

  /**
   * How many rows of a lane to have at least, though every slot is taken. Rows that wait in other lanes show that steps
   * are short. Those of a higher lane overtake them; and those of a lower lane must be here when it is their turn.
   */
  private least(lane: number): number {
    const { concurrency } = this.options
    const overtaken = Math.min(concurrency, this.waiting(lane + 1, this.lanes.length))
    return this.waiting(0, lane) > 0 ? Math.max(overtaken, Math.ceil(concurrency / share)) : overtaken
  }

  /** See {@link Buffer.claimed}. */
  claimed(lane: number, what: Brought): void {
    this.lanes[lane]!.buffer.claimed(what)
  }

  /** The claim of a lane has its answer. */
  answered(lane: number): void {
    this.lanes[lane]!.answered()
  }

  addNew(claimed: ClaimedTask): void {
    this.lanes[claimed.lane]!.buffer.addNew(claimed)
  }

  addChain(claimed: ClaimedTask): void {
    this.lanes[claimed.lane]!.buffer.addChain(claimed)
  }

  hasRoomForChain({ lane }: ClaimedTask): boolean {
    return this.lanes[lane]!.buffer.hasRoomForChain
  }

  /** The next one for a free slot. */
  take(): ClaimedTask | undefined {
    if (this.lanes.length === 1) return this.lanes[0]!.buffer.take()
    const next = this.next()
    if (next === undefined) {
      // Each of them learns that a slot is free for which it has no row.
      for (const { buffer } of this.lanes) buffer.take()
      return undefined
    }
    for (let i = 0; i < next; i++) this.lanes[i]!.lowerTaken()
    this.lanes[next]!.taken()
    return this.lanes[next]!.buffer.take()
  }

  private next(): number | undefined {
    for (let i = 0; i < this.lanes.length; i++) {
      const lane = this.lanes[i]!
      const isTurnBelow = lane.hasHadItsTurn && this.waiting(i + 1, this.lanes.length) > 0
      if (lane.buffer.size > 0 && !isTurnBelow) return i
    }
    return undefined
  }

  /** What has waited for this many milliseconds. It leaves its buffer: another worker may be idle. */
  takeWaiting(age: number): ReadonlyArray<Waiting> {
    return this.lanes.map(({ buffer }) => buffer.takeWaiting(age))
  }
}
