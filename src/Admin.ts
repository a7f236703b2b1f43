/**
 * For whoever is on call: list and count tasks, retry them, edit them, make them due now, cancel them, and stop the
 * workers.
 *
 * Everything here is an Effect over `SqlClient`, and works on a live system. Postgres's clock decides a task's status
 * and its age. The command `pg-task` does the same on the command line.
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { awaitEnd as waitForEnd } from "./internal/admin/awaitEnd.ts"
import { store } from "./internal/admin/edit.ts"
import { type HistoryEntry, history as readHistory } from "./internal/admin/history.ts"
import { checkRaw, declarationIn, decodeRaw } from "./internal/definition/task.ts"
import { errorLines, listPage } from "./internal/admin/list.ts"
import { fieldsOf } from "./internal/admin/row.ts"
import type { AdminRow } from "./internal/sql/row.ts"
import * as Statements from "./internal/sql/admin.ts"
import { decodeSignal as decode_, inbox as readSignals, type InboxSignal, signalRaw } from "./internal/admin/signal.ts"
import { statusNames } from "./internal/admin/status.ts"
import { stopAndWait } from "./internal/admin/stop.ts"
import * as Targets from "./internal/admin/target.ts"
import { messageOf as sqlMessage, toTableError } from "./internal/sql/errors.ts"
import { storeRaw } from "./internal/admin/enqueueRaw.ts"
import type { CheckEnqueue, EnqueuedWith, KeyError } from "./internal/definition/enqueueTypes.ts"
import type * as Task from "./Task.ts"
import type * as TaskError from "./TaskError.ts"
import * as TaskId from "./TaskId.ts"

// ---------------------------------------------------------------------------------------------------------------
// What there is to see
// ---------------------------------------------------------------------------------------------------------------

/**
 * The schema of {@link Status}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Status: Schema.Literals<typeof statusNames> = Schema.Literals(statusNames)

/**
 * What a task is at this moment, by Postgres's clock.
 *
 * - `ready`: due, and no worker has taken it yet.
 * - `limited`: due, and waits for a slot of its limit, or for a moment of its rate: see `Limit.make`.
 * - `scheduled`: due later, because it was enqueued for later or delayed, or waits for its next try.
 * - `waiting`: waits for a signal, or until its time is over: see `Step.wait`.
 * - `running`: held by a worker, which runs it or is about to.
 * - `parked`: failed for good. It keeps its state and its error until somebody retries or cancels it.
 * - `ended`: done, and kept for a while as its result: see `Step.final`. Once its time is over, it counts as gone.
 *
 * @category models
 * @since 0.1.0
 */
export type Status = typeof Status.Type

/**
 * A task as people look at it: its row in `pg_task`.
 *
 * Times are to the millisecond. A row edited by hand may have `infinity` as its `wakeup_at`: that reads as the last
 * moment that a `Date` can hold.
 *
 * @category models
 * @since 0.1.0
 */
