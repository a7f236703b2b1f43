/** Ids, filters and cursors as people give them, checked before they reach a statement. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { isObject } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { TaskFilterError, TaskIdError, TaskNotFoundError } from "../../TaskError.ts"
import { TaskId } from "../../TaskId.ts"
import type { AdminRow, Status, Where } from "../sql/row.ts"
import { count } from "../sql/admin.ts"
import { cancel as cancelRows } from "../sql/cancel.ts"
import { toTableError } from "../sql/errors.ts"

/** Which tasks: `Admin.Filter`, as far as it matters here. */
export interface Filter {
  readonly task?: string | { readonly name: string } | null | undefined
  readonly step?: string | undefined
  readonly parent?: string | undefined
  readonly key?: string | undefined
  readonly status?: Status | ReadonlyArray<Status> | undefined
  readonly waitsFor?: string | undefined
  readonly error?: string | undefined
  readonly errorLine?: string | undefined
  readonly text?: string | undefined
  readonly olderThan?: Duration.Input | undefined
  readonly newerThan?: Duration.Input | undefined
}

type Target = string | ReadonlyArray<string> | Filter

const isTaskId = Schema.is(TaskId)

export const checkId = (given: string): Effect.Effect<TaskId, TaskIdError> => {
  const id = given.trim().toLowerCase()
  return isTaskId(id) ? Effect.succeed(id) : new TaskIdError({
    id: given,
    message: `"${given}" is not the id of a task: an id looks like 018f4e1e-5d0c-7000-8000-000000000000`
  })
}

export const notFound = (id: string): TaskNotFoundError =>
  new TaskNotFoundError({ id, message: `There is no task ${id}: it has finished, or was cancelled` })

/** Fewer digits than this are more likely a typing error than an id. */
const minDigits = 4

const toUuid = (digits: string) => digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")

/** The first and the last id that begin with these digits. */
export const idRange = (
  beginning: string
): Effect.Effect<{ readonly from: string; readonly to: string }, TaskIdError> => {
  const digits = beginning.trim().toLowerCase().replaceAll("-", "")
  return /^[0-9a-f]+$/.test(digits) && digits.length >= minDigits && digits.length <= 32
    ? Effect.succeed({ from: toUuid(digits.padEnd(32, "0")), to: toUuid(digits.padEnd(32, "f")) })
    : new TaskIdError({
      id: beginning,
      message: `"${beginning}" is not the id of a task: give an id, or its first ${minDigits} or more digits`
    })
}

export const notOne = (beginning: string, several: boolean): TaskIdError | TaskNotFoundError =>
  isTaskId(beginning)
    ? notFound(beginning)
    : several
    ? new TaskIdError({
      id: beginning,
      message: `More than one task has an id that begins with "${beginning}": give more of it`
    })
    : new TaskNotFoundError({
      id: beginning,
      message: `No task has an id that begins with "${beginning}": it has finished, or was cancelled`
    })

export const whereOf = (
  { error, errorLine, key, newerThan, olderThan, status, step, task, text, waitsFor, parent }: Filter
): Where => ({
  error,
  errorLine,
  key,
  newerThan,
  olderThan,
  parents: parent === undefined ? undefined : [parent],
  status: typeof status === "string" ? [status] : status,
  step,
  task: isObject(task) ? task.name : task,
  text,
  waitsFor
})

const isList = (target: Target): target is ReadonlyArray<string> => Array.isArray(target)

const resolve = (target: Target): Effect.Effect<Where, TaskIdError | TaskFilterError> => {
  if (typeof target === "string") return Effect.map(checkId(target), (id) => ({ ids: [id] }))
  if (isList(target)) return Effect.map(Effect.forEach(target, checkId), (ids) => ({ ids }))
  const where = whereOf(target)
  return Object.values(where).some((criterion) => criterion !== undefined) ?
    Effect.succeed(where) :
    new TaskFilterError({
      message: "This filter selects every task: set one criterion at least, for instance { status: \"parked\" }"
    })
}

type Statement = (sql: SqlClient.SqlClient, where: Where) => Effect.Effect<number, SqlError>

/** Changes what `target` selects. Fails if `target` is a single id that doesn't exist. */
export const change = Effect.fnUntraced(function*(statement: Statement, target: Target) {
  const where = yield* resolve(target)
  const sql = yield* SqlClient.SqlClient
  const changed = yield* statement(sql, where)
  if (changed === 0 && typeof target === "string" && (yield* count(sql, where)) === 0) return yield* notFound(target)
  return changed
}, Effect.catchTag("SqlError", toTableError))

/** Deletes what `target` selects, and, unless the options say otherwise, the children of that. */
export const cancel = Effect.fn("Admin.cancel")(
  (target: Target, { children = true }: { readonly children?: boolean | undefined }) =>
    change(cancelRows(children), target)
)

export const cursorPattern =
  /^(-?infinity|\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?[+-]\d\d(?::\d\d){0,2}(?: BC)?)~([0-9a-f-]{36})$/

export const cursorOf = (row: Pick<AdminRow, "position" | "id">): string => `${row.position}~${row.id}`

export const parseCursor = (
  cursor: string | undefined
): { readonly position: string; readonly id: string } | undefined => {
  const match = cursor === undefined ? null : cursorPattern.exec(cursor)
  return match === null ? undefined : { position: match[1]!, id: match[2]! }
}
