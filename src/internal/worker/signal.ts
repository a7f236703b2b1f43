/** Wakes one waiting fiber, from synchronous code. Signals that nobody waits for are kept as one. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

export class Signal {
  private readonly latch = Latch.makeUnsafe(false)

  set(): void {
    this.latch.openUnsafe()
  }

  /** Waits for a signal, at most so many milliseconds, and takes it. True when there was one. */
  wait(millis?: number): Effect.Effect<boolean> {
    const signalled = Effect.as(this.latch.await, true)
    const waited = millis === undefined
      ? signalled
      : Effect.timeoutOrElse(signalled, { duration: Math.max(millis, 0), orElse: () => Effect.succeed(false) })
    return Effect.tap(waited, () => this.latch.close)
  }
}
