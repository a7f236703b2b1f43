/** Storing tasks with keys, whoever else stores tasks with the same keys at the same time. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { TaskKeyTakenError, TaskTableError } from "../../TaskError.ts"
import { asOwn, codeOf, toTableError } from "../sql/errors.ts"
import type { Due } from "../sql/insert.ts"
import * as Keys from "../sql/keys.ts"
import { isInTransaction, transact } from "../sql/transact.ts"
import type { Key, Keys as KeysOfMany } from "./key.ts"
import { notifierOf } from "./notifier.ts"
import { currentTrace } from "./trace.ts"

export type KeyedError = SqlError | TaskTableError | TaskKeyTakenError

/** A new task, or more of them, before they have keys. */
interface NewTask extends Due {
  readonly task: string
}

const taken = (task: string, key: string, id: string | null) =>
  new TaskKeyTakenError({
    task,
    key,
    id,
    message: `${task}: the key "${key}" is taken by ${
      id === null ? "another one of these tasks" : `the task ${id}`
    }. Nothing was stored`
  })

/** The key is taken, so nothing was inserted; but nobody has it: that row has ended meanwhile, or can't be seen. */
const hidden = (task: string, key: string) =>
  new TaskTableError({
    reason: "PermissionDenied",
    message: `${task}: the key "${key}" is taken by a row that this role can't read: let it read all rows of pg_task `
      + "(see row-level security). Nothing was stored",
    cause: undefined
  })

const isReplacing = (onConflict: Keys.OnConflict): boolean => onConflict !== "keep" && onConflict !== "fail"

/** Each further look means that a row with the key has ended between two statements: so many in a row don't. */
const maxLooks = 100

// ---------------------------------------------------------------------------------------------------------------
// One task
// ---------------------------------------------------------------------------------------------------------------

type Rows = ReturnType<typeof Keys.findHolder>

/** What comes next, if a look has found nothing and stored nothing. */
const orElse = (look: Rows, next: () => Rows): Rows =>
  Effect.flatMap(look, (found) => found.length > 0 ? Effect.succeed(found) : next())

/** The row gets the new state; without one, it is inserted. Nothing: another row got the key meanwhile. */
const replaceOrInsert = (sql: SqlClient.SqlClient, task: Keys.KeyedTask, throttle: boolean): Rows =>
  orElse(Keys.replaceHolder(sql, task, { throttle }), () => Keys.insertKeyed(sql, task, true))

const findOrInsertAlone = (sql: SqlClient.SqlClient, task: Keys.KeyedTask, look: "first" | "again"): Rows =>
  notifierOf(sql).store(
    (quiet) => Keys.findOrInsertKeyed(sql, task, { quiet, look }),
    (found) => found[0]?.created === true
  )

/** One look, and the insert if there was none. Nothing: another row got the key meanwhile. */
const findOrInsert = (sql: SqlClient.SqlClient, task: Keys.KeyedTask, inTransaction: boolean): Rows =>
  inTransaction
    ? orElse(Keys.findHolder(sql, task.task, task.key), () => Keys.insertKeyed(sql, task))
    : orElse(findOrInsertAlone(sql, task, "first"), () => findOrInsertAlone(sql, task, "again"))

const again = (
  look: Rows,
  exhausted: () => TaskTableError,
  looks = 1
): Effect.Effect<Keys.KeyRow, SqlError | TaskTableError> =>
  Effect.flatMap(look, ([row]) => {
    if (row !== undefined) return Effect.succeed(row)
    return looks < maxLooks ? again(look, exhausted, looks + 1) : exhausted()
  })

/** Stores a task, unless a row has its key. */
export const enqueueKeyed = (
  step: string,
  due: NewTask,
  { key, onConflict }: Key
): Effect.Effect<Keys.KeyRow, KeyedError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const { at, delay, task } = due
    const keyed = { step, task, key, delay, at, trace: yield* currentTrace }
    const look = isReplacing(onConflict)
      ? replaceOrInsert(sql, keyed, onConflict === "throttle")
      : findOrInsert(sql, keyed, yield* isInTransaction(sql))
    const { created, id, status } = yield* asOwn(again(look, () => hidden(task, key)))
    return created || onConflict !== "fail" ? { id, created, status } : yield* taken(task, key, id)
  }).pipe(Effect.catchTag("SqlError", toTableError))

