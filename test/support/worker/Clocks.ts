/** Clocks that are wrong. */
import { Clock, Duration, Effect } from "effect"

/** A clock that is off by some milliseconds, and can be set anew. Its timers are right: only the time of day is not. */
export interface WrongClock extends Clock.Clock {
  offset: number
}

export const makeWrongClock = (offset: number): Effect.Effect<WrongClock> =>
  Effect.map(Clock.Clock, (real): WrongClock => {
    const millis = () => real.currentTimeMillisUnsafe() + wrong.offset
    const nanos = () => real.currentTimeNanosUnsafe() + BigInt(wrong.offset) * 1_000_000n
    const wrong: WrongClock = {
      offset,
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: () => real.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: real.monotonicTimeNanos,
      sleep: (duration) => real.sleep(duration)
    }
    return wrong
  })

/**
 * A clock that is right, but whose sleeps take this many times as long: it makes long time limits short, or short ones
 * long.
 */
export const makePacedClock = (factor: number): Effect.Effect<Clock.Clock> =>
  Effect.map(makeWrongClock(0), (clock) => ({
    ...clock,
    sleep: (duration) => clock.sleep(Duration.times(duration, factor))
  }))