export class Row extends Schema.Class<Row>("effect-pg-task/Admin/Row")({
  id: TaskId.TaskId,
  /** The task's name. Null if `raw` doesn't have the shape `{"Task":{"State":{…}}}`. */
  task: Schema.NullOr(Schema.String),
  /**
   * The `_tag` of its state. Null if `raw` doesn't have that shape. A database whose encoding isn't UTF-8 can't hold
   * every character: a tag that has escapes for other characters keeps them.
   */
  step: Schema.NullOr(Schema.String),
  status: Status,
  /**
   * The `step` column as it is: the task's name, the state's tag and its encoded fields. If it is longer than 15 MB,
   * which no worker reads either: its first 2000 characters and `...`.
   */
  raw: Schema.String,
  /** How often this step has failed. */
  tried: Schema.Number,
  /** How many workers in a row have crashed while they ran this step. */
  crashes: Schema.Number,
  /** How many steps the task has taken. */
  transitions: Schema.Number,
  /** The id of the task that waits for it. Null if it isn't a child: see `Task.child`. */
  parent: Schema.NullOr(TaskId.TaskId),
  /** Why it is parked: the error with everything that caused it. Null if it isn't parked. */
  error: Schema.NullOr(Schema.String),
  /** The error for which this step was last retried: its first 2000 characters. Null if it wasn't retried. */
  lastError: Schema.NullOr(Schema.String),
  /** Its key: the only row of its task that has it. Null if it has none. */
  key: Schema.NullOr(Schema.String),
  /**
   * The limit whose slot it holds or waits for: its name, or `name:key` if the limit has keys. Null if its state has no
   * limit, and for tasks that no worker has looked at yet: see `Limit.make`.
   */
  limit: Schema.NullOr(Schema.String),
  /** The slot that it holds, from 1 on. Null if it holds none. */
  slot: Schema.NullOr(Schema.Number),
  /** The trace that it belongs to: a W3C `traceparent`. */
  trace: Schema.NullOr(Schema.String),
  /** When it is due, or became due. */
  wakeupAt: Schema.DateTimeUtcFromString,
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString,
  /** When its worker's lease ends. Null if no worker holds it. */
  leaseUntil: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** When it ended in a final state. Null if it hasn't. */
  endedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** Until when it is kept as a result. Null if it hasn't ended. */
  keptUntil: Schema.NullOr(Schema.DateTimeUtcFromString),
  /**
   * What it waits for: the tags of signals, `$children` for its children to end, `$settled` for them to end or to be
   * parked. Null if it is in no waiting state, or has not been run there yet.
   */
  waitsFor: Schema.NullOr(Schema.Array(Schema.String)),
  /** Until when it waits. Null if there is no such time. */
  waitUntil: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** How many signals it has that it has not taken: see {@link inbox}. */
  signals: Schema.Number,
  /**
   * Since when it has had its status. Ready and running: since it was due. Scheduled, waiting and parked: since it was
   * last written, which is when it began to wait, last got a signal, or was parked. Ended: since it ended.
   */
  since: Schema.DateTimeUtcFromString,
  /** For how long it has had its status. In milliseconds where it is encoded. */
  age: Schema.DurationFromMillis
}) {}

const toRow = (row: AdminRow): Row => new Row(fieldsOf(row))

/**
 * How many tasks are in one state with one status.
 *
 * @category models
 * @since 0.1.0
 */
export class Count extends Schema.Class<Count>("effect-pg-task/Admin/Count")({
  /** The task's name. Null for rows that don't have the shape of a task. */
  task: Schema.NullOr(Schema.String),
  /** The `_tag` of the state. Null for rows that don't have the shape of a task. */
  step: Schema.NullOr(Schema.String),
  status: Status,
  count: Schema.Number,
  /** How many of them have failed in this step before. */
  retrying: Schema.Number,
  /** The greatest {@link Row} `age` among them. In milliseconds where it is encoded. */
  oldest: Schema.DurationFromMillis
}) {}

/**
 * How many tasks of one state are parked with errors that begin with the same line.
 *
 * @category models
 * @since 0.1.0
 */
export class ErrorCount extends Schema.Class<ErrorCount>("effect-pg-task/Admin/ErrorCount")({
  /** The task's name. Null for rows that don't have the shape of a task. */
  task: Schema.NullOr(Schema.String),
  /** The `_tag` of the state. Null for rows that don't have the shape of a task. */
  step: Schema.NullOr(Schema.String),
  /** The first line of the error, or the first 500 characters of it. */
  error: Schema.String,
  count: Schema.Number,
  /** How long ago the first of them was parked. In milliseconds where it is encoded. */
  oldest: Schema.DurationFromMillis,
  /** How long ago the last of them was parked. In milliseconds where it is encoded. */
  newest: Schema.DurationFromMillis
}) {}

/**
 * A place in a list: where its next page begins. It is a text that other systems may pass on unchanged. Encode it in
 * URLs.
 *
 * @category models
 * @since 0.1.0
 */
export type Cursor = string & Brand.Brand<"effect-pg-task/Admin/Cursor">

/**
 * The schema of a {@link Cursor}, for one that comes from outside: fails for anything that isn't a cursor.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Cursor: Schema.Codec<Cursor, string> = Schema.String.check(
  Schema.isPattern(Targets.cursorPattern, { message: "the `next` of a page" })
).pipe(
  Schema.brand("effect-pg-task/Admin/Cursor")
)

/**
 * One page of a list.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page {
  readonly rows: ReadonlyArray<Row>
  /** Where the next page begins: `list({ ...options, after })`. Undefined on the last one. */
  readonly next: Cursor | undefined
}

