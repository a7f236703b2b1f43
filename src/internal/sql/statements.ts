/**
 * Every statement that the library sends, but for those that make the table (schema.ts), claim (claimSql.ts), or are
 * about leases (leaseSql.ts). Time is always Postgres's: durations go in as milliseconds and come out as milliseconds.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import { borrow } from "./borrowed.ts"
import { maxTransitions, nextTransitionSql } from "./transitions.ts"

export type Rows<A> = Effect.Effect<ReadonlyArray<A>, SqlError>

/** Column names are ours, whatever name transforms the client has. */
export const query = <A>(sql: SqlClient, text: string, params: ReadonlyArray<unknown>): Rows<A> =>
  sql.unsafe(text, params).withoutTransform as Rows<A>

/**
 * The same on a connection of its own, outside of a transaction: on a client that pipelines (`multiplex`), a large
 * statement would hold up all that share its connection, our other ones first.
 */
export const queryAlone = <A>(sql: SqlClient, text: string, params: ReadonlyArray<unknown>): Rows<A> => {
  const execute = (connection: Connection) => connection.execute(text, params, undefined) as Rows<A>
  return Effect.flatMap(
    Effect.serviceOption(sql.transactionService),
    (transaction) => Option.isSome(transaction) ? execute(transaction.value[0]) : borrow(sql, execute)
  )
}

/** Postgres's timestamps end: what lies further ahead than 10,000 years never comes anyway. */
const maxMillis = 3.2e14

/** A duration as a parameter. */
export const clampMillis = (millis: number): number => Math.min(Math.max(millis, 0), maxMillis)

export const millis = (param: string) => `${param}::float8 * interval '1 millisecond'`

/** Waiting behind a row that another session holds must not hold up a whole batch, nor let deadlocks grow old. */
const briefLocks = "(select set_config('lock_timeout', '300ms', true)) is not null"

/** The last statement of a step's transaction waits for longer: giving up means to roll the step's work back. */
const patientLocks = "(select set_config('lock_timeout', '10s', true)) is not null"

/**
 * Always true, and taken by the planner for a condition that few rows meet. So it looks up each row of a batch by its key,
 * also when it made its plan while the table was small: a prepared statement's plan stays.
 */
export const forceKeyLookup = (column: string, min: string, max: string) => `${column} between ${min} and ${max}`

// ---------------------------------------------------------------------------------------------------------------
// Producers
// ---------------------------------------------------------------------------------------------------------------

/** When a new task becomes due: `delay` milliseconds from now, or at `at`, in ISO 8601. */
export interface Due {
  readonly delay: number
  readonly at: string | null
}

interface NewTask extends Due {
  readonly step: string
  readonly trace: string | null
}

const dueTime = `coalesce($2::timestamptz, now() + ${millis("$3")})`
const newTask = `$1, ${dueTime}, $4`
const insertWithNotify = `insert into pg_task (step, wakeup_at, trace) values (${newTask}) returning id`
const insertWithoutNotify = `with quiet as materialized (select set_config('pg_task.skip_notify', 'on', true))
insert into pg_task (step, wakeup_at, trace) select ${newTask} from quiet returning id`

/** Stores a task. `quiet` only outside of transactions: it lasts until the end of the one it is in. */
export const insertTask = (sql: SqlClient, task: NewTask, quiet: boolean): Effect.Effect<TaskId, SqlError> =>
  Effect.map(
    query<{ id: TaskId }>(
      sql,
      quiet ? insertWithoutNotify : insertWithNotify,
      [task.step, task.at, clampMillis(task.delay), task.trace]
    ),
    (rows) => rows[0]!.id
  )

export const insertTasks = (
  sql: SqlClient,
  tasks: Due & { readonly steps: ReadonlyArray<string>; readonly trace: string | null }
): Effect.Effect<ReadonlyArray<TaskId>, SqlError> =>
  Effect.map(
    query<{ id: TaskId }>(
      sql,
      `insert into pg_task (step, wakeup_at, trace)
select i.step, ${dueTime}, $4 from unnest($1::text[]) with ordinality as i(step, n) order by i.n returning id`,
      [tasks.steps, tasks.at, clampMillis(tasks.delay), tasks.trace]
    ),
    (rows) => rows.map((row) => row.id)
  )

