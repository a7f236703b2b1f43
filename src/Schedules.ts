/**
 * For whoever is on call: the schedules of recurring tasks, to see them, pause them, resume them, and let them tick now.
 * The command `pg-task schedules` does the same.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  allSchedules,
  orphanSchedules,
  pauseSchedules,
  pruneSchedules,
  resumeSchedules,
  runSchedules
} from "./internal/admin/schedules.ts"
import type * as Recurring from "./Recurring.ts"
import type * as TaskError from "./TaskError.ts"
import * as TaskId from "./TaskId.ts"

/**
 * A schedule of a recurring task.
 *
 * @category models
 * @since 0.1.0
 */
export class Schedule extends Schema.Class<Schedule>("effect-pg-task/Schedules/Schedule")({
  /** The id of its row. */
  id: TaskId.TaskId,
  /** The name of the recurring task. */
  recurring: Schema.String,
  name: Schema.String,
  /** Null if the row can't be read: see its error. */
  cron: Schema.NullOr(Schema.String),
  timeZone: Schema.NullOr(Schema.String),
  /** The next tick, without its jitter. Null if no worker has looked at it yet. */
  next: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** The last tick that was run. Null if none was. */
  last: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** How many ticks were not run because no worker ran in time. */
  missed: Schema.Number,
  /** How many ticks were not run because the run of an earlier one had not ended. */
  overlapped: Schema.Number,
  paused: Schema.Boolean,
  /** Why it is parked. Null if it isn't. */
  error: Schema.NullOr(Schema.String)
}) {}

const utcOrNull = (millis: number | undefined) => millis === undefined ? null : DateTime.makeUnsafe(millis)

type Found = Effect.Success<typeof allSchedules>[number]

const toSchedule = ({ row: { error, id, key, paused, task }, schedule }: Found) =>
  new Schedule({
    id,
    recurring: task,
    name: key,
    cron: schedule?.cron ?? null,
    timeZone: schedule?.timeZone ?? null,
    next: utcOrNull(schedule?.next),
    last: utcOrNull(schedule?.last),
    missed: schedule?.missed ?? 0,
    overlapped: schedule?.overlapped ?? 0,
    paused,
    error
  })

/**
 * All schedules, by their recurring tasks and names.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Schedules } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   for (const { name, next, recurring } of yield* Schedules.list) yield* Console.log(recurring, name, next)
 * })
 * ```
 * @category schedules
 * @since 0.1.0
 */
export const list: Effect.Effect<
  ReadonlyArray<Schedule>,
  TaskError.TaskTableError | SqlError,
  SqlClient.SqlClient
> = Effect.map(allSchedules, (found) => found.map(toSchedule))

/**
 * The schedules that the code at hand does not have: those of a recurring task that is not among `recurring`, and the
 * own schedule of one that has no `cron` any more. Schedules that `schedule` has made belong to their recurring task.
 *
 * They do nothing, and wait. Give it _all_ recurring tasks of all programs that work on this table.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { type Recurring, Schedules } from "effect-pg-task"
 *
 * export const show = Effect.fnUntraced(function*(all: ReadonlyArray<Recurring.Any>) {
 *   for (const { name, recurring } of yield* Schedules.orphans(all)) yield* Console.log(recurring, name)
 * })
 * ```
 * @category schedules
 * @since 0.1.0
 */
export const orphans: (
  recurring: ReadonlyArray<Recurring.Any>
) => Effect.Effect<ReadonlyArray<Schedule>, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = (recurring) =>
  Effect.map(orphanSchedules(recurring as never), (found) => found.map(toSchedule))

/**
 * Deletes {@link orphans}: all of them, or those `only` that you have looked at. Returns those that it has deleted. What
 * they have started goes on.
 *
 * Run it when no older program runs any more: it would store its own schedule again at its next start. The schedules of
 * a program whose recurring tasks are not among `recurring` are deleted, too. So without any recurring task, and without
 * `only`, it fails with a `TaskFilterError`, and deletes nothing.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { type Recurring, Schedules } from "effect-pg-task"
 *
 * export const prune = Effect.fnUntraced(function*(all: ReadonlyArray<Recurring.Any>) {
 *   const found = yield* Schedules.orphans(all)
 *   return yield* Schedules.prune(all, { only: found.filter(({ paused }) => paused) })
 * })
 * ```
 * @category schedules
 * @since 0.1.0
 */
export const prune: (
  recurring: ReadonlyArray<Recurring.Any>,
  options?: { readonly only?: ReadonlyArray<Schedule> | undefined }
) => Effect.Effect<
  ReadonlyArray<Schedule>,
  TaskError.TaskFilterError | TaskError.TaskTableError | SqlError,
  SqlClient.SqlClient
> = (
  recurring,
  { only } = {}
) => {
  const ids = only === undefined ? undefined : new Set<string>(only.map(({ id }) => id))
  return Effect.map(pruneSchedules(recurring as never, ids), (deleted) => deleted.map(toSchedule))
}

/**
 * Changes schedules of a recurring task: all of them, or the one of this name. Returns how many there are.
 *
 * @category schedules
 * @since 0.1.0
 */
export type Change = (
  recurring: string | { readonly name: string },
  name?: string
) => Effect.Effect<number, TaskError.TaskTableError | SqlError, SqlClient.SqlClient>

/**
 * Pauses schedules: they have no ticks until {@link resume}.
 *
 * @example
 * ```ts
 * import { Schedules } from "effect-pg-task"
 *
 * export const program = Schedules.pause("nightly-report", "tenant-7")
 * ```
 * @category schedules
 * @since 0.1.0
 */
export const pause: Change = pauseSchedules

/**
 * Lets paused schedules go on. Ticks that they have missed meanwhile are treated by the `missed` of their recurring
 * task.
 *
 * @example
 * ```ts
 * import { Schedules } from "effect-pg-task"
 *
 * export const program = Schedules.resume("nightly-report", "tenant-7")
 * ```
 * @category schedules
 * @since 0.1.0
 */
export const resume: Change = resumeSchedules

/**
 * Makes schedules tick now, beside their other ticks. Those that are paused go on afterwards.
 *
 * @example
 * ```ts
 * import { Schedules } from "effect-pg-task"
 *
 * export const program = Schedules.runNow("nightly-report", "tenant-7")
 * ```
 * @category schedules
 * @since 0.1.0
 */
export const runNow: Change = runSchedules
