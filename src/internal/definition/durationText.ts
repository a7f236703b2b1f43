/** Durations as people read them, in log lines, errors and pictures. */
import * as Duration from "effect/Duration"

/** To the millisecond: with jitter, durations have useless digits down to the nanosecond. */
export const durationText = (duration: Duration.Duration): string => {
  const millis = Math.round(Duration.toMillis(duration))
  return millis === 0 ? "0ms" : Duration.format(Duration.millis(millis))
}
