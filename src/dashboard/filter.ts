/** Which tasks: the part of an address that says so. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Admin from "../Admin.ts"
import { TaskId } from "../TaskId.ts"
import { statuses } from "./pages/home.ts"
import { Refusal } from "./site.ts"

/** What is asked for, as texts. */
export interface Asked {
  readonly task?: string | undefined
  readonly state?: string | undefined
  readonly status?: string | undefined
  readonly parent?: string | undefined
  readonly key?: string | undefined
  readonly error?: string | undefined
  readonly line?: string | undefined
  readonly text?: string | undefined
  readonly older?: string | undefined
  readonly newer?: string | undefined
}

const names = ["task", "state", "status", "parent", "key", "error", "line", "text", "older", "newer"] as const

/** Stands for rows without a task's name. */
export const unnamed = "?"

const units: Readonly<Record<string, Duration.Unit>> = {
  s: "seconds",
  m: "minutes",
  h: "hours",
  d: "days",
  w: "weeks"
}

const refuse = (message: string): never => {
  throw new Refusal({ status: 400, title: "Not understood", message })
}

/** Longer ones are none that Postgres could reckon with. */
const longest = Duration.days(100_000)

/** `30s`, `5m`, `2h`, `1d`, or as Effect writes it. */
const parseDuration = (text: string): Duration.Duration => {
  const match = /^(\d+(?:\.\d+)?)\s*([smhdw])$/.exec(text.trim())
  const input = match === null ? text : `${Number(match[1])} ${units[match[2]!]!}`
  return Duration.fromInput(input as Duration.Input).pipe(
    Option.filter((duration) => Duration.isLessThanOrEqualTo(duration, longest)),
    Option.getOrElse(() => refuse(`"${text}" is no duration: write 30s, 5m, 2h or 1d`))
  )
}

const isTaskId = Schema.is(TaskId)

const parseId = (text: string): TaskId => isTaskId(text) ? text : refuse(`"${text}" is no id of a task`)

const parseStatus = (text: string): Admin.Status =>
  statuses.includes(text) ? text as Admin.Status : refuse(`"${text}" is no status: they are ${statuses.join(", ")}`)

/** The first line of an error. What browsers send as the end of a line was a carriage return: no line holds more. */
export const lineIn = (params: URLSearchParams): string | null => params.get("line")?.replaceAll("\r\n", "\r") ?? null

/** What an address or a form asks for. Fields that were left empty ask for nothing; but an error may begin with an empty line. */
export const askedOf = (params: URLSearchParams): Asked =>
  Object.fromEntries(names.flatMap((name) => {
    const value = name === "line" ? lineIn(params) : params.get(name)
    return value === null || (value === "" && name !== "line") ? [] : [[name, value]]
  }))

/** Throws a `Refusal` for what makes no sense. */
const parseFilter = (
  { error, key, line, newer, older, parent, state, status, task, text }: Asked
): Admin.Filter => ({
  task: task === unnamed ? null : task,
  step: state,
  parent: parent === undefined ? undefined : parseId(parent),
  status: status === undefined ? undefined : parseStatus(status),
  key,
  error,
  errorLine: line,
  text,
  olderThan: older === undefined ? undefined : parseDuration(older),
  newerThan: newer === undefined ? undefined : parseDuration(newer)
})

/** Refuses what makes no sense. */
export const filterOf = (asked: Asked): Effect.Effect<Admin.Filter, Refusal> =>
  Effect.try({ try: () => parseFilter(asked), catch: (refusal) => refusal as Refusal })

/**
 * How many rows of each task one page looks at: with one task there is one index to follow. Keys and parents have
 * indexes of their own: all that they select are looked at.
 */
export const lookAt = ({ key, parent, task }: Asked): number | undefined =>
  key !== undefined || parent !== undefined ? undefined : task === undefined ? 1000 : 5000
