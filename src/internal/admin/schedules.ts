/** What people see of schedules, and do to them. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { TaskFilterError } from "../../TaskError.ts"
import type { RecurringDefinition } from "../definition/recurring.ts"
import { readSchedule } from "../definition/schedule.ts"
import { toTableError } from "../sql/errors.ts"
import type { Rows } from "../sql/query.ts"
import * as Statements from "../sql/schedules.ts"

/** The rows of all schedules, with what is in them. */
export const allSchedules = Effect.flatMap(SqlClient.SqlClient, Statements.listSchedules).pipe(
  Effect.map((rows) => rows.map((row) => ({ row, schedule: Result.getOrUndefined(readSchedule(row.step, row.task)) }))),
  Effect.catchTag("SqlError", toTableError)
)

type Found = Effect.Success<typeof allSchedules>[number]

/** Whether the code at hand starts ticks of this schedule. Those that `schedule` has made have other names than its own. */
const isKnown = (recurring: ReadonlyArray<RecurringDefinition>, { row: { key, task } }: Found): boolean =>
  recurring.some(({ name, spec }) => name === task && (key !== name || spec !== undefined))

/** The schedules that none of these recurring tasks has. */
export const orphanSchedules = (recurring: ReadonlyArray<RecurringDefinition>) =>
  Effect.map(allSchedules, (found) => found.filter((one) => !isKnown(recurring, one)))

/** Deletes them. Returns those that were still there. */
export const pruneSchedules = (recurring: ReadonlyArray<RecurringDefinition>, only: ReadonlySet<string> | undefined) =>
  Effect.gen(function*() {
    if (only === undefined && recurring.length === 0) {
      return yield* new TaskFilterError({
        message: "Without any recurring task, this would delete the schedules of all programs that work on this table: "
          + "give all recurring tasks of all of them, or the schedules to delete as `only`"
      })
    }
    const orphans = yield* orphanSchedules(recurring)
    const chosen = orphans.filter(({ row }) => only === undefined || only.has(row.id))
    const deleted = yield* Statements.deleteSchedules(yield* SqlClient.SqlClient, chosen.map(({ row }) => row.id))
    const ids = new Set(deleted.map(({ id }) => id))
    return chosen.filter(({ row }) => ids.has(row.id))
  }).pipe(Effect.catchTag("SqlError", toTableError))

type Recurring = string | { readonly name: string }

const change =
  (statement: (sql: SqlClient.SqlClient, task: string, key: string | undefined) => Rows<unknown>) =>
  (recurring: Recurring, name?: string) =>
    Effect.flatMap(SqlClient.SqlClient, (sql): Effect.Effect<number, SqlError> =>
      Effect.map(
        statement(sql, typeof recurring === "string" ? recurring : recurring.name, name),
        ({ length }) => length
      )).pipe(Effect.catchTag("SqlError", toTableError))

export const pauseSchedules = change(Statements.pauseSchedules)
export const resumeSchedules = change(Statements.resumeSchedules)
export const runSchedules = change(Statements.runSchedules)