/** In milliseconds: 0 or less when it is over, and undefined when there is nothing to wait for. */
export type Wait = Effect.Effect<number | undefined, SqlError>

/**
 * How long it is until `time`. The difference of numbers, not of times: before Postgres 17 infinite ones can't be
 * subtracted.
 */
export const until = (sql: SqlClient, time: string, from: string, params: ReadonlyArray<unknown>): Wait =>
  Effect.map(
    query<{ wait: number | null }>(
      sql,
      `select ((extract(epoch from ${time}) - extract(epoch from clock_timestamp())) * 1000)::float8 as wait
from ${from}`,
      params
    ),
    (rows) => rows[0]?.wait ?? undefined
  )

// ---------------------------------------------------------------------------------------------------------------
// Outcomes
// ---------------------------------------------------------------------------------------------------------------

/** What the end of an attempt writes into its row. Absent fields leave the row's value as it is. */
export interface RowChange {
  readonly id: TaskId
  readonly token: string
  /** The attempt's `transitions`: it is fenced by it, together with the token. */
  readonly n: number
  readonly kind: "Continued" | "Rescheduled" | "Retried" | "Parked" | "Rejected" | "Released"
  readonly step?: string
  /** Due this many milliseconds from now. */
  readonly delay?: number
  /** Due at this moment, in ISO 8601. */
  readonly at?: string
  /** Why it is parked or rejected, or with what it failed before it is retried. */
  readonly error?: string
}

/** The end of a task: its row goes. */
export type RowEnd = Pick<RowChange, "id" | "token" | "n">

const anyTransition = forceKeyLookup("n", "0", String(maxTransitions))

/**
 * The fence. `Continued` keeps its lease, so it may be sent again after its answer was lost: it then finds its own
 * work done, one transition further.
 */
const current = `t.id = c.id and t.lease_token = c.token
    and (t.transitions = c.n or (c.kind = 'Continued' and t.transitions = ${nextTransitionSql("c.n")}))`

/**
 * Most outcomes end their task: those come as arrays, which are much cheaper to read than JSON. `time` is when leases
 * and delays begin.
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

const storeNow = storeChanges("now()", briefLocks)

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

/** A chain's every step waits for this one: nothing in it but the row. */
const advanceOne = `update pg_task set
  step = $4, transitions = ${nextTransitionSql("$3::int")}, tried = 0, crashes = 0, error = null, last_error = null,
  updated_at = now(),
  lease_until = now() + ${millis("$5")}
where ${briefLocks} and id = $1::uuid and lease_token = $2::uuid
  and transitions in ($3::int, ${nextTransitionSql("$3::int")}) returning id`

/** Moves one task on, and keeps its lease. */
const storeContinued = (
  sql: SqlClient,
  { id, n, step, token }: RowChange,
  lease: number
): Rows<{ readonly id: TaskId }> => query(sql, advanceOne, [id, token, n, step, lease])

/** Stores the outcomes of many attempts, and returns the ids of those that were still the current ones. */
export const storeOutcomes = (sql: SqlClient, changes: Changes, lease: number): Rows<{ readonly id: TaskId }> => {
  const [only, more] = changes.changes
  return only?.kind === "Continued" && more === undefined && changes.ends.length === 0
    ? storeContinued(sql, only, lease)
    : queryAlone(sql, storeNow, storeParams(changes, lease))
}

/**
 * Stores one outcome in the transaction of the caller, whose times begin with the transaction, or with this statement.
 * False when the attempt is no longer the current one.
 */
export const storeInTransaction = (
  sql: SqlClient,
  changes: Changes,
  options: { readonly lease: number; readonly from: "Transaction" | "Statement" }
): Effect.Effect<boolean, SqlError> => {
  const rows = query(sql, options.from === "Transaction" ? storeNow : storeAtEnd, storeParams(changes, options.lease))
  return Effect.map(rows, ({ length }) => length === 1)
}

// ---------------------------------------------------------------------------------------------------------------
// Signals
// ---------------------------------------------------------------------------------------------------------------

export const channel = "pg_task_changed"

export const notify = (sql: SqlClient, payload: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(query(sql, "select pg_notify($1, $2)", [channel, payload]))
