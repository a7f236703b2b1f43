/** The statements that store the outcomes of attempts, each fenced by its attempt. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import { type HistoryEntry, historyParams, recordAll } from "./history.ts"
import { hasKeyOf, notDurable, query, queryAlone, type Rows } from "./query.ts"
import { withPending } from "./takePending.ts"
import { millis } from "./time.ts"
import { anyTransition, nextTransitionSql } from "./transitions.ts"
import { countSignals, dueOfWait, setWait, type WaitChange, waitColumns } from "./waits.ts"

/** One row that another session has locked must not delay the whole batch, and deadlocks are broken early. */
const briefLocks = "(select set_config('lock_timeout', '300ms', true)) is not null"

/** The last statement of a step's transaction waits for longer: if it gives up, the step's work is rolled back. */
const patientLocks = "(select set_config('lock_timeout', '10s', true)) is not null"

/** What the end of an attempt writes into its row, which stays. Absent fields leave the row's value as it is. */
export interface RowChange extends WaitChange {
  readonly id: TaskId
  readonly token: string
  /** The attempt's `transitions`: with the token, it is the fence. */
  readonly n: number
  readonly kind: "Finished" | "Continued" | "Rescheduled" | "Waiting" | "Retried" | "Parked" | "Rejected" | "Released"
  readonly step?: string
  /** Due this many milliseconds from now. */
  readonly delay?: number
  /** Due at this moment, in ISO 8601. */
  readonly at?: string
  /** Why it is parked, rejected or retried. */
  readonly error?: string
  /** For how many milliseconds the row is kept, which has ended. */
  readonly keep?: number
  /** The row gives its slot back, if it holds one. From now on it has this key of a limit, or none. */
  readonly limited?: true
  readonly key?: string
  readonly slots?: number
}

/** The end of a task whose row is deleted. A row that stays because it is to be replaced loses the signal `taken`. */
export type RowEnd = Pick<RowChange, "id" | "token" | "n" | "taken">

/**
 * The fence. `Continued` keeps its lease, so it may be sent again after its answer was lost. Then the row may have the
 * new state already: it is one transition further. It does not go on if a pending state is to take its place: see
 * `takePending`.
 */
const current = `${
  hasKeyOf("t.id", "c.id")
} and t.lease_token = c.token and (t.transitions = c.n and c.kind <> 'Continued'
      or (c.kind = 'Continued' and t.pending is null and t.transitions in (c.n, ${nextTransitionSql("c.n")})))`

/** Which of the statements that store outcomes is needed. */
interface Variant {
  /** Where leases and delays begin. */
  readonly time: string
  readonly locks: string
  /**
   * Some row is kept that has ended, or waits, or has waited. Without any, the statement is much shorter: batches that
   * need neither don't pay for it.
   */
  readonly full: boolean
  /** The same for rows of limited states. */
  readonly limited?: boolean
}

/** The time of the statement, as others of its parts see it. */
const clock = "(select time from clock)"

/** A row that has ended is not in the index of due rows: see `isOpen`. */
const ending = `ended_at = case when c.kind = 'Finished' then ${clock} else t.ended_at end,
    kept_until = case when c.kind = 'Finished' then ${clock} + ${millis("c.keep")} else t.kept_until end`

/** A row that stays knocks, if its state is limited: see limitSchema.ts. */
const setLimit = `limit_key = case when c.limited then c.key else t.limit_key end,
    slots = case when c.limited then c.slots else t.slots end,
    slot = case when not coalesce(c.limited, false) then t.slot when c.key is not null then 0 end`

/** When a row is due that stays. */
const dueTime = (full: boolean): string => {
  const due = `coalesce(c.at, ${clock} + ${millis("c.delay")}, t.wakeup_at)`
  return full ? `case when c.kind = 'Waiting' then ${dueOfWait(clock)} else ${due} end` : due
}

/** In place of a number of signals: a trigger has given the row its pending state. A column of its own would cost more. */
const replacedLeft = -1

/** Whether a trigger has undone what these outcomes write. */
const isUndone = "case c.kind when 'Retried' then t.last_error is null else t.error is null end"
const isWaitUndone = "case c.kind when 'Finished' then t.ended_at is null else t.waits_for is null end"

/** What an answer says of a row that stays. */
const leftOfPlain = `case when c.kind in ('Parked', 'Rejected', 'Retried') and ${isUndone} then ${replacedLeft} end`

/** The same where rows wait or have ended: in how many milliseconds it is due, if it waits; its signals, if it ended. */
const told = `case when c.kind = 'Waiting' and t.wakeup_at < 'infinity' then
    ((extract(epoch from t.wakeup_at) - extract(epoch from ${clock})) * 1000)::float8 end as due,
    case when c.kind in ('Finished', 'Waiting') and ${isWaitUndone} then ${replacedLeft}
      when c.kind = 'Finished' then ${countSignals} else ${leftOfPlain} end as left`

