/** How a row is presented to people, as SQL. Postgres's clock decides its status and its age. */
import * as Duration from "effect/Duration"
import { maxStep } from "./schema.ts"

export type Status = "ready" | "limited" | "scheduled" | "waiting" | "running" | "parked" | "ended"

/** Which rows. A criterion that is undefined is not applied. */
export interface Where {
  readonly ids?: ReadonlyArray<string> | undefined
  /** Null: rows of no known shape. */
  readonly task?: string | null | undefined
  readonly step?: string | undefined
  readonly key?: string | undefined
  /** Their parents. */
  readonly parents?: ReadonlyArray<string> | undefined
  readonly status?: ReadonlyArray<Status> | undefined
  /** The tag of a signal. */
  readonly waitsFor?: string | undefined
  /** A part of the error's text, with `*` for anything. */
  readonly error?: string | undefined
  /** The first line of the error, as `countErrors` gives it. */
  readonly errorLine?: string | undefined
  /** A part of the `step` column, with `*` for anything. */
  readonly text?: string | undefined
  readonly olderThan?: Duration.Input | undefined
  readonly newerThan?: Duration.Input | undefined
}

/** The parameters of a statement, numbered as they are added. */
export class Params {
  readonly values: Array<unknown> = []

  add(value: unknown): string {
    return `$${this.values.push(value)}`
  }
}

// ---------------------------------------------------------------------------------------------------------------
// What a row is
// ---------------------------------------------------------------------------------------------------------------

/** It waits at the door of its limit: see limitSchema.ts. */
const isAtDoor = "t.limit_key is not null and t.slot is null"

export const conditionOf: Record<Status, string> = {
  ready: `t.error is null and t.ended_at is null and not t.is_running and t.wakeup_at <= now() and not (${isAtDoor})`,
  limited: `t.error is null and t.ended_at is null and not t.is_running and t.wakeup_at <= now() and ${isAtDoor}`,
  scheduled:
    "t.error is null and t.ended_at is null and not t.is_running and t.wakeup_at > now() and t.waits_for is null",
  waiting:
    "t.error is null and t.ended_at is null and not t.is_running and t.wakeup_at > now() and t.waits_for is not null",
  running: "t.error is null and t.ended_at is null and t.is_running",
  parked: "t.error is not null and t.ended_at is null",
  ended: "t.ended_at is not null"
}

/** A row that has ended counts as gone once its time is over, also if no worker has deleted it yet. */
export const present = "(t.kept_until is null or t.kept_until > now())"

export const statuses = Object.keys(conditionOf) as ReadonlyArray<Status>

/** Since when a row has had its status: since it was due, or, where that says nothing, since it was last written. */
export const sinceOf: Record<Status, string> = {
  ready: "t.wakeup_at",
  limited: "t.wakeup_at",
  scheduled: "t.updated_at",
  waiting: "t.updated_at",
  running: "least(t.wakeup_at, t.updated_at)",
  parked: "t.updated_at",
  ended: "t.ended_at"
}

const byStatus = (values: Record<Status, string>) =>
  `case when t.ended_at is not null then ${values.ended} when t.error is not null then ${values.parked}
  when t.is_running then ${values.running}
  when t.wakeup_at <= now() then case when ${isAtDoor} then ${values.limited} else ${values.ready} end
  when t.waits_for is not null then ${values.waiting} else ${values.scheduled} end`

/** The status of a row, as a text. */
export const status = byStatus({
  ready: "'ready'",
  limited: "'limited'",
  scheduled: "'scheduled'",
  waiting: "'waiting'",
  running: "'running'",
  parked: "'parked'",
  ended: "'ended'"
})
export const since = byStatus(sinceOf)

/** As milliseconds since 1970, limited to what JavaScript's dates can hold, because a time may be `infinity`. */
export const millis = (time: string) =>
  `(least(greatest(extract(epoch from ${time}), -8.64e12), 8.64e12) * 1000)::float8`
const millisOrNull = (time: string) => `case when ${time} is not null then ${millis(time)} end`
export const age = (time: string) => `(extract(epoch from now()) * 1000)::float8 - ${millis(time)}`
export const ageOrNull = (time: string) => `case when ${time} is not null then ${age(time)} end`

export interface AdminRow {
  readonly id: string
  readonly task: string | null
  readonly step: string | null
  readonly status: Status
  readonly raw: string
  readonly tried: number
  readonly crashes: number
  readonly transitions: number
  /** The id of its parent. */
  readonly parent: string | null
  readonly error: string | null
  readonly lastError: string | null
  readonly trace: string | null
  /** The times as milliseconds since 1970. */
  readonly wakeupAt: number
  readonly createdAt: number
  readonly updatedAt: number
  readonly leaseUntil: number | null
  readonly endedAt: number | null
  readonly keptUntil: number | null
  readonly waitsFor: ReadonlyArray<string> | null
  readonly waitUntil: number | null
  /** How many signals it has that it has not taken. */
  readonly signals: number
  readonly since: number
  readonly age: number
  readonly key: string | null
  /** The name of its limit, with its key after a colon. */
  readonly limit: string | null
  readonly slot: number | null
  /** `wakeup_at` to the microsecond, for the next page. */
  readonly position: string
}

