/** The statements that store the outcomes of attempts, each fenced by its attempt. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import type { HistoryEntry } from "./history.ts"
import { forceKeyLookup, notDurable, query, queryAlone, type Rows } from "./query.ts"
import { millis } from "./time.ts"
import { maxTransitions, nextTransitionSql } from "./transitions.ts"

/** One row that another session has locked must not delay the whole batch, and deadlocks are broken early. */
const briefLocks = "(select set_config('lock_timeout', '300ms', true)) is not null"

/** The last statement of a step's transaction waits for longer: if it gives up, the step's work is rolled back. */
const patientLocks = "(select set_config('lock_timeout', '10s', true)) is not null"

/** What the end of an attempt writes into its row, which stays. Absent fields leave the row's value as it is. */
export interface RowChange {
  readonly id: TaskId
  readonly token: string
  /** The attempt's `transitions`: with the token, it is the fence. */
  readonly n: number
  readonly kind: "Finished" | "Continued" | "Rescheduled" | "Retried" | "Parked" | "Rejected" | "Released"
  readonly step?: string
  /** Due this many milliseconds from now. */
  readonly delay?: number
  /** Due at this moment, in ISO 8601. */
  readonly at?: string
  /** Why it is parked, rejected or retried. */
  readonly error?: string
  /** For how many milliseconds the row is kept, which has ended. */
  readonly keep?: number
}

/** The end of a task whose row is deleted. */
export type RowEnd = Pick<RowChange, "id" | "token" | "n">

const anyTransition = forceKeyLookup("n", "0", String(maxTransitions))

/**
 * The fence. `Continued` keeps its lease, so it may be sent again after its answer was lost. Then the row may have the
 * new state already: it is one transition further.
 */
const current = `t.id = c.id and t.lease_token = c.token
    and (t.transitions = c.n or (c.kind = 'Continued' and t.transitions = ${nextTransitionSql("c.n")}))`

/** A row that has ended is not in the index of due rows: see `isOpen`. */
const ending = `ended_at = case when c.kind = 'Finished' then (select time from clock) else t.ended_at end,
    kept_until = case when c.kind = 'Finished' then (select time from clock) + ${
  millis("c.keep")
} else t.kept_until end`

interface Variant {
  /** Whether rows may end and be kept. Batches without such rows don't pay for it. */
  readonly keeps: boolean
  /** What follows the CTEs: it returns the ids of what was stored. */
  readonly end: string
}

/**
 * Most outcomes end their task: those are passed as arrays, which are much cheaper to parse than JSON. Leases and
 * delays begin at `time`.
 */
const storeChanges = (time: string, locks: string, { end, keeps }: Variant): string =>
  `with clock as materialized (select ${time} as time), f as materialized (
  select * from unnest($3::uuid[], $4::uuid[], $5::int[]) as f(id, token, n)
  where ${locks} and ${anyTransition}
), finished as (
  delete from pg_task t using f where t.id = f.id and t.lease_token = f.token and t.transitions = f.n returning t.id
), c as materialized (
  select * from json_to_recordset($1::json)
    as x(id uuid, token uuid, n int, kind text, step text, delay float8, at timestamptz, error text${
    keeps ? ", keep float8" : ""
  })
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
    updated_at = (select time from clock)${
    keeps ?
      `,
    ${ending}` :
      ""
  }
  from c where ${current} returning t.id
)${end}`

const stored = "select id from finished union all select id from changed"

/** The same, and the history of what was stored. In a CTE of its own, so that the function is called once. */
const withHistory = (stored: string, params: number): string =>
  `, stored as materialized (${stored}), wrote as materialized (
  select pg_task_write_history($${params + 1}::json, array(select id from stored), $${params + 2}::bool)
)
select stored.id from stored cross join wrote`

/** For transitions that need not be on the disk when they are committed. */
const asyncCommit = `${briefLocks} and ${notDurable}`

/** What a batch of outcomes does. */
export interface Changes {
  readonly ends: ReadonlyArray<RowEnd>
  readonly changes: ReadonlyArray<RowChange>
  /** What is written into the history for those of them that are stored. */
  readonly history?: ReadonlyArray<HistoryEntry>
}

/** What a batch needs beside its outcomes. */
export interface StoreOptions {
  /** In milliseconds. */
  readonly lease: number
  /** Whether the commit need not wait for the disk: then a crash of the server may undo it. */
  readonly isAsync?: boolean | undefined
  /** The batch was sent before, and its answer was lost. */
  readonly again?: boolean | undefined
}

/** Parameters of `withHistory`, if there is a history. */
const historyParams = ({ history }: Changes, { again }: StoreOptions): ReadonlyArray<unknown> =>
  history === undefined ? [] : [JSON.stringify(history), again ?? false]

const storeParams = (batch: Changes, options: StoreOptions): ReadonlyArray<unknown> => [
  JSON.stringify(batch.changes),
  options.lease,
  batch.ends.map((end) => end.id),
  batch.ends.map((end) => end.token),
  batch.ends.map((end) => end.n),
  ...historyParams(batch, options)
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

const recordAdvance = (advance: string) => `with moved as (${advance})${withHistory("select id from moved", 5)}`

const texts = (variant: Variant, advance: (text: string) => string) => ({
  batch: storeChanges("now()", briefLocks, variant),
  asyncBatch: storeChanges("now()", asyncCommit, variant),
  // In the transaction of a step `now()` is when the step began, perhaps longer ago than a lease.
  inTransaction: storeChanges("clock_timestamp()", patientLocks, variant),
  advance: advance(advanceNow),
  asyncAdvance: advance(advanceAsync)
})

const withoutHistory = `\n${stored}`
const plain = texts({ keeps: false, end: withoutHistory }, (text) => text)
const keeping = texts({ keeps: true, end: withoutHistory }, (text) => text)
const recorded = texts({ keeps: true, end: withHistory(stored, 5) }, recordAdvance)

const isKept = ({ kind }: RowChange): boolean => kind === "Finished"

const textsFor = ({ changes, history }: Changes) =>
  history !== undefined ? recorded : changes.some(isKept) ? keeping : plain

/** Stores the outcomes of many attempts, and returns the ids of those that were still the current ones. */
export const storeOutcomes = (
  sql: SqlClient,
  batch: Changes,
  options: StoreOptions
): Rows<{ readonly id: TaskId }> => {
  const [only, more] = batch.changes
  const texts = textsFor(batch)
  // A result is on the disk once it is committed: so no batch that keeps a row is asynchronous.
  const isAsync = options.isAsync === true && !batch.changes.some(isKept)
  // Moves one task on, and keeps its lease.
  if (only?.kind === "Continued" && more === undefined && batch.ends.length === 0) {
    const { id, n, step, token } = only
    const params = [id, token, n, step, options.lease, ...historyParams(batch, options)]
    return query(sql, isAsync ? texts.asyncAdvance : texts.advance, params)
  }
  return queryAlone(sql, isAsync ? texts.asyncBatch : texts.batch, storeParams(batch, options))
}

/**
 * Stores one outcome in the transaction of the caller. `from` says where leases and delays begin: with the transaction,
 * or with this statement. False when the attempt is no longer the current one.
 */
export const storeInTransaction = (
  sql: SqlClient,
  changes: Changes,
  options: StoreOptions & { readonly from: "Transaction" | "Statement" }
): Effect.Effect<boolean, SqlError> => {
  const { batch, inTransaction } = textsFor(changes)
  const text = options.from === "Transaction" ? batch : inTransaction
  const rows = query(sql, text, storeParams(changes, options))
  return Effect.map(rows, ({ length }) => length === 1)
}
