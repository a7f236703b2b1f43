/** How rows of the table look in a terminal. */
import * as Duration from "effect/Duration"
import * as DateTime from "effect/DateTime"
import type * as Admin from "../../Admin.ts"
import { isJson, membersOf, stringify } from "./json.ts"
import type { Style } from "./print.ts"
import type { Column } from "./table.ts"
import { formatDuration, oneLine } from "./text.ts"

export const paintStatus = (style: Style) => (text: string, { status }: { readonly status: Admin.Status }): string => {
  switch (status) {
    case "parked":
      return style.red(text)
    case "running":
      return style.green(text)
    case "ready":
    case "limited":
      return style.yellow(text)
    case "scheduled":
    case "waiting":
      return style.cyan(text)
    case "ended":
      return style.dim(text)
  }
}

/** The time of Postgres's clock when it read the row. */
export const readAt = (row: Admin.Row): DateTime.Utc => DateTime.addDuration(row.since, row.age)

/** How many milliseconds a moment comes after the row was read: negative if it is past. */
const until = (row: Admin.Row, moment: DateTime.Utc): number =>
  DateTime.toEpochMillis(moment) - DateTime.toEpochMillis(readAt(row))

const formatMillis = (millis: number) => formatDuration(Duration.millis(Math.max(millis, 0)))

/** An expired lease means that the worker is gone, and that another one will rescue the task. */
const leaseOf = (row: Admin.Row): string => {
  if (row.leaseUntil === null) return ""
  const left = until(row, row.leaseUntil)
  return left < 0 ? `its lease ended ${formatMillis(-left)} ago` : `lease ends in ${formatMillis(left)}`
}

const firstMember = (json: string): string | undefined => membersOf(json).values().next().value

/** The fields of a state, as JSON. Undefined if there are none. */
export const fieldsIn = (raw: string): string | undefined => firstMember(firstMember(raw) ?? "{}")

/** The same, or the whole text if it has another shape: a state that was too long to be read was cut. */
export const fieldsOf = (row: Admin.Row): string =>
  (row.task !== null && isJson(row.raw) ? fieldsIn(row.raw) : undefined) ?? stringify(row.raw)

/** How often its step has failed, and its last error. */
const failuresOf = ({ lastError, tried }: Admin.Row): string =>
  tried === 0 ? "" : `, failed ${tried}×${lastError === null ? "" : `: ${oneLine(lastError)}`}`

const isSignal = (tag: string): boolean => !tag.startsWith("$")

/** The signals that it waits for. */
export const signalsOf = ({ waitsFor }: Admin.Row): ReadonlyArray<string> => (waitsFor ?? []).filter(isSignal)

/** What it waits for, in words: its signals, and its children. */
export const waitsForOf = (row: Admin.Row): string => {
  const children = row.waitsFor?.some((tag) => !isSignal(tag)) === true ? ["its children"] : []
  return [...children, ...signalsOf(row).map(oneLine)].join(", ")
}

/** What it waits for, and until when. */
const waitOf = (row: Admin.Row): string => {
  const what = waitsForOf(row)
  const time = row.waitUntil === null ? "" : formatMillis(until(row, row.waitUntil))
  return [what === "" ? "" : `for ${what}`, time === "" ? "" : `until in ${time}`].filter(Boolean).join(", ")
}

/** The most important detail of a row, which depends on its status. */
export const detailOf = (row: Admin.Row): string => {
  switch (row.status) {
    case "parked":
      return oneLine(row.error ?? "")
    case "scheduled":
      return `due in ${formatMillis(until(row, row.wakeupAt))}${failuresOf(row)}`
    case "waiting":
      return waitOf(row)
    case "running":
      return leaseOf(row)
    case "ready":
    case "limited":
    case "ended":
      return oneLine(fieldsOf(row))
  }
}

/** Details get more room than names, except on a screen so narrow that the table would not fit. */
const detailMin = (width: number) => width < 82 ? 7 : 24

/** On a wide screen an id is shown as a whole, so that it can be copied. */
const wideEnough = 120
const shortId = 8

const idColumn = (width: number): Column<Admin.Row> => ({
  title: "ID",
  value: (row) => width >= wideEnough ? row.id : row.id.slice(0, shortId)
})

const taskColumn: Column<Admin.Row> = { title: "TASK", value: (row) => oneLine(row.task ?? "?"), min: 8 }
const stepColumn: Column<Admin.Row> = { title: "STEP", value: (row) => oneLine(row.step ?? "?"), min: 8 }
const ageColumn: Column<Admin.Row> = { title: "FOR", value: (row) => formatDuration(row.age), align: "right" }
const triedColumn: Column<Admin.Row> = { title: "TRIED", value: (row) => String(row.tried), align: "right" }

/** For lists of all kinds of rows. */
export const rowColumns = (style: Style, width: number): ReadonlyArray<Column<Admin.Row>> => [
  idColumn(width),
  taskColumn,
  stepColumn,
  { title: "STATUS", value: (row) => row.status, paint: paintStatus(style) },
  ageColumn,
  triedColumn,
  { title: "DETAIL", value: detailOf, min: detailMin(width) }
]

/** For lists of parked rows. */
export const failureColumns = (style: Style, width: number): ReadonlyArray<Column<Admin.Row>> => [
  idColumn(width),
  taskColumn,
  stepColumn,
  { ...ageColumn, title: "PARKED FOR" },
  triedColumn,
  { title: "ERROR", value: detailOf, min: detailMin(width), paint: style.red }
]