/** A `step` that is too long to be read is cut. */
const raw = `case when octet_length(t.step) <= ${maxStep} then t.step else left(t.step, 2000) || '...' end`

/** People may write anything into `inbox`. */
const signals = `case when jsonb_typeof(t.inbox -> 'signals') = 'array'
  then jsonb_array_length(t.inbox -> 'signals') else 0 end`

/** A text of which only the first characters are wanted. `left()` on every row would cost more than all the rest. */
const cut = (text: string, length: string) =>
  `case when octet_length(${text}) <= ${length} then ${text} else left(${text}, ${length}) end`

/** `raw` and the errors as SQL: cut to this many characters, if it is given. */
const texts = (length: string | undefined) =>
  length === undefined
    ? { raw, error: "t.error", lastError: "t.last_error" }
    : { raw: cut("t.step", length), error: cut("t.error", length), lastError: cut("t.last_error", length) }

/** What is read of a row. With a length, its texts are cut. */
export const columnsOf = (length?: string): string => {
  const { error, lastError, raw } = texts(length)
  return `t.id, t.task, t.state as step, ${status} as status, ${raw} as raw, t.tried, t.crashes, t.transitions,
  t.parent, ${error} as error, ${lastError} as "lastError", t.trace, t.key,
  t.limit_key as limit, nullif(t.slot, 0) as slot, ${millis("t.wakeup_at")} as "wakeupAt",
  ${millis("t.created_at")} as "createdAt", ${millis("t.updated_at")} as "updatedAt",
  ${millisOrNull("t.lease_until")} as "leaseUntil", ${millisOrNull("t.ended_at")} as "endedAt",
  ${millisOrNull("t.kept_until")} as "keptUntil", t.waits_for as "waitsFor", ${
    millisOrNull("t.wait_until")
  } as "waitUntil", ${signals} as signals,
  ${millis(since)} as since, ${age(since)} as age, to_json(t.wakeup_at) #>> '{}' as position`
}

export const columns = columnsOf()

// ---------------------------------------------------------------------------------------------------------------
// Which rows
// ---------------------------------------------------------------------------------------------------------------

/** In characters. Longer lines are cut: what differs only after this counts as the same error. */
const maxErrorLine = 500

/** The first line of an error. It is cut first: then Postgres unpacks no more of a long one than that. */
export const errorLineOf = `split_part(left(t.error, ${maxErrorLine}), e'\\n', 1)`

const likePattern = (part: string) => `%${part.replace(/[\\%_]/g, "\\$&").replaceAll("*", "%")}%`

/** In milliseconds, 5,000 years: what is longer ago than that may be before the first time that Postgres has. */
const longestAge = 1.57e14

export const interval = (params: Params, duration: Duration.Input) =>
  `${
    params.add(Math.min(Duration.toMillis(Duration.fromInputUnsafe(duration)), longestAge))
  }::float8 * interval '1 millisecond'`

const anyOf = (conditions: ReadonlyArray<string>) => `(${conditions.map((one) => `(${one})`).join(" or ")})`

const statusIn = (status: ReadonlyArray<Status>): string =>
  status.length === 0 ? "false" : anyOf(status.map((one) => conditionOf[one]))

/** Where a row is, and since when. */
const placeConditions = (
  { ids, newerThan, olderThan, parents, status, step, task, waitsFor }: Where,
  params: Params
) => [
  ids !== undefined && `t.id = any(${params.add(ids)}::uuid[])`,
  task !== undefined && (task === null ? "t.task is null" : `t.task = ${params.add(task)}`),
  parents !== undefined && `t.parent = any(${params.add(parents)}::uuid[])`,
  step !== undefined && `t.state = ${params.add(step)}`,
  status !== undefined && status.length < statuses.length && statusIn(status),
  waitsFor !== undefined && `t.waits_for @> array[${params.add(waitsFor)}::text] and ${conditionOf.waiting}`,
  olderThan !== undefined && `(${since}) <= now() - ${interval(params, olderThan)}`,
  newerThan !== undefined && `(${since}) > now() - ${interval(params, newerThan)}`
]

/** The names of all tasks that have rows with keys, each found by one index lookup: the index on keys begins with them. */
const namesWithKeys = `with recursive keyed as (
    select (select min(task) from pg_task where key is not null) as task
    union all
    select (select min(task) from pg_task where key is not null and task > k.task) from keyed k where k.task is not null
  ) select task from keyed`

/** What is written in a row. */
const textConditions = ({ error, errorLine, key, task, text }: Where, params: Params) => [
  error !== undefined && `t.error ilike ${params.add(likePattern(error))}`,
  errorLine !== undefined && `${errorLineOf} = ${params.add(errorLine)}`,
  key !== undefined && `t.key = ${params.add(key)}`,
  key !== undefined && task === undefined && `(t.task is null or t.task = any(array(${namesWithKeys})))`,
  text !== undefined && `t.step ilike ${params.add(likePattern(text))}`
]

export const conditions = (where: Where, params: Params): ReadonlyArray<string> =>
  [present, ...placeConditions(where, params), ...textConditions(where, params)].filter((one) => one !== false)

export const whereClause = (all: ReadonlyArray<string>) => `where ${all.join("\n  and ")}`
