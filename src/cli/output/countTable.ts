/** How counts look in a terminal: one line for each state, or for each error. */
import * as Duration from "effect/Duration"
import type * as Admin from "../../Admin.ts"
import type { Style } from "./print.ts"
import type { Column } from "./table.ts"
import { formatCount, formatDuration, oneLine } from "./text.ts"

/** The counts of one state, or of all of them. */
export interface Stats {
  readonly task: string
  readonly step: string
  readonly count: Readonly<Record<Admin.Status, number>>
  readonly oldest: Readonly<Partial<Record<Admin.Status, Duration.Duration>>>
  readonly retrying: number
}

const none = { ready: 0, limited: 0, scheduled: 0, waiting: 0, running: 0, parked: 0, ended: 0 }

const older = (one: Duration.Duration | undefined, other: Duration.Duration) =>
  one === undefined ? other : Duration.max(one, other)

const add = (stats: Stats, { count, oldest, retrying, status }: Admin.Count): Stats => ({
  ...stats,
  count: { ...stats.count, [status]: stats.count[status] + count },
  oldest: { ...stats.oldest, [status]: older(stats.oldest[status], oldest) },
  // A parked task isn't retried by itself.
  retrying: stats.retrying + (status === "parked" ? 0 : retrying)
})

/** One line for each state, and their total if there are several. */
export const toStats = (counts: ReadonlyArray<Admin.Count>): ReadonlyArray<Stats> => {
  const stats = new Map<string, Stats>()
  for (const count of counts) {
    const key = JSON.stringify([count.task, count.step])
    const empty = { task: count.task ?? "?", step: count.step ?? "?", count: none, oldest: {}, retrying: 0 }
    stats.set(key, add(stats.get(key) ?? empty, count))
  }
  const total: Stats = { task: "total", step: "", count: none, oldest: {}, retrying: 0 }
  return stats.size > 1 ? [...stats.values(), counts.reduce(add, total)] : [...stats.values()]
}

/** A narrower screen has room only for the counts. */
const roomForAges = 80

/** Only a wide screen has room for what is at rest. */
const roomForResting = 104

export const statsColumns = (style: Style, width: number): ReadonlyArray<Column<Stats>> => {
  const number = (title: string, value: (stats: Stats) => number, paint: (text: string) => string): Column<Stats> => ({
    title,
    value: (stats) => formatCount(value(stats)),
    align: "right",
    paint: (text, stats) => value(stats) === 0 ? style.dim(text) : paint(text)
  })
  const age = (status: Admin.Status): Column<Stats> => ({
    title: "OLDEST",
    value: ({ oldest }) => oldest[status] === undefined ? "" : formatDuration(oldest[status]),
    align: "right"
  })
  const wide = (...columns: ReadonlyArray<Column<Stats>>) => width < roomForAges ? [] : columns
  const widest = (column: Column<Stats>) => width < roomForResting ? [] : [column]
  return [
    { title: "TASK", value: ({ task }) => oneLine(task), min: 8 },
    { title: "STEP", value: ({ step }) => oneLine(step), min: 8 },
    number("READY", ({ count }) => count.ready, style.yellow),
    ...wide(age("ready")),
    ...widest(number("LIMITED", ({ count }) => count.limited, style.yellow)),
    number("SCHEDULED", ({ count }) => count.scheduled, style.cyan),
    ...widest(number("WAITING", ({ count }) => count.waiting, style.cyan)),
    ...wide(number("RETRY", ({ retrying }) => retrying, style.yellow)),
    number("RUNNING", ({ count }) => count.running, style.green),
    number("PARKED", ({ count }) => count.parked, style.red),
    ...wide(age("parked")),
    ...widest(number("ENDED", ({ count }) => count.ended, style.dim))
  ]
}

export const errorColumns = (style: Style, width: number): ReadonlyArray<Column<Admin.ErrorCount>> => {
  const age = (title: string, value: (count: Admin.ErrorCount) => Duration.Duration): Column<Admin.ErrorCount> => ({
    title,
    value: (count) => formatDuration(value(count)),
    align: "right"
  })
  return [
    { title: "TASKS", value: ({ count }) => formatCount(count), align: "right", paint: style.red },
    { title: "TASK", value: ({ task }) => oneLine(task ?? "?"), min: 8 },
    { title: "STEP", value: ({ step }) => oneLine(step ?? "?"), min: 8 },
    age("OLDEST", ({ oldest }) => oldest),
    ...(width < roomForAges ? [] : [age("NEWEST", ({ newest }) => newest)]),
    { title: "ERROR", value: ({ error }) => oneLine(error), min: 24 }
  ]
}
