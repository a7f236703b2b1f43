/** The row's life, as the documentation tells it. No SQL here, and nothing of the library's: only what must be. */
import { type Answer, moments, waits } from "./ModelTasks.ts"

/** In microseconds: since 1970, or since the statement that wrote the row. */
export type Moment = number | { readonly fromNow: number }

/** What a column must hold: this, or a text with this in it. */
export type Text = string | null | { readonly part: string }

/** A state that is to take the place of the row's own when its attempt ends. */
export interface Pending {
  readonly step: string
  readonly at: Moment
}

export interface Row {
  readonly id: string
  readonly key: string | null
  readonly pending: Pending | null
  readonly step: string
  readonly task: string | null
  readonly wakeup: Moment
  readonly tried: number
  readonly running: boolean
  readonly error: Text
  readonly token: string | null
  readonly leaseUntil: Moment | null
  readonly transitions: number
  readonly crashes: number
  readonly created: Moment
  readonly updated: Moment
}

export type Rows = ReadonlyMap<string, Row>

/** What a worker knows of a row that it has claimed: its belief, whatever the row has become since. */
export interface Belief {
  readonly id: string
  readonly token: string
  readonly step: string
  readonly tried: number
  readonly transitions: number
}

export const lease = 3_600_000
export const maxCrashes = 3
export const pausedByHand = "paused by hand"

const now = { fromNow: 0 }
export const inMillis = (millis: number): Moment => ({ fromNow: millis * 1000 })

// ---------------------------------------------------------------------------------------------------------------
// States
// ---------------------------------------------------------------------------------------------------------------

/** The texts of `step` that the test uses. Only the first three can be decoded. */
export const stepText = {
  Plain: (n: number) => `{"Walk":{"Plain":{"n":${n}}}}`,
  Safe: (n: number) => `{"Walk":{"Safe":{"n":${n}}}}`,
  Only: (n: number) => `{"Other":{"Only":{"n":${n}}}}`,
  "an unknown state": (n: number) => `{"Walk":{"Gone":{"n":${n}}}}`,
  "a misfit": (n: number) => `{"Walk":{"Plain":{"n":"${n}"}}}`,
  garbage: (n: number) => `garbage ${n}`
}
export type StepName = keyof typeof stepText