/**
 * Which tasks: those that meet every criterion that is set.
 *
 * @category options
 * @since 0.1.0
 */
export interface Filter {
  /** The task: its name, itself, or its declaration. Null: rows that don't have the shape of a task. */
  readonly task?: string | Task.AnyDeclaration | null | undefined
  /** The `_tag` of the state. */
  readonly step?: string | undefined
  /** The id of the task that waits for them, or has waited. */
  readonly parent?: TaskId.TaskId | undefined
  /** The key that the task was enqueued with. */
  readonly key?: string | undefined
  readonly status?: Status | ReadonlyArray<Status> | undefined
  /** Those that wait for the signal with this `_tag`. */
  readonly waitsFor?: string | undefined
  /** A part of the error's text, in upper or lower case. `*` stands for any text. */
  readonly error?: string | undefined
  /** The first line of the error, exactly as {@link countErrors} gives it. */
  readonly errorLine?: string | undefined
  /** A part of `raw`, in upper or lower case: of the state's fields as they are stored. `*` stands for any text. */
  readonly text?: string | undefined
  /** Those that have had their status for this long, or longer. */
  readonly olderThan?: Duration.Input | undefined
  /** Those that have had their status for less than this. */
  readonly newerThan?: Duration.Input | undefined
}

/**
 * Which tasks to change: one id, some ids, or all that a filter selects. A filter must set at least one criterion:
 * `{ status: "parked" }` selects all parked ones.
 *
 * @category options
 * @since 0.1.0
 */
export type Target = string | ReadonlyArray<string> | Filter

/**
 * What {@link retry}, {@link runNow} and {@link cancel} fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type TargetError =
  | TaskError.TaskIdError
  | TaskError.TaskNotFoundError
  | TaskError.TaskFilterError
  | TaskError.TaskTableError
  | SqlError

// ---------------------------------------------------------------------------------------------------------------
// Looking
// ---------------------------------------------------------------------------------------------------------------

/**
 * Options of {@link stream}.
 *
 * @category options
 * @since 0.1.0
 */
export interface StreamOptions extends Filter {
  /** The order of `wakeup_at`: the task that is or was due first comes first, or last. Default `"oldestFirst"`. */
  readonly order?: "oldestFirst" | "newestFirst" | undefined
  /** How many rows a page has. Default 50 for {@link list}, 1000 for {@link stream}. */
  readonly limit?: number | undefined
}

/**
 * Options of {@link list}.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListOptions extends StreamOptions {
  /** The `next` of the page before. Default: from the beginning. */
  readonly after?: Cursor | undefined
  /**
   * How many rows of each task to look at, at most: this bounds what a page costs, whatever the filter and however many
   * rows there are. A page may then have fewer rows than `limit`, or none, and still have a `next`: there it goes on
   * looking. Default: no limit.
   */
  readonly lookAt?: number | undefined
  /**
   * In characters: longer `raw`, `error` and `lastError` are cut to this, so that a page of rows with large states is
   * quick, too. Default: no limit.
   */
  readonly maxText?: number | undefined
}

/**
 * One page of tasks, in the order in which they are or were due. A page begins after the last row of the page before
 * (keyset pagination): rows that come and go meanwhile shift nothing, and a late page is as fast as the first.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   const parked = { task: "Greeter", status: "parked", olderThan: "1 hour" } as const
 *   const page = yield* Admin.list({ ...parked, limit: 20 })
 *   for (const row of page.rows) yield* Console.log(row.id, row.step, row.error)
 *   return yield* Admin.list({ ...parked, limit: 20, after: page.next })
 * })
 * ```
 * @category looking
 * @since 0.1.0
 */
export const list: (
  options?: ListOptions
) => Effect.Effect<Page, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn("Admin.list")(
  function*(options: ListOptions = {}) {
    const { next, rows } = yield* listPage(yield* SqlClient.SqlClient, options)
    return { rows: rows.map(toRow), next: next as Cursor | undefined }
  },
  Effect.catchTag("SqlError", toTableError)
)

