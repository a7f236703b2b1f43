/**
 * Cancels steps after notifications. Everybody who can connect to the database may send notifications, so they may be
 * false: a worker checks the row before it interrupts the step.
 */
import * as Effect from "effect/Effect"
import type { TaskId } from "../../TaskId.ts"
import { annotationsOf, type ClaimedTask } from "../attempt/claimedTask.ts"
import { checkLeases, type LeaseOptions } from "./leaseRenewal.ts"
import { Signal } from "./signal.ts"

/**
 * Between two looks. All notifications meanwhile are checked together, so that many notifications don't cause many
 * statements.
 */
const pause = "50 millis"

export class Cancels {
  private readonly options: LeaseOptions
  private readonly signal = new Signal()
  private readonly said = new Set<TaskId>()

  constructor(options: LeaseOptions) {
    this.options = options
  }

  /** A notification says that a task was cancelled. */
  hear(id: string): void {
    if (!this.options.pool.held.has(id as TaskId)) return
    this.said.add(id as TaskId)
    this.signal.set()
  }

  get run(): Effect.Effect<never> {
    return Effect.forever(
      this.signal.wait().pipe(
        Effect.andThen(Effect.suspend(() => this.look)),
        Effect.andThen(Effect.sleep(pause))
      )
    )
  }

  private get look(): Effect.Effect<void> {
    const { held } = this.options.pool
    const doubtful = [...this.said].flatMap((id) => held.get(id) ?? [])
    this.said.clear()
    return Effect.flatMap(
      checkLeases(this.options, doubtful),
      (kept) => Effect.forEach(kept, logIgnored, { discard: true })
    )
  }
}

const logIgnored = (claimed: ClaimedTask): Effect.Effect<void> =>
  Effect.logDebug("A notification says that this task was cancelled, but its row is still there: ignored").pipe(
    Effect.annotateLogs(annotationsOf(claimed))
  )