// ---------------------------------------------------------------------------------------------------------------
// Many tasks
// ---------------------------------------------------------------------------------------------------------------

/** One state of each key, as if they were enqueued one after the other: the first is kept, or replaced by the last. */
const oneOfEach = (steps: ReadonlyArray<string>, { keys, onConflict }: KeysOfMany) => {
  const all = new Map<string, { readonly key: string; readonly index: number; readonly step: string }>()
  keys.forEach((key, index) => {
    const first = all.get(key)
    if (first === undefined) all.set(key, { key, index, step: steps[index]! })
    else if (isReplacing(onConflict)) all.set(key, { ...first, step: steps[index]! })
  })
  return [...all.values()]
}

type Steps = Keys.KeyedTasks["steps"]

/** Finds or inserts each of them, in the transaction of the caller. */
const findOrInsertAll = Effect.fnUntraced(function*(
  sql: SqlClient.SqlClient,
  tasks: Keys.KeyedTasks,
  onConflict: Keys.OnConflict
): Effect.fn.Return<ReadonlyMap<string, Keys.KeysRow>, KeyedError> {
  const found = new Map<string, Keys.KeysRow>()
  let missing: Steps = tasks.steps
  const note = (rows: ReadonlyArray<Keys.KeysRow>) => {
    for (const row of rows) found.set(row.key, row)
    missing = missing.filter(({ key }) => !found.has(key))
  }
  for (let looks = 0; missing.length > 0; looks++) {
    if (looks === maxLooks) return yield* hidden(tasks.task, missing[0]!.key)
    const replacing = isReplacing(onConflict)
    const holders = yield* replacing
      ? Keys.replaceHolders(sql, { ...tasks, steps: missing }, { throttle: onConflict === "throttle" })
      : Keys.findHolders(sql, tasks.task, missing.map(({ key }) => key))
    if (onConflict === "fail" && holders.length > 0) return yield* taken(tasks.task, holders[0]!.key, holders[0]!.id)
    note(holders)
    if (missing.length > 0) note(yield* Keys.insertAllKeyed(sql, { ...tasks, steps: missing }, replacing))
  }
  return found
})

/** Transactions with the same keys may wait for each other: Postgres ends one of them, which begins anew. */
const deadlockRetries = 4

const isDeadlock = (error: KeyedError): boolean => error._tag === "SqlError" && codeOf(error) === "40P01"

/** Stores tasks, each unless a row has its key: all of them or none. */
export const enqueueAllKeyed = (
  steps: ReadonlyArray<string>,
  due: NewTask,
  keysOfMany: KeysOfMany
): Effect.Effect<ReadonlyArray<Keys.KeyRow>, KeyedError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const { keys, onConflict } = keysOfMany
    const first = oneOfEach(steps, keysOfMany)
    if (onConflict === "fail" && first.length < keys.length) {
      const twice = keys.find((key, index) => keys.indexOf(key) !== index)!
      return yield* taken(due.task, twice, null)
    }
    if (first.length === 0) return []
    const sql = yield* SqlClient.SqlClient
    const { at, delay, task } = due
    const tasks = { task, delay, at, trace: yield* currentTrace, steps: first }
    const stored = transact(sql, findOrInsertAll(sql, tasks, onConflict))
    const found = yield* (yield* isInTransaction(sql))
      ? asOwn(stored)
      : Effect.retry(stored, { times: deadlockRetries, while: isDeadlock })
    const firsts = new Set(first.map(({ index }) => index))
    return keys.map((key, index): Keys.KeyRow => {
      const { created, id, status } = found.get(key)!
      return { id, created: created && firsts.has(index), status }
    })
  }).pipe(Effect.catchTag("SqlError", toTableError))