/**
 * All tasks that the filter selects, page by page: for lists of any length. Each page is a statement of its own, so the
 * stream may or may not show what changes while it is read.
 *
 * @example
 * ```ts
 * import { Console, Stream } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.stream({ status: "parked" }).pipe(
 *   Stream.runForEach((row) => Console.log(row.id, row.error))
 * )
 * ```
 * @category looking
 * @since 0.1.0
 */
export const stream = (
  options: StreamOptions = {}
): Stream.Stream<Row, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> =>
  Stream.paginate(undefined as Cursor | undefined, (after) =>
    Effect.map(
      list({ ...options, limit: options.limit ?? 1000, after }),
      ({ next, rows }) => [rows, Option.fromUndefinedOr(next)] as const
    ))

/**
 * One task.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const why = (id: string) => Effect.map(Admin.get(id), (row) => row.error)
 * ```
 * @category looking
 * @since 0.1.0
 */
export const get: (
  id: string
) => Effect.Effect<
  Row,
  TaskError.TaskIdError | TaskError.TaskNotFoundError | TaskError.TaskTableError | SqlError,
  SqlClient.SqlClient
> = Effect.fn("Admin.get")(function*(given: string) {
  const id = yield* Targets.checkId(given)
  const [row] = yield* Statements.get(yield* SqlClient.SqlClient, id)
  return row === undefined ? yield* Targets.notFound(id) : toRow(row)
}, Effect.catchTag("SqlError", toTableError))

/**
 * The id that begins with these hexadecimal digits: for people, who don't type whole ids. Fails with a `TaskIdError`
 * if there are fewer than 4 digits, or if more than one task has such an id. Fails with a `TaskNotFoundError` if no
 * task has one.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.findId("018f4e").pipe(Effect.flatMap(Admin.get))
 * ```
 * @category looking
 * @since 0.1.0
 */
export const findId: (
  beginning: string
) => Effect.Effect<
  TaskId.TaskId,
  TaskError.TaskIdError | TaskError.TaskNotFoundError | TaskError.TaskTableError | SqlError,
  SqlClient.SqlClient
> = Effect.fn("Admin.findId")(function*(beginning: string) {
  const range = yield* Targets.idRange(beginning)
  const [found, another] = yield* Statements.idsBetween(yield* SqlClient.SqlClient, range.from, range.to)
  if (found !== undefined && another === undefined) return found.id as TaskId.TaskId
  return yield* Targets.notOne(beginning, found !== undefined)
}, Effect.catchTag("SqlError", toTableError))

/**
 * How many tasks there are in each state with each status. It reads every row of the table: about half a second for a
 * million of them.
 *
 * @example
 * ```ts
 * import { Console, Duration, Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   for (const { count, oldest, status, step, task } of yield* Admin.counts()) {
 *     yield* Console.log(task, step, status, count, Duration.format(oldest))
 *   }
 * })
 * ```
 * @category looking
 * @since 0.1.0
 */
export const counts: (
  filter?: Filter
) => Effect.Effect<ReadonlyArray<Count>, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn(
  "Admin.counts"
)(function*(filter: Filter = {}) {
  const rows = yield* Statements.counts(yield* SqlClient.SqlClient, Targets.whereOf(filter))
  return rows.map((row) => new Count({ ...row, oldest: Duration.millis(Math.round(row.oldest)) }))
}, Effect.catchTag("SqlError", toTableError))

/**
 * How many tasks a filter selects.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * // Effect<number, TaskTableError | SqlError, SqlClient>
 * export const stuck = Admin.count({ task: "Greeter", status: "ready", olderThan: "10 minutes" })
 * ```
 * @category looking
 * @since 0.1.0
 */
export const count: (
  filter?: Filter
) => Effect.Effect<number, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn("Admin.count")(
  function*(filter: Filter = {}) {
    return yield* Statements.count(yield* SqlClient.SqlClient, Targets.whereOf(filter))
  },
  Effect.catchTag("SqlError", toTableError)
)

/**
 * Options of {@link countErrors}.
 *
 * @category options
 * @since 0.1.0
 */
export interface CountErrorsOptions extends Filter {
  /** How many lines to return at most. Default 100. */
  readonly limit?: number | undefined
  /**
   * How many parked rows of each task to look at, at most: those that were due last. Then the counts are of these alone.
   * Default: all.
   */
  readonly lookAt?: number | undefined
}

