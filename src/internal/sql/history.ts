/** The statements about the history: reading it, and keeping it small. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { deleteBatch } from "./historySchema.ts"
import { query, type Rows } from "./query.ts"
import { clampMillis, millis } from "./time.ts"

/** An attempt that ended, as the worker reports it. */
export interface HistoryEntry {
  readonly id: string
  readonly task: string
  readonly state: string | undefined
  /** The `transitions` of the row while it ran. */
  readonly transition: number
  /** 1 for the first try. */
  readonly attempt: number
  readonly outcome: string
  readonly signal?: string | undefined
  readonly error?: string | undefined
  /** In milliseconds. */
  readonly duration: number
  readonly worker: string | undefined
  /** For how long it is kept, in milliseconds. Undefined: for ever. */
  readonly keep: number | undefined
}

/** For how long each task keeps its history, in milliseconds, by its name. Undefined: for ever. */
export type KeptHistories = ReadonlyMap<string, number | undefined>

/** The parameter of {@link writeLost}: null if no task keeps a history. */
export const lostParam = (kept: KeptHistories | undefined): string | null =>
  kept === undefined || kept.size === 0 ? null : JSON.stringify([...kept].map(([task, keep]) => ({ task, keep })))

/**
 * Writes the history of the rows that were written, and returns these. In a CTE of its own, so that the function is
 * called once. Its parameters follow those of the statement, which has five unless `first` says otherwise.
 */
export const recordAll = (stored: string, first = 6): string =>
  `, stored as materialized (${stored}), wrote as materialized (
  select pg_task_write_history($${first}::json, array(select id from stored), $${first + 1}::bool)
)
select stored.* from stored cross join wrote`

/** The parameters of {@link recordAll}. `again`: the statement was sent before, and its answer was lost. */
export const historyParams = (
  history: ReadonlyArray<HistoryEntry> | undefined,
  again: boolean
): ReadonlyArray<unknown> => history === undefined ? [] : [JSON.stringify(history), again]

/** A CTE `wrote`, to be joined, that writes the attempts of rescued rows: nobody else reports them. */
export const writeLost = (rescued: string, param: string): string =>
  `wrote as materialized (
  select pg_task_write_history((
    select json_agg(json_build_object('id', r.id, 'task', r.task, 'state', r.state, 'transition', r.transitions,
      'attempt', r.tried + 1, 'outcome', 'lost', 'keep', k.keep))
    from ${rescued} r join json_to_recordset(${param}::json) as k(task text, keep float8) on k.task = r.task
  ), array(select id from ${rescued}), false)
  where ${param}::json is not null and exists (select from ${rescued})
)`

/** A row of the history. Times are in ISO 8601. */
export interface HistoryRow {
  readonly id: string
  readonly task: string
  readonly state: string | null
  readonly transition: number
  readonly attempt: number
  readonly outcome: string
  readonly signal: string | null
  readonly error: string | null
  /** In milliseconds. */
  readonly duration: number | null
  readonly worker: string | null
  readonly endedAt: string
}

/** The last attempts of the tasks whose ids are in a range, the oldest one first. */
export const readHistory = (
  sql: SqlClient,
  { from, limit, to }: { readonly from: string; readonly to: string; readonly limit: number }
): Rows<HistoryRow> =>
  query(
    sql,
    `select * from (
  select id, task, state, transition, attempt, outcome, signal, error, duration, worker,
    to_char(ended_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "endedAt", ended_at
  from pg_task_history where id between $1::uuid and $2::uuid and kept_until > now()
  order by ended_at desc, transition desc, attempt desc limit $3
) h order by ended_at, transition, attempt`,
    [from, to, limit]
  )

/** Only one worker at a time takes care of the history. */
const lockKey = 7_160_925_714

interface Done {
  readonly done: boolean
}

const isDone = (rows: ReadonlyArray<Done>): boolean => rows[0]?.done === true

/** Makes the partitions of today and of tomorrow for rows that are kept for this long. In milliseconds. */
export const makePartitions = (sql: SqlClient, keeps: ReadonlyArray<number>): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    query<Done>(
      sql,
      `select coalesce(bool_and(pg_task_make_history_partition(d.day)), true) as done from (
  select distinct ((now() + ${millis("k.keep")}) at time zone 'UTC')::date + next.days as day
  from unnest($1::float8[]) as k(keep) cross join generate_series(0, 1) as next(days)
) d where pg_try_advisory_xact_lock(${lockKey})`,
      [keeps.map(clampMillis)]
    ),
    isDone
  )

/** Drops a partition that is over. False if there is none, or it can't be dropped now. */
export const dropPartition = (sql: SqlClient): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    query<Done>(
      sql,
      `select pg_task_drop_history_partition() as done where pg_try_advisory_xact_lock(${lockKey})`,
      []
    ),
    isDone
  )

/**
 * Deletes rows that are kept no longer: of the default partition, and of those that could not be dropped. True if there
 * may be more.
 */
export const deleteOver = (sql: SqlClient): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    query<Done>(
      sql,
      `with turn as materialized (select pg_try_advisory_xact_lock(${lockKey}) as mine), gone as (
  delete from pg_task_history where (select mine from turn) and kept_until <= now() and (tableoid, ctid) in (
    select tableoid, ctid from pg_task_history where kept_until <= now() limit ${deleteBatch}
  ) returning 1
)
select count(*) = ${deleteBatch} as done from gone`,
      []
    ),
    isDone
  )

/** Fails if this role may not write the history. */
export const probeHistory = (sql: SqlClient): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    query(
      sql,
      `with i as (insert into pg_task_history select * from pg_task_history where false returning 1),
  d as (delete from pg_task_history where false returning 1)
select 1`,
      []
    )
  )
