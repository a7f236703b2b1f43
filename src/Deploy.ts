/**
 * For deploys that change states: whether every row of the table can be read by the code at hand, and what to do with
 * rows in former states; and whether a change of states is compatible with those before it. The command `pg-task` does
 * the same: `check`, `migrate-states`, `snapshot`.
 *
 * @since 0.1.0
 */
import type { Effect } from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Step from "./Step.ts"
import type * as Task from "./Task.ts"
import type { TaskTableError } from "./TaskError.ts"
import type { FormerServices } from "./internal/definition/former.ts"
import {
  type Incompatibility,
  incompatibilities,
  isSnapshot as isSnapshotValue,
  type Snapshot,
  snapshotOf
} from "./internal/definition/snapshot.ts"
import { definitionOf, tagsIn } from "./internal/definition/task.ts"
import {
  type CheckReport,
  checkStates,
  type MigrateReport,
  migrateStates,
  type StatesOptions
} from "./internal/admin/states.ts"

export type {
  /**
   * What {@link check} found. Rows of `otherTasks` were not decoded.
   *
   * @category models
   * @since 0.1.0
   */
  CheckReport,
  /**
   * How many rows are in one former state. Without any, the step may drop it from its `from`.
   *
   * @category models
   * @since 0.1.0
   */
  FormerRows,
  /**
   * What {@link migrate} did: how many rows it rewrote, how many fit no state and stayed as they are, and how many it
   * passed, because a worker took them meanwhile.
   *
   * @category models
   * @since 0.1.0
   */
  MigrateReport,
  /**
   * Options of {@link check} and {@link migrate}. `onProgress` is run after each page of rows, with how many rows were
   * read so far.
   *
   * @category options
   * @since 0.1.0
   */
  StatesOptions,
  /**
   * How many rows fit no state, for one reason, and the id of one of them.
   *
   * @category models
   * @since 0.1.0
   */
  UnfitRows
} from "./internal/admin/states.ts"

/**
 * What it takes to decode the rows of a task, former ones too, and to encode them again.
 *
 * @category utility types
 * @since 0.1.0
 */
export type StateServices<T extends Task.Any> = T["steps"][number] extends infer S
  ? S extends Step.Any
    ? S["state"]["DecodingServices"] | S["state"]["EncodingServices"] | FormerServices<S["from"][number]>
  : never
  : never

/**
 * Whether one of these tasks has the state of a row, as one of today or as a former one. A worker of these tasks claims
 * no row in another state.
 *
 * @example
 * ```ts
 * import { type Admin, Deploy, type Task } from "effect-pg-task"
 *
 * export function isKnown(tasks: ReadonlyArray<Task.Any>, row: Admin.Row) {
 *   return Deploy.knows(tasks, row)
 * }
 * ```
 * @category deploys
 * @since 0.1.0
 */
export const knows = (
  tasks: ReadonlyArray<Task.Any>,
  { step, task }: { readonly task: string | null; readonly step: string | null }
): boolean => step !== null && tasks.some((one) => one.name === task && tagsIn(definitionOf(one)).includes(step))

/**
 * Decodes every row of these tasks with the code at hand, before it is deployed. It changes nothing. The report says
 * which rows fit no state, and why; how many rows are in each former state; and how many rows are of other tasks.
 *
 * The state that waits in the column `pending` to replace one that runs is checked and counted, too.
 *
 * It reads the rows in pages, in the order of their ids: a million takes seconds. Rows that move on meanwhile are
 * checked as they were when they were read.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Deploy, type Task } from "effect-pg-task"
 *
 * export function mayDeploy(task: Task.Any<never>) {
 *   return Effect.map(Deploy.check(task), ({ unfit }) => unfit.length === 0)
 * }
 * ```
 * @category deploys
 * @since 0.1.0
 */
export const check: <T extends Task.Any>(
  tasks: T | ReadonlyArray<T>,
  options?: StatesOptions
) => Effect<CheckReport, TaskTableError | SqlError, SqlClient | StateServices<T>> = checkStates as never

/**
 * Rewrites the rows of these tasks that are in a former state: each gets the state that it became. Only the state
 * changes: a row keeps its times, its tries, its error, and the idempotency key of its next attempt. Rows that a worker
 * holds are passed over. Run it when no old worker runs any more: it would not know the new states.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Deploy, type Task } from "effect-pg-task"
 *
 * export function clean(task: Task.Any<never>) {
 *   return Effect.repeat(Deploy.migrate(task), { until: ({ passed }) => passed === 0 })
 * }
 * ```
 * @category deploys
 * @since 0.1.0
 */
export const migrate: <T extends Task.Any>(
  tasks: T | ReadonlyArray<T>,
  options?: StatesOptions
) => Effect<MigrateReport, TaskTableError | SqlError, SqlClient | StateServices<T>> = migrateStates as never

// ---------------------------------------------------------------------------------------------------------------
// Snapshots
// ---------------------------------------------------------------------------------------------------------------

export type {
  /**
   * Something in a build that rows of an older one can't be decoded with. Without a `state` it is about the whole task.
   *
   * @category models
   * @since 0.1.0
   */
  Incompatibility,
  /**
   * The shape of one state: a JSON Schema of what is stored, and the definitions that it refers to.
   *
   * @category models
   * @since 0.1.0
   */
  Shape,
  /**
   * The shapes of a build's states, former ones too, by the task's name and the state's tag. It is plain JSON.
   *
   * @category models
   * @since 0.1.0
   */
  Snapshot
} from "./internal/definition/snapshot.ts"

/**
 * The shapes of all states of these tasks, for a file in your repository: the command `snapshot` of `pg-task` writes it.
 *
 * @example
 * ```ts
 * import { Deploy, type Task } from "effect-pg-task"
 *
 * export function asText(tasks: ReadonlyArray<Task.Any>) {
 *   return JSON.stringify(Deploy.snapshot(tasks), null, 2)
 * }
 * ```
 * @category snapshots
 * @since 0.1.0
 */
export const snapshot = (tasks: ReadonlyArray<Task.Any>): Snapshot => snapshotOf(tasks.map(definitionOf))

/**
 * What rows of the older build can't be decoded with by the newer one: a field that is required now, another type, a
 * narrower one, a state that was removed without a former state in its place. An added field that is optional, or has a
 * decoding default, is fine, and so is a new state.
 *
 * It compares JSON Schemas of what is stored. What these don't say (a transformation that reads the same JSON in another
 * way, a pattern, a filter of your own) can't be seen: {@link check} tries the rows themselves.
 *
 * @example
 * ```ts
 * import { Deploy, type Task } from "effect-pg-task"
 *
 * export function isSafe(before: Deploy.Snapshot, tasks: ReadonlyArray<Task.Any>) {
 *   return Deploy.compare(before, Deploy.snapshot(tasks)).length === 0
 * }
 * ```
 * @category snapshots
 * @since 0.1.0
 */
export const compare = (before: Snapshot, after: Snapshot): ReadonlyArray<Incompatibility> =>
  incompatibilities(before, after)

/**
 * Tells whether a value, such as the content of a file, is a {@link Snapshot}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSnapshot = (u: unknown): u is Snapshot => isSnapshotValue(u)
