/** Numbers and times for people. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

/** A whole number with separators. */
export const number = (value: number): string => value.toLocaleString("en-US")

/** A count that may be incomplete. */
export const count = (value: number, atLeast = false): string => `${number(value)}${atLeast ? "+" : ""}`

/** `1 task`, `2 tasks`, `20,000+ tasks`. */
export const several = (value: number, one: string, atLeast = false): string =>
  `${count(value, atLeast)} ${one}${value === 1 && !atLeast ? "" : "s"}`

/** The two largest units say enough. */
export const duration = (value: Duration.Duration): string => {
  const seconds = Math.floor(Math.abs(Duration.toSeconds(value)))
  if (seconds === 0) return "0s"
  // Rows may be due never.
  if (!Number.isFinite(seconds) || seconds > 1e11) return "for ever"
  return Duration.format(Duration.seconds(seconds)).split(" ").slice(0, 2).join(" ")
}

/** How long something took that may have been quick. */
export const took = (value: Duration.Duration): string => {
  const millis = Duration.toMillis(value)
  return millis >= 1000 ? duration(value) : `${millis < 10 ? millis.toFixed(1) : Math.round(millis)} ms`
}

/** To the second, in UTC. */
export const time = (value: DateTime.Utc): string => `${DateTime.formatIso(value).slice(0, 19).replace("T", " ")} UTC`

/** A rate per second, short. */
export const rate = (value: number): string => value >= 10 ? number(Math.round(value)) : value.toFixed(1)

/** Ids are told apart by their beginning. */
export const shortId = (id: string): string => id.slice(0, 8)

export const firstLine = (text: string): string => text.split("\n", 1)[0]!

/** What a row waits for: the tags of signals, and in words what stands for its children. */
export const waits = (waitsFor: ReadonlyArray<string>): string => {
  const signals = waitsFor.filter((tag) => !tag.startsWith("$"))
  return [...(signals.length < waitsFor.length ? ["its children"] : []), ...signals].join(", ")
}

/** What people call a status, the worst first: the order in which a page shows them. */
export const statusOrder = ["parked", "limited", "ready", "waiting", "running", "scheduled", "ended"]

const rank = (status: string): number =>
  (statusOrder.indexOf(status) + statusOrder.length + 1) % (statusOrder.length + 1)

export const byStatus = (a: string, b: string): number => rank(a) - rank(b)
