/** A moment as the parameter of a `timestamptz`. */
import * as DateTime from "effect/DateTime"

/** Years of four digits, in which ISO 8601, JavaScript and Postgres agree: what lies beyond is past, or never comes. */
const first = Date.parse("0001-01-01T00:00:00Z")
const last = Date.parse("9999-12-31T23:59:59.999Z")

export const toTimestamp = (dateTime: DateTime.DateTime): string =>
  new Date(Math.min(Math.max(DateTime.toEpochMillis(dateTime), first), last)).toISOString()
