/**
 * The statements that store tasks with keys. A key is unique among the rows of a task: by an index, under any
 * concurrency.
 *
 * Each of them looks for the row that has the key before it inserts. `on conflict do nothing` alone would wait for any
 * transaction that has changed that row and is still open. So it only decides between tasks that are stored at the same
 * time: whoever is second waits for the first one's commit, because until then nobody knows whether the key is taken.
 */
import type * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import type { Due } from "./insert.ts"
import { channel } from "./notify.ts"
import { query, type Rows } from "./query.ts"
import { present, status, type Status } from "./row.ts"
import { clampMillis, millis } from "./time.ts"

/** What happens if a row has the key: `Task.OnConflict`. */
export type OnConflict = "keep" | "fail"

/** The row that has a key now. */
export interface KeyRow {
  readonly id: TaskId
  /** Whether the statement has stored it. */
  readonly created: boolean
  readonly status: Status
}

/** The row loses its key, but stays: whoever deletes results deletes it. */
const freeKey = `update pg_task t set key = null, updated_at = now()`

const dueTime = (at: string, delay: string) => `coalesce(${at}::timestamptz, now() + ${millis(delay)})`

/** What a new row is, by the columns that were just inserted. */
const newStatus = "case when wakeup_at > now() then 'scheduled' else 'ready' end as status"

// ---------------------------------------------------------------------------------------------------------------
// One task
// ---------------------------------------------------------------------------------------------------------------

export interface KeyedTask extends Due {
  readonly step: string
  readonly trace: string | null
  /** The task's name, as `step` has it. */
  readonly task: string
  readonly key: string
}

const params = ({ at, delay, key, step, task, trace }: KeyedTask) => [step, at, clampMillis(delay), trace, task, key]

const ofKey = (task: string, key: string) => `t.task = ${task} and t.key = ${key}`

/** The row that has the key. */
export const findHolder = (sql: SqlClient, task: string, key: string): Rows<KeyRow> =>
  query(
    sql,
    `select t.id, ${status} as status, false as created from pg_task t where ${ofKey("$1", "$2")} and ${present}`,
    [task, key]
  )

/**
 * Frees the key first if a row has it that has ended. An insert with these values conflicts with no row that the same
 * statement has changed before: so it reads from `freed`.
 */
const insertWhere = (condition: string) =>
  `freed as (
  ${freeKey} where ${ofKey("$5", "$6")} and t.ended_at is not null and not ${present}${condition} returning 1
), added as (
  insert into pg_task (step, wakeup_at, trace, key)
  select $1, ${dueTime("$2", "$3")}, $4, $6 from (select count(*) from freed) f where true${condition}
  on conflict (task, key) where key is not null do nothing returning id, wakeup_at
)`

const insertOnly = `with ${insertWhere("")} select id, true as created, ${newStatus} from added`

/** Stores the task. Returns nothing if another row has got the key meanwhile, or has it. */
export const insertKeyed = (sql: SqlClient, task: KeyedTask): Rows<KeyRow> => query(sql, insertOnly, params(task))

/**
 * Notifies only if it has inserted something: the table's trigger would do so in any case. The setting is the first
 * thing that the statement computes.
 */
const findOrInsertText = (told: string) =>
  `with holder as materialized (
  select t.id, ${status} as status from pg_task t
  where (select set_config('pg_task.skip_notify', 'on', true)) is not null and ${ofKey("$5", "$6")} and ${present}
), ${insertWhere(" and not exists (select from holder)")}
select id, false as created, status, null as told from holder
union all select id, true, ${newStatus}, ${told} from added`

const findOrInsertWithNotify = findOrInsertText(`pg_notify('${channel}', '')::text`)
const findOrInsertWithoutNotify = findOrInsertText("null")

/**
 * Both with one statement. Only outside of transactions: the setting lasts until the transaction ends. Returns nothing
 * if another row has got the key meanwhile.
 */
export const findOrInsertKeyed = (sql: SqlClient, task: KeyedTask, quiet: boolean): Rows<KeyRow> =>
  query(sql, quiet ? findOrInsertWithoutNotify : findOrInsertWithNotify, params(task))

// ---------------------------------------------------------------------------------------------------------------
// Many tasks
// ---------------------------------------------------------------------------------------------------------------

export interface KeyedTasks extends Due {
  readonly trace: string | null
  readonly task: string
  /** Each key once. */
  readonly steps: ReadonlyArray<{ readonly key: string; readonly step: string }>
}

/** The row that has one of many keys. */
export interface KeysRow extends KeyRow {
  readonly key: string
}

/** The rows that have these keys. */
export const findHolders = (sql: SqlClient, task: string, keys: ReadonlyArray<string>): Rows<KeysRow> =>
  query(
    sql,
    `select t.key, t.id, ${status} as status, false as created from pg_task t
where ${ofKey("$1", "any($2::text[])")} and ${present}`,
    [task, keys]
  )

/** Stores tasks, except those whose key another row has. In the order of their keys: so there are fewer deadlocks. */
export const insertAllKeyed = (
  sql: SqlClient,
  { at, delay, steps, task, trace }: KeyedTasks
): Effect.Effect<ReadonlyArray<KeysRow>, SqlError> =>
  query(
    sql,
    `with freed as (
  ${freeKey} where ${ofKey("$5", "any($6::text[])")} and t.ended_at is not null and not ${present} returning 1
), added as (
  insert into pg_task (step, wakeup_at, trace, key)
  select i.step, ${dueTime("$2", "$3")}, $4, i.key
  from (select count(*) from freed) f cross join unnest($1::text[], $6::text[]) as i(step, key) order by i.key
  on conflict (task, key) where key is not null do nothing returning id, key, wakeup_at
)
select key, id, true as created, ${newStatus} from added`,
    [steps.map(({ step }) => step), at, clampMillis(delay), trace, task, steps.map(({ key }) => key)]
  )