/**
 * Why tasks are parked: how many there are for each first line of an error, in each state. The most frequent first.
 * It reads the parked rows only.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   for (const { count, error, step, task } of yield* Admin.countErrors({ newerThan: "1 hour" })) {
 *     yield* Console.log(count, task, step, error)
 *   }
 * })
 * ```
 * @category looking
 * @since 0.1.0
 */
export const countErrors: (
  options?: CountErrorsOptions
) => Effect.Effect<ReadonlyArray<ErrorCount>, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn(
  "Admin.countErrors"
)(function*(options: CountErrorsOptions = {}) {
  const rows = yield* errorLines(yield* SqlClient.SqlClient, { ...options, limit: options.limit ?? 100 })
  return rows.map(({ newest, oldest, ...row }) =>
    new ErrorCount({ ...row, oldest: Duration.millis(Math.round(oldest)), newest: Duration.millis(Math.round(newest)) })
  )
}, Effect.catchTag("SqlError", toTableError))

/**
 * Which task and state a `raw` names, without any schema: `raw` is what a {@link Row} has, `{"Task":{"State":{…}}}`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parsed {
  /** The task's name. */
  readonly task: string
  /** The `_tag` of the state. */
  readonly state: string
}

/**
 * Reads which task and state a `raw` names. Fails with a `TaskInvalidStateError` if it has another shape.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * // { task: "Greeter", state: "ReadName" }
 * export const parsed = Admin.parse(`{"Greeter":{"ReadName":{"filename":"name.txt"}}}`)
 * ```
 * @category looking
 * @since 0.1.0
 */
export const parse = (raw: string): Effect.Effect<Parsed, TaskError.TaskInvalidStateError> =>
  Effect.map(checkRaw(raw), ({ tag, task }) => ({ task, state: tag }))

/**
 * The state that is in the `raw` of a {@link Row}, decoded by the task's schemas. Fails with a `TaskInvalidStateError`
 * if it doesn't fit them, or is another task's.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Admin, NextStep, Step, Task } from "effect-pg-task"
 *
 * class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
 *
 * const Greeter = Task.make("Greeter", [Step.make(ReadName, { handler: () => Effect.succeed(NextStep.none) })])
 *
 * // Effect<ReadName, …>
 * export const stateOf = (id: string) => Effect.flatMap(Admin.get(id), (row) => Admin.decode(Greeter, row.raw))
 * ```
 * @category looking
 * @since 0.1.0
 */
export const decode = <T extends Task.AnyDeclaration>(
  task: T,
  raw: string
): Effect.Effect<Task.State<T>, TaskError.TaskInvalidStateError, T["states"][number]["DecodingServices"]> =>
  Effect.map(decodeRaw(declarationIn(task), raw), ({ state }) => state)

/**
 * Waits until a task has ended in a final state, and returns its row: what `await` of its declaration does, for programs
 * that don't have it. If the task is parked, it fails with a `TaskParkedError`, or, with `onParked: "wait"`, waits until
 * somebody has retried it. If the task is gone, or goes, it fails with a `TaskNotFoundError`.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const result = (id: string) =>
 *   Admin.awaitEnd(id).pipe(
 *     Effect.map((row) => row.raw),
 *     Effect.catchTag("TaskParkedError", ({ error }) => Effect.succeed(`parked: ${error}`)),
 *     Effect.timeout("1 minute")
 *   )
 * ```
 * @category looking
 * @since 0.1.0
 */
export const awaitEnd = (
  id: string,
  options?: Task.AwaitOptions
): Effect.Effect<Row, TaskError.AwaitEndError, SqlClient.SqlClient> => Effect.map(waitForEnd(id, options), toRow)

export {
  /**
   * An attempt of a task that keeps a history (see `history` of `Task.make`), once it has ended.
   *
   * @category models
   * @since 0.1.0
   */
  HistoryEntry
} from "./internal/admin/history.ts"

/**
 * Options of {@link history}.
 *
 * @category options
 * @since 0.1.0
 */
export interface HistoryOptions {
  /** The most entries to return: the last ones. Default 1000. */
  readonly limit?: number | undefined
}

