/**
 * When a failed step is tried again: by any `Schedule`. The usual one is made of RETRY_LIMIT and RETRY_DELAY. A policy
 * holds no state of its own: the next delay is computed from the row's `tried`, so a restarted worker goes on where the
 * last one stopped.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import { isRetryLimit, toRetryDelay } from "./internal/definition/retry.ts"
import { TaskDefinitionError } from "./TaskError.ts"

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

/** Policies that {@link make} made: their delays need no stepping, however often a step has failed. */
const fixedDelays = new WeakMap<object, { readonly limit: number; readonly delay: Duration.Duration }>()

const fail = (message: string): never => {
  throw new TaskDefinitionError({ message })
}

/**
 * The schedule of `limit` retries, each `delay` after the failure before it. Throws a `TaskDefinitionError` for a limit
 * that is no whole number of 0 or more (or `Infinity`), and for a delay that is no duration of 0 or more.
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
}): Schedule.Schedule<unknown> => {
  const limit = options.limit ?? defaultLimit
  if (!isRetryLimit(limit)) fail(`\`limit\` must be a whole number of 0 or more, not ${String(limit)}`)
  const delay = Option.getOrElse(
    toRetryDelay(options.delay ?? defaultDelay),
    () => fail("`delay` must be a duration of 0 or more, such as \"5 seconds\"")
  )
  const schedule = Schedule.spaced(delay).pipe(Schedule.upTo({ times: limit }))
  fixedDelays.set(schedule, { limit, delay })
  return schedule
}

/** Stepping stops here: more steps would take too long to compute, and no schedule still changes so late. */
const maxStepped = 100_000

type Steps<E> = (now: number, error: E) => Pull.Pull<[unknown, Duration.Duration], never, unknown>

/** An infinite delay must not make the sum infinite: schedules compute differences of these times. */
const later = (now: number, delay: Duration.Duration): number =>
  Math.min(now + Duration.toMillis(delay), Number.MAX_SAFE_INTEGER)

/** When each failure up to now happened, if every delay was kept to the millisecond. The first one is at 0. */
const failureTimes = <E>(step: Steps<E>, { error, tried }: Failure<E>) =>
  Effect.gen(function*() {
    const times = [0]
    for (let n = 0; n < Math.min(tried, maxStepped); n++) {
      times.push(later(times[n]!, (yield* step(times[n]!, error))[1]))
    }
    return times
  })

/**
 * What {@link nextDelay} needs to know.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure<E> {
  /** How often the step had failed before. */
  readonly tried: number
  /** What it has failed with now. */
  readonly error: E
}

/**
 * The delay before the next try of a step that has now failed `tried + 1` times, or `None` when the schedule has
 * ended.
 *
 * The schedule is stepped from its beginning, with `error` as every input and with its own delays as the elapsed time.
 * So limits on the number of tries and on the elapsed time hold across restarts. A schedule that reads the clock sees
 * this machine's present time. Stepping costs some microseconds for each earlier failure, but nothing with a schedule
 * of {@link make}. After 100,000 failures the schedule is stepped no further.
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
  failure: Failure<E>
): Effect.Effect<Option.Option<Duration.Duration>> => {
  const known = fixedDelays.get(schedule)
  if (known !== undefined) return Effect.succeed(failure.tried < known.limit ? Option.some(known.delay) : Option.none())
  return Effect.gen(function*() {
    const times = yield* failureTimes(yield* Schedule.toStep(schedule), failure)
    const start = (yield* Clock.currentTimeMillis) - times.at(-1)!
    const step = yield* Schedule.toStep(schedule)
    let delay = Duration.zero
    for (const time of times) delay = (yield* step(start + time, failure.error))[1]
    return Option.some(delay)
  }).pipe(Pull.catchDone(() => Effect.succeed(Option.none())))
}
