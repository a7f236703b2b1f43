/** The statements that store new tasks. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import type { LimitOfRow } from "./limits.ts"
import { hasPlainNames, nameColumns, namesOf } from "./names.ts"
import { query } from "./query.ts"
import { clampMillis, millis } from "./time.ts"

/** When a new task becomes due: `delay` milliseconds from now, or at `at`, in ISO 8601. */
export interface Due {
  readonly delay: number
  readonly at: string | null
}

interface NewTask extends Due {
  readonly step: string
  readonly trace: string | null
  /** Somebody waits for its end. */
  readonly watched?: boolean
  readonly limit?: LimitOfRow | undefined
}

const textOf = ({ limit, watched }: NewTask, quiet: boolean): string => {
  const texts = limit === undefined ? plain : limited
  return watched === true
    ? quiet ? texts.watchedWithoutNotify : texts.watchedWithNotify
    : quiet
    ? texts.withoutNotify
    : texts.withNotify
}

const dueTime = `coalesce($2::timestamptz, now() + ${millis("$3")})`
const newTask = `$1, ${namesOf("$1", "$5")}, ${dueTime}, $4`
const insertWithNotify = `insert into pg_task (step, ${nameColumns}, wakeup_at, trace) values (${newTask}) returning id`
const insertWithoutNotify = `with quiet as materialized (select set_config('pg_task.skip_notify', 'on', true))
insert into pg_task (step, ${nameColumns}, wakeup_at, trace) select ${newTask} from quiet returning id`

/** Whoever ends the task sees that somebody waits for it. */
const asWatched = (insert: string): string =>
  insert.replace("trace)", "trace, watched)").replace(newTask, `${newTask}, true`)

/** A new row of a limited state knocks: see limitSchema.ts. */
const asLimited = (insert: string): string =>
  insert.replace("wakeup_at, trace", "wakeup_at, limit_key, slot, slots, trace")
    .replace(`${dueTime}, $4`, `${dueTime}, $6, 0, $7::int, $4`)

const textsOf = (change: (insert: string) => string) => ({
  withNotify: change(insertWithNotify),
  withoutNotify: change(insertWithoutNotify),
  watchedWithNotify: change(asWatched(insertWithNotify)),
  watchedWithoutNotify: change(asWatched(insertWithoutNotify))
})
const plain = textsOf((insert) => insert)
const limited = textsOf(asLimited)

/** Stores a task. Use `quiet` only outside of transactions: the setting lasts until the transaction ends. */
export const insertTask = (sql: SqlClient, task: NewTask, quiet: boolean): Effect.Effect<TaskId, SqlError> =>
  Effect.map(
    query<{ id: TaskId }>(
      sql,
      textOf(task, quiet),
      [
        task.step,
        task.at,
        clampMillis(task.delay),
        task.trace,
        hasPlainNames(task.step),
        ...(task.limit === undefined ? [] : [task.limit.key, task.limit.slots])
      ]
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
      `insert into pg_task (step, ${nameColumns}, wakeup_at, trace)
select i.step, ${
        namesOf("i.step", "$5")
      }, ${dueTime}, $4 from unnest($1::text[]) with ordinality as i(step, n) order by i.n returning id`,
      [tasks.steps, tasks.at, clampMillis(tasks.delay), tasks.trace, tasks.steps.every(hasPlainNames)]
    ),
    (rows) => rows.map((row) => row.id)
  )

/**
 * The same for tasks of which some come into limited states. Of each key only the first one knocks: whoever claims it
 * gives the free slots of the key to the oldest of all. The others wait at the door at once, so that no claim has to look
 * at them. If they are due later, all of them knock then.
 */
export const insertLimited = (
  sql: SqlClient,
  { limits, steps, ...tasks }: Due & {
    readonly steps: ReadonlyArray<string>
    readonly trace: string | null
    readonly limits: ReadonlyArray<LimitOfRow | undefined>
  }
): Effect.Effect<ReadonlyArray<TaskId>, SqlError> =>
  Effect.map(
    query<{ id: TaskId }>(
      sql,
      `insert into pg_task (step, ${nameColumns}, wakeup_at, limit_key, slot, slots, trace)
select i.step, ${namesOf("i.step", "$5")}, d.due, i.key,
  case when i.key is not null and (d.due > now() or row_number() over (partition by i.key order by i.n) = 1) then 0 end,
  i.slots, $4
from (select ${dueTime} as due) d
cross join (
  select step, nullif(key, '') as key, nullif(slots, 0) as slots, n
  from unnest($1::text[], $6::text[], $7::int[]) with ordinality as u(step, key, slots, n)
) i order by i.n returning id`,
      [
        steps,
        tasks.at,
        clampMillis(tasks.delay),
        tasks.trace,
        steps.every(hasPlainNames),
        // Not null: drivers can't tell the type of an array of nulls.
        limits.map((limit) => limit?.key ?? ""),
        limits.map((limit) => limit?.slots ?? 0)
      ]
    ),
    (rows) => rows.map((row) => row.id)
  )
