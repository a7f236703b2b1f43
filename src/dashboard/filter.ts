/** Which tasks: the part of an address that says so. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as Admin from "../Admin.ts"
import { statuses } from "./pages/home.ts"
import { Refusal } from "./site.ts"

/** What is asked for, as texts. */
export interface Asked {
  readonly task?: string | undefined
  readonly state?: string | undefined
  readonly status?: string | undefined
  readonly key?: string | undefined
  readonly error?: string | undefined
  readonly line?: string | undefined
  readonly text?: string | undefined
  readonly older?: string | undefined
  readonly newer?: string | undefined
}

const names = ["task", "state", "status", "key", "error", "line", "text", "older", "newer"] as const

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

/** `30s`, `5m`, `2h`, `1d`, or as Effect writes it. */
const parseDuration = (text: string): Duration.Duration => {
  const match = /^(\d+(?:\.\d+)?)\s*([smhdw])$/.exec(text.trim())
  const input = match === null ? text : `${Number(match[1])} ${units[match[2]!]!}`
  return Option.getOrElse(
    Duration.fromInput(input as Duration.Input),
    () => refuse(`"${text}" is no duration: write 30s, 5m, 2h or 1d`)
  )
}

const parseStatus = (text: string): Admin.Status =>
  statuses.includes(text) ? text as Admin.Status : refuse(`"${text}" is no status: they are ${statuses.join(", ")}`)

/** What an address or a form asks for. Fields that were left empty ask for nothing. */
export const askedOf = (params: URLSearchParams): Asked =>
  Object.fromEntries(names.flatMap((name) => {
    const value = params.get(name)
    return value === null || value === "" ? [] : [[name, value]]
  }))

/** Throws a `Refusal` for what makes no sense. */
export const filterOf = ({ error, key, line, newer, older, state, status, task, text }: Asked): Admin.Filter => ({
  task: task === unnamed ? null : task,
  step: state,
  status: status === undefined ? undefined : parseStatus(status),
  key,
  error,
  errorLine: line,
  text,
  olderThan: older === undefined ? undefined : parseDuration(older),
  newerThan: newer === undefined ? undefined : parseDuration(newer)
})

/** How many rows of each task one page looks at: with one task there is one index to follow. */
export const lookAt = ({ task }: Asked): number => task === undefined ? 1000 : 5000