/**
 * The attempts of one task that have ended, the oldest one first: also when the task has ended and its row is gone. Give
 * its id, or the first four or more digits. Empty if its task keeps no history (see `history` of `Task.make`), or kept
 * it for a shorter time.
 *
 * An attempt that was cancelled writes no entry. What the entries are kept for is decided when they are written.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const show = Admin.history("5d0bb27f").pipe(
 *   Effect.flatMap(Effect.forEach(({ endedAt, outcome, state }) => Console.log(endedAt, state, outcome)))
 * )
 * ```
 * @category looking
 * @since 0.1.0
 */
export const history: (
  id: string,
  options?: HistoryOptions
) => Effect.Effect<
  ReadonlyArray<HistoryEntry>,
  TaskError.TaskIdError | TaskError.TaskTableError | SqlError,
  SqlClient.SqlClient
> = Effect.fn("Admin.history")(function*(id: string, options: HistoryOptions = {}) {
  return yield* readHistory(id, options.limit ?? 1000)
})

// ---------------------------------------------------------------------------------------------------------------
// Changing
// ---------------------------------------------------------------------------------------------------------------

/**
 * Lets parked tasks go on from the step at which they stopped: `tried` and `crashes` begin again at 0. Returns how many
 * tasks were parked. Tasks that aren't parked stay as they are.
 *
 * Fails with a `TaskIdError` for what is no id, and with a `TaskNotFoundError` if a single id is given and there is
 * no such task. In a list of ids, those that are gone are ignored. It is one statement.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const one = Admin.retry("018f4e1e-5d0c-7000-8000-000000000000")
 * export const all = Admin.retry({ task: "Greeter", step: "ReadName", error: "connect*timeout", newerThan: "2 hours" })
 * ```
 * @category changing
 * @since 0.1.0
 */
export const retry: (target: Target) => Effect.Effect<number, TargetError, SqlClient.SqlClient> = Effect.fn(
  "Admin.retry"
)((target: Target) => Targets.change(Statements.retry, target))

/**
 * Makes scheduled tasks due at once, whether they wait for their time, a delay or their next try. (What waits for a signal
 * or its timeout is not scheduled: see {@link endWait}.) Returns how many
 * there were. The others stay as they are. Fails as {@link retry} does.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.runNow({ task: "Greeter", step: "SayHello" })
 * ```
 * @category changing
 * @since 0.1.0
 */
export const runNow: (target: Target) => Effect.Effect<number, TargetError, SqlClient.SqlClient> = Effect.fn(
  "Admin.runNow"
)((target: Target) => Targets.change(Statements.runNow, target))

/**
 * Ends the time of waiting tasks that have one: what their state does `on.timeout` is done at once, unless a signal that
 * they wait for comes first. Returns how many there were. The others stay as they are. Fails as {@link retry} does.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.endWait({ task: "Order", step: "AwaitApproval", olderThan: "2 days" })
 * ```
 * @category changing
 * @since 0.1.0
 */
export const endWait: (target: Target) => Effect.Effect<number, TargetError, SqlClient.SqlClient> = Effect.fn(
  "Admin.endWait"
)((target: Target) => Targets.change(Statements.endWait, target))

/**
 * Deletes tasks, whatever their status, and returns how many. If a task is running, its step is interrupted: at once if
 * its worker receives notifications, else when it next renews its lease. What the step returns is not stored. Their
 * children are deleted with them (and counted), unless the options say otherwise. Fails as {@link retry} does.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.cancel({ task: "Greeter", status: ["ready", "scheduled"] })
 * ```
 * @category changing
 * @since 0.1.0
 */
export const cancel = (
  target: Target,
  options: CancelOptions = {}
): Effect.Effect<number, TargetError, SqlClient.SqlClient> => Targets.cancel(target, options)

/**
 * Options of {@link cancel}.
 *
 * @category options
 * @since 0.1.0
 */
export interface CancelOptions {
  /** Whether the children of the tasks are deleted, too, and the children of these. Default true. */
  readonly children?: boolean | undefined
}

/**
 * Options of {@link edit} and {@link editRaw}.
 *
 * @category options
 * @since 0.1.0
 */
