/**
 * When to look again for tasks that nobody notifies of, because another transaction has notified shortly before: see
 * `sql/notifyTriggers.ts`.
 */

/** A commit takes a millisecond or a few. Doubled with each look in vain, up to the longest. In milliseconds. */
const backoff = { first: 2, longest: 1000 }

export class SkippedNotifications {
  private next = backoff.first
  /** Since the last notification, a look has found no such transaction under way. What comes after it sees all tasks. */
  private seesAll = false

  /** A notification has come: there may be such transactions. */
  notified(): void {
    this.seesAll = false
  }

  /** How long to wait until the next look, in milliseconds, after a look that found this. */
  wait(found: "open" | "changed" | null): number {
    const again = found === "open" || (found === "changed" && !this.seesAll)
    this.seesAll = found !== "open"
    const wait = this.next
    this.next = again ? Math.min(wait * 2, backoff.longest) : backoff.first
    return again ? wait : Infinity
  }
}