/**
 * Most outcomes end their task: those are passed as arrays, which are much cheaper to parse than JSON. Leases and
 * delays begin at `time`.
 */
const storeChanges = ({ full, limited = false, locks, time }: Variant): string =>
  `with clock as materialized (select ${time} as time), f as materialized (
  select * from unnest($3::uuid[], $4::uuid[], $5::int[]) as f(id, token, n)
  where ${locks} and ${anyTransition}
), finished as (
  delete from pg_task t using f where ${hasKeyOf("t.id", "f.id")} and t.lease_token = f.token and t.transitions = f.n
    and t.pending is null
  returning t.id, t.watched, ${countSignals} as left
), c as materialized (
  select * from json_to_recordset($1::json)
    as x(id uuid, token uuid, n int, kind text, step text, delay float8, at timestamptz, error text${
    full ? `, keep float8, ${waitColumns}` : ""
  }${limited ? ", limited bool, key text, slots int" : ""})
  where ${locks} and ${anyTransition}
), changed as (
  update pg_task t set
    step = coalesce(c.step, t.step),
    transitions = case when c.step is null then t.transitions else ${nextTransitionSql("c.n")} end,
    tried = case when c.kind in ('Retried', 'Parked') then t.tried + 1
      when c.step is null and c.kind <> 'Waiting' then t.tried else 0 end,
    wakeup_at = ${dueTime(full)},
    is_running = c.kind = 'Continued',
    lease_token = case when c.kind = 'Continued' then t.lease_token end,
    lease_until = case when c.kind = 'Continued' then (select time from clock) + ${millis("$2")} end,
    crashes = case when c.kind = 'Released' then t.crashes else 0 end,
    error = case c.kind when 'Released' then t.error when 'Retried' then null else c.error end,
    last_error = case when c.kind = 'Retried' then c.error when c.step is null then t.last_error end,${
    full ? `\n    ${setWait(clock)},\n    ${ending},` : ""
  }${limited ? `\n    ${setLimit},` : ""}
    updated_at = ${clock}
  from c where ${current} returning t.id, t.watched, ${full ? told : `null::float8 as due, ${leftOfPlain} as left`}
)`

/** The rows that were written. It follows `storeChanges`. */
const stored =
  `select id, watched, null::float8 as due, "left" from finished union all select id, watched, due, "left" from changed`

const end = `\n${stored}`
const endRecorded = recordAll(stored)

/** For transitions that need not be on the disk when they are committed. Those of waiting states always are. */
const asyncCommit = `${briefLocks} and ${notDurable}`

const variants = (time: string, locks: string) => ({
  plain: storeChanges({ time, locks, full: false }),
  full: storeChanges({ time, locks, full: true }),
  limited: storeChanges({ time, locks, full: true, limited: true })
})

const storeNow = variants("now()", briefLocks)
const storeAsync = storeChanges({ time: "now()", locks: asyncCommit, full: false })

/** In the transaction of a step `now()` is when the step began, perhaps longer ago than a lease. */
const storeAtEnd = variants("clock_timestamp()", patientLocks)

const isFull = ({ kind, waited }: RowChange): boolean => kind === "Finished" || kind === "Waiting" || waited === true

const isLimited = ({ limited }: RowChange): boolean => limited === true

/**
 * A result, a row that waits, or one of a limited state, is on the disk once it is committed: so no batch with one is
 * asynchronous.
 */
const textFor = ({ changes }: Changes, { isAsync }: StoreOptions): string =>
  changes.some(isLimited)
    ? storeNow.limited
    : changes.some(isFull)
    ? storeNow.full
    : isAsync
    ? storeAsync
    : storeNow.plain

/** A row that was written. */
export interface StoredRow {
  readonly id: TaskId
  /** Somebody waits for the end of the task. Absent where only its next step was stored. */
  readonly watched?: boolean
  /** In how many milliseconds it is due, if it waits from now on. Null: never. */
  readonly due?: number | null
  /** How many signals it had at its end that it never took. Or that it was replaced: see {@link isReplaced}. */
  readonly left?: number | null
  /** The same, of rows that were replaced in a statement of their own. */
  readonly replaced?: true
  /** It could not be found out whether a pending state takes its place: it was not written, and is to be sent again. */
  readonly unsettled?: true
}

/** Whether a pending state has taken the place of what the outcome would have written. */
export const isReplaced = ({ left, replaced }: StoredRow): boolean => replaced === true || left === replacedLeft

/** What a batch of outcomes does. */
export interface Changes {
  readonly ends: ReadonlyArray<RowEnd>
  readonly changes: ReadonlyArray<RowChange>
  /** What is written into the history for those of them that are stored. */
  readonly history?: ReadonlyArray<HistoryEntry>
}

