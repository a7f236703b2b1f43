/** Where the dispatchers of a worker's lanes sleep: see lanes.ts. */
import type { Crowd } from "./crowd.ts"
import type { Wakeup, Waker } from "./wakeup.ts"

/**
 * A notification does not say of which task it is, so it wakes every lane. A lane whose last answer was in vain answers
 * no sooner than this after it: else tasks of one lane, enqueued all the time, would keep the others busy. In
 * milliseconds.
 */
const pauseInVain = 15

/** What a dispatcher tells of notifications, and asks about peers. */
export type Answers = Pick<Crowd, "answered" | "foundLate" | "isLarge">

export class Wakeups implements Waker {
  private readonly lanes: ReadonlyArray<Wakeup>
  private readonly now: () => number
  /** Whether the last answer of each lane has found nothing, and when it was asked for one, by the local clock. */
  private readonly inVain: Array<boolean>
  private readonly wokenAt: Array<number>

  constructor(lanes: ReadonlyArray<Wakeup>, now: () => number) {
    this.lanes = lanes
    this.now = now
    this.inVain = lanes.map(() => false)
    this.wokenAt = lanes.map(() => -Infinity)
  }

  wake(delay = 0): void {
    const at = this.now() + delay
    this.lanes.forEach((lane, index) => {
      const mayAt = this.inVain[index]! ? this.wokenAt[index]! + pauseInVain : at
      if (mayAt > at) return lane.lookIn(mayAt - this.now())
      this.wokenAt[index] = at
      lane.wake(delay)
    })
  }

  dueIn(delay: number, lane?: number): void {
    if (lane === undefined) this.lanes.forEach((one) => one.dueIn(delay))
    else this.lanes[lane]!.dueIn(delay)
  }

  dueBehind(): void {
    this.lanes.forEach((lane) => lane.dueBehind())
  }

  lookIn(delay: number): void {
    this.lanes.forEach((lane) => lane.lookIn(delay))
  }

  roomChanged(): void {
    for (const lane of this.lanes) lane.roomChanged()
  }

  stop(): void {
    this.lanes.forEach((lane) => lane.stop())
  }

  /** The crowd, as a lane's dispatcher sees it: the worker's answer was in vain only if that of each lane was. */
  answersOf(lane: number, crowd: Crowd): Answers {
    const { inVain } = this
    return {
      get isLarge() {
        return crowd.isLarge
      },
      foundLate: () => crowd.foundLate(),
      answered: (found) => {
        inVain[lane] = !found
        return found || !inVain.includes(false) ? crowd.answered(found) : 0
      }
    }
  }
}
