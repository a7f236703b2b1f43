/**
 * What a worker asks for that has nothing to do, with one statement: when the next row is due, whether a row is in
 * quarantine, and, if it is its turn, which leases have expired. The same statement sends the worker's notification
 * to itself and to its peers.
 */
import type * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { type Chores, choresOf } from "./chores.ts"
import { from } from "./claim.ts"
import { firstByDue, quarantined, ready } from "./due.ts"
import { isKnown, type KnownTask, knownTasks, namesAndTags } from "./known.ts"
import { frontLook, type LookRow } from "./lease.ts"
import { channel } from "./notify.ts"
import { skippedSince } from "./notifyTriggers.ts"
import { Params } from "./params.ts"
import { queryAlone } from "./query.ts"
import { clampMillis, millis, millisUntil } from "./time.ts"

/** What is next for a worker of some tasks. */
export interface Outlook {
  /** The time until the next row is due, in milliseconds: 0 or less if one is. Null if none is due soon. */
  readonly wait: number | null
  /** When this was looked at, in milliseconds since 1970. What becomes visible later was not seen. */
  readonly at: number
  /** A row is due, perhaps in a state that is not known. */
  readonly due: boolean
  /**
   * Whether tasks may come, or have come since, for which nobody will notify: the transactions that store them are
   * still `open`, or the database has `changed` since this look began.
   */
  readonly skipped: "open" | "changed" | null
  /** A row is due that is in quarantine, in a known state. */
  readonly quarantined: boolean
}

export interface OutlookOptions {
  readonly tasks: ReadonlyArray<KnownTask>
  /** Only rows that are (or were) due at this time or later count, in milliseconds since 1970. */
  readonly start: number | undefined
  /** A row that is due later than this many milliseconds from now does not count. */
  readonly horizon: number
}

/**
 * Without the horizon the planner reads and sorts all waiting rows in spite of the limit, if there are less than about
 * half a million. Malformed rows have no name: they are due, too, to be parked.
 */
const outlook = ({ add, texts }: Params, { horizon, start, tasks }: OutlookOptions): string => {
  const [names, tags] = namesAndTags(tasks).map(texts)
  const after = start === undefined ? "" : ` and ${from(add(start))}`
  const before = ` and wakeup_at <= now() + ${millis(add(clampMillis(horizon)))}`
  const isDue = (condition: string) => `exists (select from pg_task where ${condition} and wakeup_at <= now()${after})`
  const quarantine = (condition: string) => `${condition} and ${quarantined}`
  const inQuarantine = `exists (select from ${knownTasks(names!, tags!)} cross join lateral (
    select from pg_task p where ${quarantine("p.task = n.task")} and ${isKnown("n.tags")} and wakeup_at <= now()${after}
    ${firstByDue("1")}
  ) d)`
  return `select ${millisUntil("min(d.wakeup_at)")} as wait, (extract(epoch from now()) * 1000)::float8 as at,
  ${isDue(`task = any(${names}) and ${ready}`)} as due, ${skippedSince} as skipped,
  ${inQuarantine} or ${isDue(quarantine("task is null"))} as quarantined
from (
  select d.wakeup_at from ${knownTasks(names!, tags!)} cross join lateral (
    select wakeup_at from pg_task p where p.task = n.task and ${ready} and ${isKnown("n.tags")}${before}${after}
    ${firstByDue("1")}
  ) d
  union all select d.wakeup_at from (
    select wakeup_at from pg_task where task is null and ${ready}${before}${after} ${firstByDue("1")}
  ) d
) d`
}

export interface LeaseLook {
  readonly tasks: ReadonlyArray<string>
  /** How many entries of the index are read for each task. */
  readonly limit: number
  /** A notification to send, in place of any other, if no other worker looks just now. */
  readonly notification: string | undefined
}

export interface LookOptions {
  readonly outlook: OutlookOptions | undefined
  /** Looks for expired leases, too, unless another worker does so just now. */
  readonly leases: LeaseLook | undefined
  readonly notification: string | undefined
  /** Also asks for chores: the names of the worker's tasks. */
  readonly chores: ReadonlyArray<string> | undefined
}

/** An answer has at least one row: one for each expired lease. */
export type Looked = Partial<Outlook> & Partial<LookRow> & Partial<Chores>

/** Sends the notification, if there is one: a text that is null would be taken for an empty one. */
const sent = ({ add }: Params, { leases, notification }: LookOptions): string | undefined => {
  const [plain, ofLook] = [notification ?? null, leases?.notification]
  if (plain === null && ofLook === undefined) return undefined
  const payload = ofLook === undefined
    ? `${add(plain)}::text`
    : `case when (select mine from turn) then ${add(ofLook)}::text else ${add(plain)}::text end`
  return `sent as materialized (
  select pg_notify('${channel}', p.payload) as done from (select ${payload} as payload) p where p.payload is not null
)`
}

export const look = (sql: SqlClient, options: LookOptions): Effect.Effect<ReadonlyArray<Looked>, SqlError> => {
  const params = new Params()
  const leases = options.leases === undefined ? undefined : frontLook(params, options.leases)
  const next = options.outlook === undefined ? "select" : outlook(params, options.outlook)
  const chores = options.chores && choresOf(params, options.chores)
  const notified = sent(params, options)
  const ctes = [leases?.ctes, notified].filter((cte) => cte !== undefined)
  return queryAlone(
    sql,
    `${ctes.length === 0 ? "" : `with ${ctes.join(", ")}\n`}select *
from (${next}) o${leases === undefined ? "" : ` cross join (${leases.select}) l`}${
      chores === undefined ? "" : ` cross join (${chores}) h`
    }${notified === undefined ? "" : " left join sent on true"}`,
    params.values
  )
}

/** Looks for expired leases alone. */
export const lookForLeases = (sql: SqlClient, leases: LeaseLook): Effect.Effect<ReadonlyArray<LookRow>, SqlError> =>
  look(sql, { outlook: undefined, leases, notification: undefined, chores: undefined }) as Effect.Effect<
    ReadonlyArray<LookRow>,
    SqlError
  >
