/** The end of a worker's life. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { AfterCommit } from "./afterCommit.ts"
import type { BorrowedScopes } from "./borrowedScopes.ts"
import { durationText } from "../definition/durationText.ts"
import type { Database } from "./database.ts"
import type { Settings } from "./settings.ts"
import type { Pool } from "./pool.ts"
import type { Waker } from "./wakeup.ts"

/** How long a stopping worker waits for its own statements, and for steps that don't react to their interruption. */
const endTimeout = 10_000

/** How long it waits for what follows from its last outcomes. Without it, other workers find that out within a minute. */
const followUpTimeout = 3000

/** How long it waits for those that change nothing any more. */
const briefPatience = 1000

interface Draining {
  readonly settings: Settings
  readonly pool: Pool
  readonly afterCommit: AfterCommit
  readonly wakeup: Waker
  /** Notifies, and waits for that. */
  readonly notifyWorkers: Effect.Effect<void>
  readonly dispatching: Fiber.Fiber<void>
  /** What runs beside the steps, and ends with the last of them. */
  readonly background: ReadonlyArray<Fiber.Fiber<never>>
}

/** Waits until something holds of the pool, at most so long. False when it took longer. */
const waitUntil = ({ pool }: Draining, holds: () => boolean, millis: number): Effect.Effect<boolean> =>
  Effect.suspend(() => Effect.whileLoop({ while: () => !holds(), body: () => pool.changed.wait(), step: () => {} }))
    .pipe(
      Effect.as(true),
      Effect.timeoutOrElse({ duration: millis, orElse: () => Effect.succeed(false) })
    )

/** Waits for running steps, and interrupts what does not end in time. */
const endSteps = Effect.fnUntraced(function*(parts: Draining) {
  const { pool, settings } = parts
  const isIdle = () => pool.counts.running === 0
  if (yield* waitUntil(parts, isIdle, settings.shutdownTimeout)) return
  yield* Effect.logWarning(
    `Interrupting ${pool.counts.running} steps that did not end within ` +
      durationText(Duration.millis(settings.shutdownTimeout))
  )
  pool.interruptRunning()
  if (yield* waitUntil(parts, isIdle, endTimeout)) return
  yield* Effect.logError("Some steps can't be interrupted: their tasks go on elsewhere when their lease is over")
})

/**
 * Its last outcomes may let others go on: parents of children that have ended, and whoever waits for a result. And only
 * this worker knew when its rescheduled tasks become due, so it notifies the others. Then it stops listening, which
 * returns its connection to the pool before the client closes.
 */
const finish = Effect.fnUntraced(function*({ afterCommit, background, notifyWorkers }: Draining) {
  yield* Effect.timeoutOption(afterCommit.settled, followUpTimeout)
  for (const fiber of background) fiber.interruptUnsafe()
  yield* Effect.timeoutOption(Effect.andThen(notifyWorkers, Fiber.awaitAll(background)), briefPatience)
})

/** Stops gracefully: claims no more, gives back, waits for running steps, interrupts what is left, stores the rest. */
export const drain = Effect.fnUntraced(function*(parts: Draining) {
  const { dispatching, pool, wakeup } = parts
  yield* Effect.logInfo("Worker draining")
  wakeup.stop()
  pool.drain()
  yield* Effect.all([Effect.timeoutOption(Fiber.await(dispatching), endTimeout), endSteps(parts)], {
    concurrency: "unbounded",
    discard: true
  })
  const stored = yield* waitUntil(parts, () => pool.counts.storing === 0, endTimeout)
  if (!stored) yield* Effect.logError("Some outcomes could not be stored: their steps will run again")
  yield* finish(parts)
  yield* Effect.logInfo("Worker stopped")
})

interface Remains {
  readonly fibers: ReadonlyArray<Fiber.Fiber<unknown>>
  readonly database: Database
  readonly borrowed: BorrowedScopes
}

/** Ends what is left of a worker, also what can't be interrupted while the database is silent. */
export const end = ({ borrowed, fibers, database }: Remains): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (const fiber of fibers) fiber.interruptUnsafe()
    database.close()
    return Effect.asVoid(Effect.timeoutOption(Effect.andThen(borrowed.end, Fiber.awaitAll(fibers)), briefPatience))
  })
