/**
 * Pauses: no step of a task, or of a limit, begins until it is resumed. `Admin` has all of this, too: `Admin.pause`. On
 * the command line, `pg-task pause` and `pg-task resume …` do the same.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { allPauses, isTargetUsed, type Pause, pauseTarget, resumeTarget } from "./internal/admin/pause.ts"
import type * as Limits from "./Limits.ts"
import type * as TaskError from "./TaskError.ts"

/**
 * What is paused and resumed: a task, a limit with all its keys, or one key of a limit.
 *
 * @category options
 * @since 0.1.0
 */
export type PauseTarget = { readonly task: string } | Limits.Target

/**
 * Pauses a task: no worker of any process begins a step of it until {@link resume}, also one that is started later. Steps
 * that are at work go on to their end. The rows stay as they are: new ones may be stored, and signals are kept. Recurring
 * tasks have a pause of their own: see `Schedules`.
 *
 * Or pauses a limit, or one key of it: no task gets a slot, and none starts, until {@link resume}. Tasks that a worker has
 * taken go on. It waits for sessions that are about to give slots, each for five seconds at most; in a transaction of the
 * caller, for those of the first 500 keys only.
 *
 * A worker hears of it within a few milliseconds; one that receives no notifications, within a second. What is paused
 * stays paused until it is resumed, whatever is started or deployed: {@link pauses} lists it.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   yield* Admin.pause({ task: "Mails" })
 *   yield* Admin.pause({ limit: "tenant", key: "acme" })
 * })
 * ```
 * @category pausing
 * @since 0.1.0
 */
export const pause: (
  target: PauseTarget
) => Effect.Effect<void, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = pauseTarget

/**
 * Lets a paused task, limit or key go on, and ends the back-off of a limit or key. Returns whether it was paused, or backed
 * off. A key that was paused by itself stays paused when its limit is resumed, and the other way round.
 *
 * @example
 * ```ts
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Admin.resume({ task: "Mails" })
 * ```
 * @category pausing
 * @since 0.1.0
 */
export const resume: (
  target: PauseTarget
) => Effect.Effect<boolean, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = resumeTarget

/**
 * Whether something has this name now: {@link pause} takes any name, for it may be used only later, and so it takes a
 * misspelt one, too. A task is used if one of its rows is there; a limit, or a key, if a row has it, or a worker has
 * asked for it within an hour or so. It follows indexes. A limit of which there is no key is true, too, where there are
 * more than 10,000 keys of others to look through.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Pauses } from "effect-pg-task"
 *
 * export const program = Effect.gen(function*() {
 *   yield* Pauses.pause({ task: "Mails" })
 *   if (!(yield* Pauses.isUsed({ task: "Mails" }))) yield* Effect.logWarning("There are no tasks of this name")
 * })
 * ```
 * @category pausing
 * @since 0.1.0
 */
export const isUsed: (
  target: PauseTarget
) => Effect.Effect<boolean, TaskError.TaskTableError | SqlError, SqlClient.SqlClient> = isTargetUsed

export {
  /**
   * Something that is paused: a task, a limit, or one key of a limit.
   *
   * @category models
   * @since 0.1.0
   */
  Pause
} from "./internal/admin/pause.ts"

/**
 * What is paused.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { Admin } from "effect-pg-task"
 *
 * export const program = Effect.flatMap(Admin.pauses, Effect.forEach(({ limit, task }) => Console.log(task, limit)))
 * ```
 * @category pausing
 * @since 0.1.0
 */
export const pauses: Effect.Effect<
  ReadonlyArray<Pause>,
  TaskError.TaskTableError | SqlError,
  SqlClient.SqlClient
> = allPauses
