/**
 * What is going on in the table, at a cost that does not grow with it: for dashboards, and whatever looks again and again.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Admin from "./Admin.ts"
import { busiestKeys as findBusiestKeys, keysOf, limitSums, tasksOf } from "./internal/admin/limitActivity.ts"
import { whereOf } from "./internal/admin/target.ts"
import * as Statements from "./internal/sql/activity.ts"
import * as Bounded from "./internal/sql/bounded.ts"
import { toTableError } from "./internal/sql/errors.ts"
import * as Limits from "./Limits.ts"
import type * as TaskError from "./TaskError.ts"

/**
 * How many tasks are in one state with one status, as far as they were counted.
 *
 * @category models
 * @since 0.1.0
 */
export class BoundedCount extends Admin.Count.extend<BoundedCount>("effect-pg-task/Activity/BoundedCount")({
  /** There may be more of them: counting stopped at the limit. */
  atLeast: Schema.Boolean
}) {}

/**
 * `Admin.counts` for tables of any size: it stops at `limit` rows of each task that are due, as many that are due later,
 * and as many that are parked. What has fewer is counted exactly. The oldest of each are always among those that are
 * counted. It costs about a microsecond or two for each row that it reads.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Activity } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   for (const { atLeast, count, status, step, task } of yield* Activity.counts(10_000)) {
 *     yield* Console.log(task, step, status, atLeast ? `${count} or more` : count)
 *   }
 * })
 * ```
 * @category looking
 * @since 0.1.0
 */
export const counts: (
  limit: number
) => Effect.Effect<ReadonlyArray<BoundedCount>, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn(
  "Activity.counts"
)(function*(limit: number) {
  const rows = yield* Bounded.boundedCounts(yield* SqlClient.SqlClient, limit)
  return rows.map((row) => new BoundedCount({ ...row, oldest: Duration.millis(Math.round(row.oldest)) }))
}, Effect.catchTag("SqlError", toTableError))

/**
 * How many tasks a filter selects, as far as they were counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface BoundedSum {
  readonly count: number
  /** There may be more of them: counting stopped at the limit. */
  readonly atLeast: boolean
}

/**
 * `Admin.count` for tables of any size: it looks at `lookAt` rows of each task that may run, as many that are parked, and
 * as many that have ended, those that are due first. Filters by `key` or `parent` have an index of their own: for them,
 * use `Admin.count`.
 *
 * @example
 * ```ts
 * import { Activity } from "effect-pg-task"
 *
 * export const program = Activity.count({ task: "Greeter", text: "name.txt" }, 50_000)
 * ```
 * @category looking
 * @since 0.1.0
 */
export const count: (
  filter: Admin.Filter,
  lookAt: number
) => Effect.Effect<BoundedSum, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn(
  "Activity.count"
)(function*(filter: Admin.Filter, lookAt: number) {
  return yield* Bounded.boundedCount(yield* SqlClient.SqlClient, whereOf(filter), lookAt)
}, Effect.catchTag("SqlError", toTableError))

/**
 * How many rows of the table were written since Postgres's statistics were last reset: the difference of two looks is
 * the traffic between them, of all workers together.
 *
 * @category models
 * @since 0.1.0
 */
export interface Traffic {
  /** Tasks that were enqueued. */
  readonly inserted: number
  /** Claims, transitions, renewed leases and edits. */
  readonly updated: number
  /** Tasks that finished or were cancelled. */
  readonly deleted: number
}

/**
 * The traffic of the table, as Postgres's statistics have it. It touches no row, and is up to a second old.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Activity } from "effect-pg-task"
 *
 * export const finishedInAMinute = Effect.gen(function*() {
 *   const before = yield* Activity.traffic
 *   yield* Effect.sleep("1 minute")
 *   return (yield* Activity.traffic).deleted - before.deleted
 * })
 * ```
 * @category looking
 * @since 0.1.0
 */
export const traffic: Effect.Effect<Traffic, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect
  .suspend(() => Effect.flatMap(SqlClient.SqlClient, Statements.traffic)).pipe(
    Effect.map((rows): Traffic => rows[0] ?? { inserted: 0, updated: 0, deleted: 0 }),
    Effect.catchTag("SqlError", toTableError),
    Effect.withSpan("Activity.traffic")
  )

/**
 * A worker that listens for notifications: its database session.
 *
 * @category models
 * @since 0.1.0
 */
export class Listener extends Schema.Class<Listener>("effect-pg-task/Activity/Listener")({
  /** The process id of its session in Postgres. */
  pid: Schema.Number,
  /** The `applicationName` of its client. */
  application: Schema.String,
  /** Null if it is connected through a Unix socket, or this role may not see it. */
  address: Schema.NullOr(Schema.String),
  /** When it connected. */
  since: Schema.DateTimeUtcFromString
}) {}

/**
 * The workers that listen for notifications, in any schema of this database, longest connected first. Workers that poll
 * are not among them. A role that is neither theirs nor a member of `pg_read_all_stats` sees none.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Activity } from "effect-pg-task"
 *
 * export const howMany = Effect.map(Activity.listeners, (workers) => workers.length)
 * ```
 * @category looking
 * @since 0.1.0
 */
export const listeners: Effect.Effect<
  ReadonlyArray<Listener>,
  TaskError.TaskTableError | SqlError,
  SqlClient.SqlClient
