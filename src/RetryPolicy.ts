/**
 * When a failed step is tried again: any `Schedule`, with the one made of RETRY_LIMIT and RETRY_DELAY as the usual
 * case. A policy holds no state of its own: the next delay is computed from the row's `tried`, so a restarted
 * worker goes on where the last one was.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"

/**
 * RETRY_LIMIT's default: 0 retries after the first try.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultLimit = 0

/**
 * RETRY_DELAY's default: 1 second.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultDelay: Duration.Duration = Duration.seconds(1)

/**
 * The schedule of `limit` retries, each `delay` after the failure before it.
 *
 * @example
 * ```ts
 * import { RetryPolicy } from "effect-pg-task"
 *
 * export const fiveTimes = RetryPolicy.make({ limit: 5, delay: "1 second" })
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  /** Retries after the first try. Default 0. */
  readonly limit?: number | undefined
  /** The wait before each retry. Default 1 second. */
  readonly delay?: Duration.Input | undefined
}): Schedule.Schedule<unknown> =>
  Schedule.spaced(options.delay ?? defaultDelay).pipe(Schedule.upTo({ times: options.limit ?? defaultLimit }))

/**
 * The delay before the next try of a step that has now failed `tried + 1` times, or `None` when the schedule has
 * ended. The schedule is stepped from its beginning, with `error` as every input and with its own delays as the
 * time that went by, so limits on the number and on the elapsed time hold across restarts.
 *
 * @example
 * ```ts
 * import { Schedule } from "effect"
 * import { RetryPolicy } from "effect-pg-task"
 *
 * // 400 millis: the third delay of 100, 200, 400, …
 * export const third = RetryPolicy.nextDelay(Schedule.exponential("100 millis"), { tried: 2, error: "any" })
 * ```
 * @category running
 * @since 0.1.0
 */
export const nextDelay = <E>(
  schedule: Schedule.Schedule<unknown, E>,
  options: { readonly tried: number; readonly error: E }
): Effect.Effect<Option.Option<Duration.Duration>> =>
  Effect.gen(function*() {
    const step = yield* Schedule.toStep(schedule)
    let now = 0
    let delay = Duration.zero
    for (let n = 0; n <= options.tried; n++) {
      delay = (yield* step(now, options.error))[1]
      now += Duration.toMillis(delay)
    }
    return Option.some(delay)
  }).pipe(Pull.catchDone(() => Effect.succeed(Option.none())))
