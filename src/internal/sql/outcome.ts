/** The statements that store the outcomes of attempts, each fenced by its attempt. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import { forceKeyLookup, notDurable, query, queryAlone, type Rows } from "./query.ts"
import { millis } from "./time.ts"
import { maxTransitions, nextTransitionSql } from "./transitions.ts"

/** One row that another session has locked must not delay the whole batch, and deadlocks are broken early. */
const briefLocks = "(select set_config('lock_timeout', '300ms', true)) is not null"

/** The last statement of a step's transaction waits for longer: if it gives up, the step's work is rolled back. */
const patientLocks = "(select set_config('lock_timeout', '10s', true)) is not null"

/** What the end of an attempt writes into its row. Absent fields leave the row's value as it is. */
export interface RowChange {
  readonly id: TaskId
  readonly token: string
  /** The attempt's `transitions`: with the token, it is the fence. */
  readonly n: number
  readonly kind: "Continued" | "Rescheduled" | "Retried" | "Parked" | "Rejected" | "Released"
  readonly step?: string
  /** Due this many milliseconds from now. */
  readonly delay?: number
  /** Due at this moment, in ISO 8601. */
  readonly at?: string
  /** Why it is parked, rejected or retried. */
  readonly error?: string
}

/** The end of a task: its row is deleted. */
export type RowEnd = Pick<RowChange, "id" | "token" | "n">

const anyTransition = forceKeyLookup("n", "0", String(maxTransitions))

/**
 * The fence. `Continued` keeps its lease, so it may be sent again after its answer was lost. Then the row may have the
 * new state already: it is one transition further.
 */
const current = `t.id = c.id and t.lease_token = c.token
    and (t.transitions = c.n or (c.kind = 'Continued' and t.transitions = ${nextTransitionSql("c.n")}))`

/**
 * Most outcomes end their task: those are passed as arrays, which are much cheaper to parse than JSON. Leases and
 * delays begin at `time`.
 */
const storeChanges = (time: string, locks: string): string =>
  `with clock as materialized (select ${time} as time), f as materialized (
  select * from unnest($3::uuid[], $4::uuid[], $5::int[]) as f(id, token, n)
  where ${locks} and ${anyTransition}
), finished as (
  delete from pg_task t using f where t.id = f.id and t.lease_token = f.token and t.transitions = f.n returning t.id
), c as materialized (
  select * from json_to_recordset($1::json)
    as x(id uuid, token uuid, n int, kind text, step text, delay float8, at timestamptz, error text)
  where ${locks} and ${anyTransition}
), changed as (
  update pg_task t set
    step = coalesce(c.step, t.step),
    transitions = case when c.step is null then t.transitions else ${nextTransitionSql("c.n")} end,
    tried = case when c.kind in ('Retried', 'Parked') then t.tried + 1 when c.step is null then t.tried else 0 end,
    wakeup_at = coalesce(c.at, (select time from clock) + ${millis("c.delay")}, t.wakeup_at),
    is_running = c.kind = 'Continued',
    lease_token = case when c.kind = 'Continued' then t.lease_token end,
    lease_until = case when c.kind = 'Continued' then (select time from clock) + ${millis("$2")} end,
    crashes = case when c.kind = 'Released' then t.crashes else 0 end,
    error = case c.kind when 'Released' then t.error when 'Retried' then null else c.error end,
    last_error = case when c.kind = 'Retried' then c.error when c.step is null then t.last_error end,
    updated_at = (select time from clock)
  from c where ${current} returning t.id
)
select id from finished union all select id from changed`

/** For transitions that need not be on the disk when they are committed. */
const asyncCommit = `${briefLocks} and ${notDurable}`

const storeNow = storeChanges("now()", briefLocks)
const storeAsync = storeChanges("now()", asyncCommit)

/** In the transaction of a step `now()` is when the step began, perhaps longer ago than a lease. */
const storeAtEnd = storeChanges("clock_timestamp()", patientLocks)

/** What a batch of outcomes does. */
export interface Changes {
  readonly ends: ReadonlyArray<RowEnd>
  readonly changes: ReadonlyArray<RowChange>
}

const storeParams = ({ changes, ends }: Changes, lease: number): ReadonlyArray<unknown> => [
  JSON.stringify(changes),
  lease,
  ends.map((end) => end.id),
  ends.map((end) => end.token),
  ends.map((end) => end.n)
]

/** Each step of a chain waits for this statement, so it is as short as possible. */
const advanceOne = (settings: string) =>
  `update pg_task set
  step = $4, transitions = ${nextTransitionSql("$3::int")}, tried = 0, crashes = 0, error = null, last_error = null,
  updated_at = now(),
  lease_until = now() + ${millis("$5")}
where ${settings} and id = $1::uuid and lease_token = $2::uuid
  and transitions in ($3::int, ${nextTransitionSql("$3::int")}) returning id`

const advanceNow = advanceOne(briefLocks)
const advanceAsync = advanceOne(asyncCommit)

/** Moves one task on, and keeps its lease. */
const storeContinued = (
  sql: SqlClient,
  { id, n, step, token }: RowChange,
  { isAsync, lease }: StoreOptions
): Rows<{ readonly id: TaskId }> => query(sql, isAsync ? advanceAsync : advanceNow, [id, token, n, step, lease])

interface StoreOptions {
  /** In milliseconds. */
  readonly lease: number
  /** Whether the commit need not wait for the disk: then a crash of the server may undo it. */
  readonly isAsync: boolean
}

/** Stores the outcomes of many attempts, and returns the ids of those that were still the current ones. */
export const storeOutcomes = (
  sql: SqlClient,
  changes: Changes,
  options: StoreOptions
): Rows<{ readonly id: TaskId }> => {
  const [only, more] = changes.changes
  return only?.kind === "Continued" && more === undefined && changes.ends.length === 0
    ? storeContinued(sql, only, options)
    : queryAlone(sql, options.isAsync ? storeAsync : storeNow, storeParams(changes, options.lease))
}

/**
 * Stores one outcome in the transaction of the caller. `from` says where leases and delays begin: with the transaction,
 * or with this statement. False when the attempt is no longer the current one.
 */
export const storeInTransaction = (
  sql: SqlClient,
  changes: Changes,
  options: { readonly lease: number; readonly from: "Transaction" | "Statement" }
): Effect.Effect<boolean, SqlError> => {
  const rows = query(sql, options.from === "Transaction" ? storeNow : storeAtEnd, storeParams(changes, options.lease))
  return Effect.map(rows, ({ length }) => length === 1)
}
