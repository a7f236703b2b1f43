/** The statements that store new tasks. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
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
}

const textOf = ({ watched }: NewTask, quiet: boolean): string =>
  watched === true
    ? quiet ? insertWatchedWithoutNotify : insertWatchedWithNotify
    : quiet
    ? insertWithoutNotify
    : insertWithNotify

const dueTime = `coalesce($2::timestamptz, now() + ${millis("$3")})`
const newTask = `$1, ${namesOf("$1", "$5")}, ${dueTime}, $4`
const insertWithNotify = `insert into pg_task (step, ${nameColumns}, wakeup_at, trace) values (${newTask}) returning id`
const insertWithoutNotify = `with quiet as materialized (select set_config('pg_task.skip_notify', 'on', true))
insert into pg_task (step, ${nameColumns}, wakeup_at, trace) select ${newTask} from quiet returning id`

/** Whoever ends the task sees that somebody waits for it. */
const asWatched = (insert: string): string =>
  insert.replace("trace)", "trace, watched)").replace(newTask, `${newTask}, true`)
const insertWatchedWithNotify = asWatched(insertWithNotify)
const insertWatchedWithoutNotify = asWatched(insertWithoutNotify)

/** Stores a task. Use `quiet` only outside of transactions: the setting lasts until the transaction ends. */
export const insertTask = (sql: SqlClient, task: NewTask, quiet: boolean): Effect.Effect<TaskId, SqlError> =>
  Effect.map(
    query<{ id: TaskId }>(
      sql,
      textOf(task, quiet),
      [task.step, task.at, clampMillis(task.delay), task.trace, hasPlainNames(task.step)]
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