export interface EditOptions {
  /** The `transitions` of the {@link Row} that was looked at: if it has moved on since, nothing is changed. */
  readonly transitions?: number | undefined
}

/**
 * What {@link edit} and {@link editRaw} fail with. Then nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export type EditError =
  | TaskError.TaskInvalidStateError
  | TaskError.TaskEditError
  | TaskError.TaskIdError
  | TaskError.TaskNotFoundError
  | TaskError.TaskTableError
  | SqlError

/**
 * Replaces the state of a task that doesn't run and has not ended: with other fields, or with another of the task's states. The schema of
 * the state checks it. The task's status stays: {@link retry} a parked one afterwards. A task whose lease expired more
 * than a minute ago counts as one that doesn't run: it is taken from its worker.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Admin, NextStep, Step, Task } from "effect-pg-task"
 *
 * class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
 *
 * const Greeter = Task.make("Greeter", [Step.make(ReadName, { handler: () => Effect.succeed(NextStep.none) })])
 *
 * export const repair = (id: string) =>
 *   Admin.edit(Greeter, id, new ReadName({ filename: "name.txt" })).pipe(Effect.andThen(Admin.retry(id)))
 * ```
 * @category changing
 * @since 0.1.0
 */
export const edit = <T extends Task.AnyDeclaration, const S extends Task.State<T>>(
  task: T,
  id: string,
  state: S,
  options: EditOptions = {}
): Effect.Effect<void, EditError, Task.EnqueueServices<T, S>> =>
  Effect.flatMap(declarationIn(task).codec.encode(state), (step) => store(id, { ...options, step, task: task.name }))

/**
 * {@link edit} without the task's declaration: `raw` becomes the task's `step` column. Only its shape is checked.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const repair = (id: string) => Admin.editRaw(id, `{"Greeter":{"ReadName":{"filename":"name.txt"}}}`)
 * ```
 * @category changing
 * @since 0.1.0
 */
export const editRaw = (
  id: string,
  raw: string,
  options: EditOptions = {}
): Effect.Effect<void, EditError, SqlClient.SqlClient> =>
  Effect.andThen(checkRaw(raw), store(id, { ...options, step: raw, task: undefined }))

/**
 * Stores a task without its declaration: `raw` becomes the `step` column. Only its shape is checked, so a task that
 * no worker knows waits for one that does. With a `key` it returns `{ id, created, status }`, as `enqueue` does.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.enqueueRaw(`{"Greeter":{"ReadName":{"filename":"name.txt"}}}`, { delay: "1 hour" })
 * ```
 * @category changing
 * @since 0.1.0
 */
export const enqueueRaw = <O extends Task.EnqueueOptions = {}>(
  raw: string,
  options?: O & CheckEnqueue<O>
): Effect.Effect<EnqueuedWith<O>, TaskError.EnqueueError | KeyError<O>, SqlClient.SqlClient> =>
  storeRaw(raw, options) as never

// ---------------------------------------------------------------------------------------------------------------
// Signals
// ---------------------------------------------------------------------------------------------------------------

/**
 * What {@link signal} fails with. Then nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export type SignalError = TaskError.SignalError | TaskError.TaskIdError

/**
 * Sends a signal without the task's declaration: `signal` is its `_tag`, `fields` are its fields as JSON. Only their
 * shape is checked. If they don't fit the signal's schema, the task is parked when it takes the signal.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const approve = (id: string) => Admin.signal(id, "Approved", `{"by":"ada"}`)
 * ```
 * @category signals
 * @since 0.1.0
 */
export const signal: (id: string, signal: string, fields?: string, options?: Task.SignalOptions) => Sent = signalRaw

/** What a signal is sent by. */
type Sent = Effect.Effect<void, SignalError, SqlClient.SqlClient>

/**
 * Decodes the fields of a signal by the schema that the task's declaration has for it, before they are sent.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Admin, type Task } from "effect-pg-task"
 *
 * export function approve(task: Task.AnyDeclaration<never>, id: string, fields: string) {
 *   return Admin.decodeSignal(task, "Approved", fields).pipe(Effect.andThen(Admin.signal(id, "Approved", fields)))
 * }
 * ```
 * @category signals
 * @since 0.1.0
 */
