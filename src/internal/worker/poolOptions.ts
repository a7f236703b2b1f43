/** What a pool needs of the other parts of its worker. */
import type * as Fiber from "effect/Fiber"
import type * as Queue from "effect/Queue"
import type { Attempt, Entry } from "../attempt/claimedTask.ts"
import type { ToHistory } from "../attempt/history.ts"
import type { Outcome } from "../attempt/outcome.ts"
import type { AfterCommit } from "./afterCommit.ts"
import type { Knocks } from "./knocks.ts"
import type { LanesOptions } from "./lanes.ts"
import type { WorkerMetrics } from "./metrics.ts"

export interface PoolOptions extends LanesOptions {
  /** A row whose lease was not renewed for longer may be another worker's. In milliseconds. */
  readonly maxUnrenewed: number
  readonly metrics: WorkerMetrics
  /** Where outcomes go to be written. The answers come through {@link Pool.stored}. */
  readonly outbox: Queue.Enqueue<Entry>
  /** The same for those whose commit need not wait for the disk: they don't wait behind those that do. */
  readonly asyncOutbox: Queue.Enqueue<Entry>
  readonly afterCommit: AfterCommit
  /** Where rows of limited states ask for slots. The answers come through {@link Pool.entered}. */
  readonly knocks: Knocks
  /** Runs an attempt, and notes its outcome in it. */
  readonly run: (attempt: Attempt) => Fiber.Fiber<Outcome>
  readonly toHistory?: ToHistory | undefined
}

/** What a claim has brought. */
export interface Admitted {
  readonly claimedAt: number
  readonly full: boolean
  readonly more: boolean
  readonly lane?: number
}
