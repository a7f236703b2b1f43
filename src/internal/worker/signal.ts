/** Wakes one waiting fiber, from synchronous code. Signals that nobody waits for are kept as one. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

export class Signal {
  private readonly latch = Latch.makeUnsafe(false)

  set(): void {
    this.latch.openUnsafe()
  }

  /**
   * Waits for a signal, at most so many milliseconds, and takes it. True when there was one, also if it came after the
   * time was over, and before this fiber went on.
   */
  wait(millis?: number): Effect.Effect<boolean> {
    const waited = millis === undefined
      ? this.latch.await
      : Effect.timeoutOrElse(this.latch.await, { duration: Math.max(millis, 0), orElse: () => Effect.void })
    // One operation asks and takes: nothing comes in between.
    return Effect.map(waited, () => this.latch.closeUnsafe())
  }
}
