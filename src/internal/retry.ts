/** What RETRY_LIMIT and RETRY_DELAY may be. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

export const isRetryLimit = (limit: number): boolean => Number.isInteger(limit) && limit >= 0 || limit === Infinity

/** None for what is no duration, or a negative one. */
export const toRetryDelay = (input: Duration.Input): Option.Option<Duration.Duration> =>
  Option.filter(Duration.fromInput(input), (delay) => !Duration.isNegative(delay))