export const decodeSignal = <T extends Task.AnyDeclaration>(
  task: T,
  signal: string,
  fields: string
): Effect.Effect<Task.Signal<T>, TaskError.TaskInvalidSignalError, T["signals"][number]["DecodingServices"]> =>
  decode_(declarationIn(task), signal, fields)

export type {
  /**
   * A signal that a task has got, and has not taken.
   *
   * @category models
   * @since 0.1.0
   */
  InboxSignal
}

/**
 * The signals that a task has got, and has not taken: the first one first.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.inbox("018f4e1e-5d0c-7000-8000-000000000000")
 * ```
 * @category signals
 * @since 0.1.0
 */
export const inbox: (
  id: string
) => Effect.Effect<
  ReadonlyArray<InboxSignal>,
  TaskError.TaskIdError | TaskError.TaskNotFoundError | TaskError.TaskTableError | SqlError,
  SqlClient.SqlClient
> = readSignals

// ---------------------------------------------------------------------------------------------------------------
// Pausing
// ---------------------------------------------------------------------------------------------------------------

export {
  /**
   * What is paused and resumed: see `Pauses.PauseTarget`.
   *
   * @category options
   * @since 0.1.0
   */
  type PauseTarget,
  /**
   * Pauses a task, a limit, or one key of a limit: see `Pauses.pause`.
   *
   * @category pausing
   * @since 0.1.0
   */
  pause,
  /**
   * Lets a paused task, limit or key go on: see `Pauses.resume`.
   *
   * @category pausing
   * @since 0.1.0
   */
  resume,
  /**
   * Something that is paused: see `Pauses.Pause`.
   *
   * @category models
   * @since 0.1.0
   */
  Pause,
  /**
   * What is paused: see `Pauses.pauses`.
   *
   * @category pausing
   * @since 0.1.0
   */
  pauses
} from "./Pauses.ts"

export {
  /**
   * The limits, how many tasks hold their slots, and how many wait: see `Limits.list`.
   *
   * @category pausing
   * @since 0.1.0
   */
  list as limits,
  /**
   * The number of the code holds again for a limit, or for one of its keys: see `Limits.resetRunning`.
   *
   * @category pausing
   * @since 0.1.0
   */
  resetRunning,
  /**
   * How many tasks of a limit, or of one of its keys, may be at work, whatever the code says: see `Limits.setRunning`.
   *
   * @category pausing
   * @since 0.1.0
   */
  setRunning
} from "./Limits.ts"

// ---------------------------------------------------------------------------------------------------------------
// Workers
// ---------------------------------------------------------------------------------------------------------------

/**
 * Options of {@link stopWorkers}.
 *
 * @category options
 * @since 0.1.0
 */
export interface StopOptions {
  /** How long to wait. Default 1 minute: more than the default `shutdownTimeout` of workers. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Asks all workers of this table to stop, and waits until no step runs any more. Workers of `pg_task` tables in other
 * schemas go on. Fails with a `TaskStopTimeoutError` if some steps still run after `timeout`. It doesn't wait for tasks
 * of dead workers once their leases have expired.
 *
 * Workers that receive no notifications (behind a pooler in transaction mode, or without a `PgClient`) don't stop;
 * nor do those that are started afterwards.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.stopWorkers({ timeout: "5 minutes" })
 * ```
 * @category workers
 * @since 0.1.0
 */
export const stopWorkers: (
  options?: StopOptions
) => Effect.Effect<void, TaskError.TaskStopTimeoutError | TaskError.TaskTableError | SqlError, SqlClient.SqlClient> =
  Effect.fn(
    "Admin.stopWorkers"
  )(function*({ timeout = "1 minute" }: StopOptions = {}) {
    yield* stopAndWait(yield* SqlClient.SqlClient, Duration.fromInputUnsafe(timeout))
  }, Effect.catchTag("SqlError", toTableError))

/**
 * The message of the database. The `message` of a `SqlError` says only which kind of error it is; Postgres's own
 * message, or that of the network, is in its cause.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.counts().pipe(
 *   Effect.tapErrorTag("SqlError", (error) => Effect.logError(Admin.messageOf(error)))
 * )
 * ```
 * @category errors
 * @since 0.1.0
 */
export const messageOf = (error: SqlError): string => sqlMessage(error)
