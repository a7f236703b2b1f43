/**
 * For whoever is on call: the limits, how many tasks hold their slots and how many wait, and the means to change how many
 * may be at work. The command `pg-task limits` does the same. `Admin.pause` and `Admin.resume` pause and resume them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { allLimits, resetRunning as reset, setRunning as set } from "./internal/admin/limits.ts"
import type * as TaskError from "./TaskError.ts"

/**
 * How many tasks of a limit, or of one of its keys, are at work, and how many wait.
 *
 * @category models
 * @since 0.1.0
 */
export class Count extends Schema.Class<Count>("effect-pg-task/Limits/Count")({
  /** The limit's name. */
  limit: Schema.String,
  /** Null if the limit has no keys, or for all of them together. */
  key: Schema.NullOr(Schema.String),
  /**
   * How many tasks may be at work at the same time: what somebody has set, or else what the code says. Null if only a rate
   * limits them, no worker has said it, or for all keys.
   */
  running: Schema.NullOr(Schema.Number),
  /** How many attempts may start in how long. Null if it has no rate, no worker has said it, or for all keys. */
  rate: Schema.NullOr(Schema.Struct({ limit: Schema.Number, per: Schema.DurationFromMillis })),
  /** How many tasks hold a slot: they are at work, or about to. */
  holders: Schema.Number,
  /** How many of these a worker has taken. */
  atWork: Schema.Number,
  /** How many tasks wait for a slot, or for a moment of the rate: those with the status `limited`. */
  waiting: Schema.Number,
  /** How long ago the oldest of these became due. Null if none waits. */
  oldest: Schema.NullOr(Schema.DurationFromMillis),
  /** No task starts until somebody resumes it: it is paused, or the whole limit is. */
  paused: Schema.Boolean,
  /** For how long no task starts, because it backs off, or the whole limit does. Null if it doesn't. */
  backOff: Schema.NullOr(Schema.DurationFromMillis),
  /**
   * The same of a key alone, without what holds for the whole limit: what `Admin.resume` of this key ends. `running` is what
   * {@link setRunning} has set for it, and {@link resetRunning} takes back.
   */
  itself: Schema.Struct({
    paused: Schema.Boolean,
    backOff: Schema.NullOr(Schema.DurationFromMillis),
    running: Schema.NullOr(Schema.Number)
  })
}) {}

/**
 * The limits of which tasks are there, which are paused or back off, or whose number somebody has set: those with the most
 * waiting tasks first, one for each key. At most `first` of them, by default 1,000.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Limits } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   for (const { holders, key, limit, waiting } of yield* Limits.list({ first: 20 })) {
 *     yield* Console.log(limit, key, holders, waiting)
 *   }
 * })
 * ```
 * @category limits
 * @since 0.1.0
 */
export const list = (
  options: {
    /** How many at most. */
    readonly first?: number | undefined
  } = {}
): Effect.Effect<ReadonlyArray<Count>, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> =>
  Effect.map(allLimits(options.first ?? 1000), (found) => found.map((one) => new Count(one)))

/**
 * A limit by its name, with all its keys, or one key of it.
 *
 * @category options
 * @since 0.1.0
 */
export interface Target {
  readonly limit: string | { readonly name: string }
  /** Default: all keys of the limit. */
  readonly key?: string | undefined
}

/**
 * From now on so many tasks of a limit, or of one of its keys, may be at work at the same time, whatever the code says: 1 to
 * 10,000. It holds until {@link resetRunning}, through restarts and deployments. For a limit it is the number of each key,
 * but for those with one of their own.
 *
 * A lower number interrupts no task: there are fewer as they end, and tasks that have got their slot before still begin. A
 * higher one lets more begin within milliseconds, and within about a second where more than 50 keys have tasks that wait,
 * or the limit has only a rate. To let none begin, pause the limit.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Limits } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   yield* Limits.setRunning({ limit: "tenant", key: "acme" }, 1)
 * })
 * ```
 * @category limits
 * @since 0.1.0
 */
export const setRunning: (
  target: Target,
  running: number
) => Effect.Effect<
  void,
  TaskError.TaskLimitError | TaskError.TaskTableError | SqlError,
  SqlClient.SqlClient
> = set

/**
 * The number of the code holds again for a limit, or for one of its keys. Returns whether another one was set.
 *
 * @example
 * ```ts
 * import { Limits } from "effect-pg-task"
 *
 * export const program = Limits.resetRunning({ limit: "tenant", key: "acme" })
 * ```
 * @category limits
 * @since 0.1.0
 */
export const resetRunning: (
  target: Target
) => Effect.Effect<boolean, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = reset
