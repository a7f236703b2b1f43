/**
 * How much text the rows that a worker holds have together: their states, and the next ones that are being stored.
 * Without a limit, a thousand rows of half a megabyte, claimed ahead, would fill a small heap.
 */
import type { ClaimedTask } from "../attempt/claimedTask.ts"

/**
 * What a worker holds at most, in bytes, before it claims no more ahead and keeps no more chains. The free slots are
 * filled all the same.
 */
const most = 32_000_000

export class Memory {
  private used = 0

  /** There is no room for rows that would have to wait. */
  get isFull(): boolean {
    return this.used >= most
  }

  /** How many more bytes to claim. */
  get left(): number {
    return Math.max(most - this.used, 0)
  }

  /** A row is held from now on, or has another text. `next`: what is stored in place of it. */
  hold(claimed: ClaimedTask, next = ""): void {
    const weight = (claimed.step?.length ?? 0) + next.length
    this.used += weight - claimed.weight
    claimed.weight = weight
  }

  /** A row is no longer held. */
  release(claimed: ClaimedTask): void {
    this.used -= claimed.weight
    claimed.weight = 0
  }
}
