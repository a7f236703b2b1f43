/** Times as parameters and as results. They are Postgres's: durations go in and come out as milliseconds. */
import * as DateTime from "effect/DateTime"

/**
 * Only for years of four digits do ISO 8601, JavaScript and Postgres agree. Times outside of them are cut to the
 * limits.
 */
const first = Date.parse("0001-01-01T00:00:00Z")
const last = Date.parse("9999-12-31T23:59:59.999Z")

/** A moment as the parameter of a `timestamptz`. */
export const toTimestamp = (dateTime: DateTime.DateTime): string =>
  new Date(Math.min(Math.max(DateTime.toEpochMillis(dateTime), first), last)).toISOString()

/** About 10,000 years: Postgres's timestamps have an end. */
const maxMillis = 3.2e14

/** A duration as a parameter. */
export const clampMillis = (millis: number): number => Math.min(Math.max(millis, 0), maxMillis)

export const millis = (param: string) => `${param}::float8 * interval '1 millisecond'`

/** From now to `time`. It subtracts numbers, because infinite times can't be subtracted before Postgres 17. */
export const millisUntil = (time: string) =>
  `((extract(epoch from ${time}) - extract(epoch from clock_timestamp())) * 1000)::float8`
