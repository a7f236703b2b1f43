/**
 * The statements that store tasks with keys. A key is unique among the rows of a task: by an index, under any
 * concurrency.
 *
 * Each of them looks for the row that has the key before it inserts. `on conflict do nothing` alone would wait for any
 * transaction that has changed that row and is still open. So it only decides between tasks that are stored at the same
 * time: whoever is second waits for the first one's commit, because until then nobody knows whether the key is taken.
 */
import type { SqlClient } from "effect/sql/SqlClient"
import type { TaskId } from "../../TaskId.ts"
import type { Due } from "./insert.ts"
import { hasPlainNames, nameColumns, namesOf } from "./names.ts"
import { query, type Rows } from "./query.ts"
import { present, status, type Status } from "./row.ts"
import { clampMillis, millis } from "./time.ts"

/** What happens if a row has the key: `Task.OnConflict`. */
export type OnConflict = "keep" | "fail" | Replacing

/** The row gets the new state. See {@link replaceHolder}. */
export type Replacing = "replace" | "debounce" | "throttle"

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

/** The parameters of an insert: the last one says whether the names can be taken from the step as they stand there. */
const insertParams = (task: KeyedTask) => [...params(task), hasPlainNames(task.step)]

const ofKey = (task: string, key: string) => `t.task = ${task} and t.key = ${key}`

/** The row that has the key. */
export const findHolder = (sql: SqlClient, task: string, key: string): Rows<KeyRow> =>
  query(
    sql,
    `select t.id, ${status} as status, false as created from pg_task t where ${ofKey("$1", "$2")} and ${present}`,
    [task, key]
  )

/** Stores it, unless a row has its key, whatever that row is. */
const addedWhere = (from: string, condition: string) =>
  `added as (
  insert into pg_task (step, ${nameColumns}, wakeup_at, trace, key)
  select $1, ${namesOf("$1", "$7")}, ${dueTime("$2", "$3")}, $4, $6${from} where true${condition}
  on conflict (task, key) where key is not null do nothing returning id, wakeup_at
)`

/**
 * Frees the key first if a row has it that has ended. An insert with these values conflicts with no row that the same
 * statement has changed before: so it reads from `freed`.
 */
const insertWhere = (condition: string, ended = `t.ended_at is not null and not ${present}`) =>
  `freed as (
  ${freeKey} where ${ofKey("$5", "$6")} and ${ended}${condition} returning 1
), ${addedWhere(" from (select count(*) from freed) f", condition)}`

const insertText = (inserted: string) => `with ${inserted} select id, true as created, ${newStatus} from added`
const insertOnly = insertText(insertWhere(""))
const insertForEnded = insertText(insertWhere("", "t.ended_at is not null"))

/**
 * Stores the task. Returns nothing if another row has got the key meanwhile, or has it. With `replacing`, a row that has
 * ended loses its key, though its result is still kept.
 */
export const insertKeyed = (sql: SqlClient, task: KeyedTask, replacing = false): Rows<KeyRow> =>
  query(sql, replacing ? insertForEnded : insertOnly, insertParams(task))

/**
 * When the new state is due. `throttle` keeps the time for which the row is scheduled, or at which the state was due that
 * it replaces before it has run. A row that waits, or is parked, is not scheduled.
 */
const replacedDue = (at: string, delay: string, throttle: string) => {
  const scheduled = "case when not t.is_running and t.error is null and t.waits_for is null then t.wakeup_at end"
  return `coalesce(
    case when ${throttle} then coalesce((t.pending ->> 'at')::timestamptz, ${scheduled}) end, ${dueTime(at, delay)}
  )`
}

const setPending = (step: string, due: string, trace: string) =>
  `pending = jsonb_build_object('step', ${step}::text, 'at', ${due}, 'trace', ${trace}::text), updated_at = now()`