const taskOf = (step: string): string | null => /^\{"(\w+)":\{"/.exec(step)?.[1] ?? null
const nameOf = (step: string): string => /^\{"\w+":\{"(\w+)":\{"n":\d/.exec(step)?.[1] ?? step

const retries: Record<string, { readonly limit: number; readonly delay: number } | undefined> = {
  Plain: { limit: 2, delay: waits.retry },
  Safe: { limit: 1, delay: 0 },
  Only: { limit: 0, delay: 0 }
}

const successors: Record<string, ReadonlyArray<string>> = { Plain: ["Plain", "Safe"], Safe: ["Plain"] }

// ---------------------------------------------------------------------------------------------------------------
// Ways in
// ---------------------------------------------------------------------------------------------------------------

export const enqueued = (id: string, step: string, wakeup: Moment = now): Row => ({
  id,
  key: null,
  pending: null,
  step,
  task: taskOf(step),
  wakeup,
  tried: 0,
  running: false,
  error: null,
  token: null,
  leaseUntil: null,
  transitions: 0,
  crashes: 0,
  created: now,
  updated: now
})

// ---------------------------------------------------------------------------------------------------------------
// Claims
// ---------------------------------------------------------------------------------------------------------------

const isDue = (row: Row, clock: number) => typeof row.wakeup === "number" && row.wakeup <= clock
const isKnown = (row: Row, tasks: ReadonlyArray<string>) => row.task === null || tasks.includes(row.task)
export const isFree = (row: Row) => row.error === null && !row.running

/** Whether workers that know the task know the state, too. Each of them knows all but one. */
const isInKnownState = (row: Row) => {
  const state = /^\{"\w+":\{"(\w+)":/.exec(row.step)?.[1]
  return state === undefined || retries[state] !== undefined
}

export const isClaimable = (row: Row, tasks: ReadonlyArray<string>, clock: number): boolean =>
  isFree(row) && row.crashes === 0 && isDue(row, clock) && isKnown(row, tasks) && isInKnownState(row)

/** Its worker crashed while it held it: it is claimed alone. */
export const isSuspect = (row: Row, tasks: ReadonlyArray<string>, clock: number): boolean =>
  isFree(row) && row.crashes > 0 && isDue(row, clock) && isKnown(row, tasks) && isInKnownState(row)

export const claimed = (row: Row, token: string): Row => ({
  ...row,
  running: true,
  token,
  leaseUntil: inMillis(lease),
  updated: now
})

export const believe = (row: Row, token: string): Belief => ({ ...row, token })

const freed = (row: Row): Row => ({ ...row, running: false, token: null, leaseUntil: null, updated: now })

// ---------------------------------------------------------------------------------------------------------------
// Ends
// ---------------------------------------------------------------------------------------------------------------

interface Advance {
  readonly _tag: "Continued"
  readonly step: string
}

export type Ending =
  | { readonly _tag: "Finished" }
  | Advance
  | { readonly _tag: "Rescheduled"; readonly step: string; readonly wakeup: Moment }
  | { readonly _tag: "Retried"; readonly wakeup: Moment }
  | { readonly _tag: "Parked" | "Rejected"; readonly error: Text }
  | { readonly _tag: "Released" }

export interface Expected {
  readonly ending: Ending
  /** The handler ran. */
  readonly ran: boolean
  /** Its end is stored in its own transaction, with so many notes. */
  readonly notes: number | undefined
}

const without = (ending: Ending, ran: boolean): Expected => ({ ending, ran, notes: undefined })

const failure = ({ step, tried }: Belief, error: string): Expected => {
  const { delay, limit } = retries[nameOf(step)]!
  return without(
    tried < limit ? { _tag: "Retried", wakeup: inMillis(delay) } : { _tag: "Parked", error: { part: error } },
    true
  )
}

const failures: { readonly [K in Answer["does"]]?: string } = {
  fail: "it failed",
  die: "Defect: Error: it died",
  "interrupt itself": "The step was interrupted from inside"
}

const wakeups: { readonly [K in Answer["does"]]?: Moment } = {
  delay: inMillis(waits.hour),
  "delay by nothing": now,
  "at a future moment": moments.far.epochMilliseconds * 1000,
  "at a past moment": moments.past.epochMilliseconds * 1000
}

const moved = (answer: Answer): Ending => {
  const step = stepText[answer.to](answer.n)
  const wakeup = wakeups[answer.does]
  return wakeup === undefined ? { _tag: "Continued", step } : { _tag: "Rescheduled", step, wakeup }
}

/** How an attempt ends whose handler does this. */
export const endingOf = (belief: Belief, answer: Answer): Expected => {
  const name = nameOf(belief.step)
  if (answer.does === "not run") return without({ _tag: "Released" }, false)
  if (retries[name] === undefined) return without({ _tag: "Rejected", error: { part: "" } }, false)
  const failed = failures[answer.does]
  if (failed !== undefined) return failure(belief, failed)
  if (name === "Only") return without({ _tag: "Finished" }, true)
  if (answer.does !== "finish" && !successors[name]!.includes(answer.to)) {
    return failure(belief, `moved to "${answer.to}", which is not in its`)
  }
  if (answer.commit === "a failure") return failure(belief, "the commit failed")
  const notes = Number(name === "Safe") + Number(answer.commit === "a note")
  const ending: Ending = answer.does === "finish" ? { _tag: "Finished" } : moved(answer)
  return { ending, ran: true, notes: notes === 0 ? undefined : notes }
}

/** The fence: the row is still this attempt's. */
export const isCurrent = (row: Row | undefined, { token, transitions }: Belief): row is Row =>
  row !== undefined && row.token === token && row.transitions === transitions

/** A step of a chain whose outcome is sent again finds its own work done, and the row still with its token. */
export const isCurrentAgain = (row: Row | undefined, belief: Belief): row is Row =>
  isCurrent(row, { ...belief, transitions: belief.transitions + 1 })

const onwards = (row: Row, step: string): Row => ({
  ...row,
  step,
  task: taskOf(step),
  transitions: row.transitions + 1,
  tried: 0,
  crashes: 0
})

/** The same once more: the row doesn't move, but is written. */
export const endedAgain = (row: Row, { step }: Advance): Row => ({
  ...renewed(row),
  step,
  task: taskOf(step),
  tried: 0,
  crashes: 0,
  error: null
})

/**
 * The row of a current attempt after it has ended; undefined when the task is done. Only what is given back keeps an
 * error that somebody has set while it ran: of all else, the outcome decides.
 */
export const ended = (row: Row, ending: Ending): Row | undefined => {
  // Neither the end of the task nor its next step comes before the state that is to replace it.
  if (row.pending !== null && (ending._tag === "Finished" || ending._tag === "Continued")) return freed(row)
  switch (ending._tag) {
    case "Finished":
      return undefined
    case "Continued":
      return { ...onwards(row, ending.step), leaseUntil: inMillis(lease), error: null, updated: now }
    case "Rescheduled":
      return { ...freed(onwards(row, ending.step)), wakeup: ending.wakeup, error: null }
    case "Retried":
      return { ...freed(row), tried: row.tried + 1, crashes: 0, wakeup: ending.wakeup, error: null }
    case "Parked":
      return { ...freed(row), tried: row.tried + 1, crashes: 0, error: ending.error }
    case "Rejected":
      return { ...freed(row), crashes: 0, error: ending.error }
    case "Released":
      return freed(row)
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Leases
// ---------------------------------------------------------------------------------------------------------------

export const holds = (row: Row | undefined, token: string): row is Row => row?.running === true && row.token === token

export const renewed = (row: Row): Row => ({ ...row, leaseUntil: inMillis(lease), updated: now })

export const released = (row: Row): Row => freed(row)

export const isLapsed = (row: Row, tasks: ReadonlyArray<string>, clock: number): boolean =>
  row.running && row.error === null && isDue(row, clock) && isKnown(row, tasks) &&
  (row.leaseUntil === null || (typeof row.leaseUntil === "number" && row.leaseUntil < clock))

/** Its worker has crashed once more while it held the row. */
export const takenOver = (row: Row): Row => ({
  ...freed(row),
  crashes: row.crashes + 1,
  error: row.crashes + 1 >= maxCrashes ? { part: `The worker crashed ${row.crashes + 1} times in a row` } : null
})

// ---------------------------------------------------------------------------------------------------------------
// Keys
// ---------------------------------------------------------------------------------------------------------------

/** The row begins anew, with another state. `transitions` are those that it had before the write. */
const renewedBy = (row: Row, { at, step }: Pending, transitions: number): Row => ({
  ...freed(row),
  step,
  task: taskOf(step),
  wakeup: at,
  pending: null,
  tried: 0,
  crashes: 0,
  error: null,
  transitions: transitions + 1
})

/** Whatever has ended its attempt: once the row doesn't run, the state that is to replace its own does so. */
export const replaced = (row: Row, before: Row | undefined): Row =>
  row.pending === null || row.running ? row : renewedBy(row, row.pending, before?.transitions ?? row.transitions)

/** The row that has a key gets another state: at once, or when its attempt has ended. */
export const replacing = (row: Row, pending: Pending, { throttle }: { readonly throttle: boolean }): Row => {
  const scheduled = row.running || row.error !== null ? pending.at : row.wakeup
  const at = throttle ? row.pending?.at ?? scheduled : pending.at
  return { ...row, pending: { ...pending, at }, updated: now }
}

export const statusOf = (row: Row, clock: number): string => {
  if (row.error !== null) return "parked"
  if (row.running) return "running"
  return typeof row.wakeup === "number" ? row.wakeup <= clock ? "ready" : "scheduled" : row.wakeup.fromNow <= 0
    ? "ready"
    : "scheduled"
}

// ---------------------------------------------------------------------------------------------------------------
// Edits by hand
// ---------------------------------------------------------------------------------------------------------------

/** Whoever edits a row by hand, and whatever: `updated_at` tells. */
export const edited = (row: Row, change: Partial<Row>): Row => ({
  ...row,
  ...change,
  ...(change.step === undefined ? {} : { task: taskOf(change.step) }),
  updated: now
})