> = Effect.suspend(() => Effect.flatMap(SqlClient.SqlClient, Statements.listeners)).pipe(
  Effect.map((rows) => rows.map((row) => new Listener({ ...row, since: DateTime.makeUnsafe(row.since) }))),
  Effect.catchTag("SqlError", toTableError),
  Effect.withSpan("Activity.listeners")
)

// ---------------------------------------------------------------------------------------------------------------
// Limits
// ---------------------------------------------------------------------------------------------------------------

/**
 * How many tasks of a limit, or of one of its keys, are at work, and how many wait, as far as they were counted.
 *
 * @category models
 * @since 0.1.0
 */
export class LimitCount extends Limits.Count.extend<LimitCount>("effect-pg-task/Activity/LimitCount")({
  /** There may be more of them: counting stopped at the limit. */
  atLeast: Schema.Boolean
}) {}

/**
 * A limit with all of its keys.
 *
 * @category models
 * @since 0.1.0
 */
export class LimitSum extends LimitCount.extend<LimitSum>("effect-pg-task/Activity/LimitSum")({
  /** How many of its keys have tasks. */
  keys: Schema.Number,
  /** How many of its keys are paused. */
  pausedKeys: Schema.Number
}) {}

/**
 * The limits of which tasks are there, which are paused, or whose number somebody has set, by their names: `Limits.list`
 * for tables of any size. It looks at `lookAt` waiting tasks of each task, those that have waited longest, and at as many
 * that hold slots.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Activity } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   for (const { holders, limit, waiting } of yield* Activity.limits(20_000)) {
 *     yield* Console.log(limit, holders, waiting)
 *   }
 * })
 * ```
 * @category limits
 * @since 0.1.0
 */
export const limits: (
  lookAt: number
) => Effect.Effect<ReadonlyArray<LimitSum>, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn(
  "Activity.limits"
)(function*(lookAt: number) {
  return (yield* limitSums(lookAt)).map((one) => new LimitSum(one))
})

/**
 * The keys with the most waiting tasks among the `lookAt` tasks of each task that have waited longest: who fills the
 * queues. Of one limit, or of all.
 *
 * @example
 * ```ts
 * import { Activity } from "effect-pg-task"
 *
 * export const noisy = Activity.busiestKeys({ limit: "tenant", first: 5, lookAt: 20_000 })
 * ```
 * @category limits
 * @since 0.1.0
 */
export const busiestKeys: (options: {
  /** The name of a limit. Default: of all limits. */
  readonly limit?: string | undefined
  /** How many keys at most. */
  readonly first: number
  readonly lookAt: number
}) => Effect.Effect<ReadonlyArray<LimitCount>, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn(
  "Activity.busiestKeys"
)(function*({ first, limit, lookAt }) {
  return (yield* findBusiestKeys(limit, first, lookAt)).map((one) => new LimitCount(one))
})

/**
 * One page of the keys of a limit, in their order.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyPage {
  readonly keys: ReadonlyArray<LimitCount>
  /** Where the next page begins: its `after`. Undefined if there is none. */
  readonly next: string | undefined
}

/**
 * The keys of a limit of which tasks are there, or which are paused, page by page. Of each key, it counts `lookAt`
 * waiting tasks at most. A page may have fewer keys than `first`, and still be followed by others: where the database
 * sorts the keys of other limits among them.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Activity } from "effect-pg-task"
 *
 * export const twoPages = Effect.gen(function*() {
 *   const page = yield* Activity.limitKeys("tenant", { first: 50, lookAt: 1000 })
 *   return yield* Activity.limitKeys("tenant", { first: 50, lookAt: 1000, after: page.next })
 * })
 * ```
 * @category limits
 * @since 0.1.0
 */
export const limitKeys: (
  limit: string,
  options: {
    /** How many keys at most. */
    readonly first: number
    readonly lookAt: number
    /** The `next` of the page before. */
    readonly after?: string | undefined
  }
) => Effect.Effect<KeyPage, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn(
  "Activity.limitKeys"
)(function*(limit, { after, first, lookAt }) {
  const { keys, next } = yield* keysOf({ name: limit, after, first, lookAt })
  return { keys: keys.map((one) => new LimitCount(one)), next }
})

/**
 * The tasks of a limit, or of one of its keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitTasks {
  readonly count: LimitCount
  /** Those that hold slots. */
  readonly holders: ReadonlyArray<Admin.Row>
  /** Those that wait, in the order in which they get slots. */
  readonly waiting: ReadonlyArray<Admin.Row>
}

/**
 * Who holds the slots of a limit without keys, or of one key, and who is next. Of their states and errors, the first
 * 1,000 characters are read.
 *
 * @example
 * ```ts
 * import { Activity } from "effect-pg-task"
 *
 * export const program = Activity.limitTasks({ limit: "tenant", key: "acme" }, { first: 20, lookAt: 10_000 })
 * ```
 * @category limits
 * @since 0.1.0
 */
export const limitTasks: (
  target: Limits.Target,
  options: {
    /** How many of each at most. */
    readonly first: number
    /** Counts this many of each at most. */
    readonly lookAt: number
  }
) => Effect.Effect<LimitTasks, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = Effect.fn(
  "Activity.limitTasks"
)(function*(target, { first, lookAt }) {
  const { count, holders, waiting } = yield* tasksOf(target, first, lookAt)
  const toRows = (found: typeof holders) => found.map((one) => new Admin.Row(one as typeof Admin.Row.Type))
  return { count: new LimitCount(count), holders: toRows(holders), waiting: toRows(waiting) }
})