const replaceText = `update pg_task t set ${setPending("$1", replacedDue("$2", "$3", "$7::bool"), "$4")}
where ${ofKey("$5", "$6")} and t.ended_at is null returning t.id, ${status} as status, false as created`

/**
 * Gives the row that has the key a new state: at once, or, if it runs, when its attempt has ended. Returns nothing if
 * there is no such row, or it has ended. Unlike the others, this waits for a transaction that has changed the row.
 */
export const replaceHolder = (sql: SqlClient, task: KeyedTask, { throttle }: { readonly throttle: boolean }) =>
  query<KeyRow>(sql, replaceText, [...params(task), throttle])

/** Whether it notifies is the first thing that the statement decides. */
const findOrInsertText = (settings: string, added: (condition: string) => string) =>
  `with holder as materialized (
  select t.id, ${status} as status from pg_task t where ${settings}${ofKey("$5", "$6")} and ${present}
), ${added(" and not exists (select from holder)")}
select id, false as created, status from holder union all select id, true, ${newStatus} from added`

const skipNotify = "(select set_config('pg_task.skip_notify', 'on', true)) is not null and "
const addedOnly = (condition: string) => addedWhere("", condition)

const findOrInsertTexts = {
  first: { loud: findOrInsertText("", addedOnly), quiet: findOrInsertText(skipNotify, addedOnly) },
  again: { loud: findOrInsertText("", insertWhere), quiet: findOrInsertText(skipNotify, insertWhere) }
}

/**
 * Both with one statement. Only outside of transactions: the setting lasts until the transaction ends. Returns nothing
 * if another row has got the key meanwhile. `first` also does so if a row has the key that has ended, and is not present
 * any more: `again` frees it, which costs a third more.
 */
export const findOrInsertKeyed = (
  sql: SqlClient,
  task: KeyedTask,
  { look, quiet }: { readonly quiet: boolean; readonly look: "first" | "again" }
): Rows<KeyRow> => query(sql, findOrInsertTexts[look][quiet ? "quiet" : "loud"], insertParams(task))

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

const paramsOfAll = ({ at, delay, steps, task, trace }: KeyedTasks) => [
  steps.map(({ step }) => step),
  at,
  clampMillis(delay),
  trace,
  task,
  steps.map(({ key }) => key)
]

const allPlain = ({ steps }: KeyedTasks) => steps.every(({ step }) => hasPlainNames(step))

/**
 * Stores tasks, except those whose key another row has. In the order of their keys: so there are fewer deadlocks.
 * `replacing` is as for {@link insertKeyed}.
 */
export const insertAllKeyed = (sql: SqlClient, tasks: KeyedTasks, replacing: boolean): Rows<KeysRow> =>
  query(
    sql,
    `with freed as (
  ${freeKey} where ${ofKey("$5", "any($6::text[])")} and t.ended_at is not null and ($7::bool or not ${present})
  returning 1
), added as (
  insert into pg_task (step, ${nameColumns}, wakeup_at, trace, key)
  select i.step, ${namesOf("i.step", "$8")}, ${dueTime("$2", "$3")}, $4, i.key
  from (select count(*) from freed) f cross join unnest($1::text[], $6::text[]) as i(step, key) order by i.key
  on conflict (task, key) where key is not null do nothing returning id, key, wakeup_at
)
select key, id, true as created, ${newStatus} from added`,
    [...paramsOfAll(tasks), replacing, allPlain(tasks)]
  )

/** {@link replaceHolder} for many keys. */
export const replaceHolders = (sql: SqlClient, tasks: KeyedTasks, { throttle }: { readonly throttle: boolean }) =>
  query<KeysRow>(
    sql,
    `update pg_task t set ${setPending("i.step", replacedDue("$2", "$3", "$7::bool"), "$4")}
from unnest($1::text[], $6::text[]) as i(step, key)
where ${ofKey("$5", "i.key")} and t.ended_at is null returning t.key, t.id, ${status} as status, false as created`,
    [...paramsOfAll(tasks), throttle]
  )