const storeBatch = (text: string, batch: Changes, { again = false, lease }: StoreOptions) =>
  [
    `${text}${batch.history === undefined ? end : endRecorded}`,
    [
      JSON.stringify(batch.changes),
      lease,
      batch.ends.map((end) => end.id),
      batch.ends.map((end) => end.token),
      batch.ends.map((end) => end.n),
      ...historyParams(batch.history, again)
    ]
  ] as const

/** Each step of a chain waits for this statement, so it is as short as possible. */
const advanceOne = (settings: string) =>
  `update pg_task set
  step = $4, transitions = ${nextTransitionSql("$3::int")}, tried = 0, crashes = 0, error = null, last_error = null,
  updated_at = now(),
  lease_until = now() + ${millis("$5")}
where ${settings} and id = $1::uuid and lease_token = $2::uuid and pending is null
  and transitions in ($3::int, ${nextTransitionSql("$3::int")}) returning id`

const advanceNow = advanceOne(briefLocks)
const advanceAsync = advanceOne(asyncCommit)

/** Moves one task on, and keeps its lease. */
const storeContinued = (
  sql: SqlClient,
  { id, n, step, token }: RowChange,
  batch: Changes,
  { again = false, isAsync = false, lease }: StoreOptions
): Rows<StoredRow> => {
  const advance = isAsync ? advanceAsync : advanceNow
  const text = batch.history === undefined ? advance : `with moved as (${advance})${recordAll("select id from moved")}`
  return query(sql, text, [id, token, n, step, lease, ...historyParams(batch.history, again)])
}

export interface StoreOptions {
  /** In milliseconds. */
  readonly lease: number
  /** Whether the commit need not wait for the disk: then a crash of the server may undo it. Default: it waits. */
  readonly isAsync?: boolean | undefined
  /** Whether the batch was sent before, and its answer was lost. Default: it was not. */
  readonly again?: boolean | undefined
}

/** What was stored, and what a pending state has replaced: see `takePending`. */
const withReplaced = (
  sql: SqlClient,
  { changes, ends, history }: Changes,
  stored: ReadonlyArray<StoredRow>,
  options: { readonly locks: string; readonly again?: boolean | undefined }
): Rows<StoredRow> => {
  if (stored.length === ends.length + changes.length) return Effect.succeed(stored)
  const ids = new Set(stored.map(({ id }) => id))
  const continued = changes.filter(({ kind }) => kind === "Continued")
  const refused = [...ends, ...continued].filter(({ id }) => !ids.has(id))
  return withPending(sql, stored, refused, { history, ...options })
}

/** Stores the outcomes of many attempts, and returns those that were still the current ones. */
export const storeOutcomes = (sql: SqlClient, changes: Changes, options: StoreOptions): Rows<StoredRow> => {
  const [only, more] = changes.changes
  const stored =
    only?.kind === "Continued" && !isFull(only) && !isLimited(only) && more === undefined && changes.ends.length === 0
      ? storeContinued(sql, only, changes, options)
      : queryAlone<StoredRow>(sql, ...storeBatch(textFor(changes, options), changes, options))
  return Effect.flatMap(stored, (rows) => withReplaced(sql, changes, rows, { locks: briefLocks, again: options.again }))
}

/**
 * Stores one outcome in the transaction of the caller. `from` says where leases and delays begin: with the transaction,
 * or with this statement. Undefined when the attempt is no longer the current one.
 */
export const storeInTransaction = (
  sql: SqlClient,
  changes: Changes,
  options: { readonly lease: number; readonly from: "Transaction" | "Statement" }
): Effect.Effect<StoredRow | undefined, SqlError> => {
  const { full, limited, plain } = options.from === "Transaction" ? storeNow : storeAtEnd
  const text = changes.changes.some(isLimited) ? limited : changes.changes.some(isFull) ? full : plain
  return query<StoredRow>(sql, ...storeBatch(text, changes, options)).pipe(
    Effect.flatMap((rows) => withReplaced(sql, changes, rows, { locks: patientLocks })),
    Effect.map(([row]) => row)
  )
}

/**
 * Those of these rows that other sessions have locked. It waits for none of them, so it needs no lock timeout. A lock on
 * the whole table holds it up, as it does any statement: the caller gives up after a while.
 */
export const lockedRows = (sql: SqlClient, ids: ReadonlyArray<TaskId>): Rows<{ readonly id: TaskId }> =>
  queryAlone(
    sql,
    `with free as materialized (select id from pg_task where id = any($1::uuid[]) for update skip locked)
select id from pg_task where id = any($1::uuid[]) and id not in (select id from free)`,
    [ids]
  )
