/**
 * Recurring tasks: a schedule in the database starts a task at each of its ticks, once, however many workers there are.
 *
 * A schedule is a row of `pg_task`, whose `wakeup_at` is its next tick. The workers that know the recurring task look
 * after it: what a tick starts, and the move to the next tick, are committed together.
 *
 * @since 0.1.0
 */
import type * as Cron from "effect/Cron"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Wrong } from "./internal/definition/enqueueTypes.ts"
import { makeRecurring } from "./internal/definition/recurring.ts"
import { makeScheduling } from "./internal/definition/scheduling.ts"
import type * as Task from "./Task.ts"
import type { TaskOptionsError, TaskTableError } from "./TaskError.ts"

/**
 * The type id of every `Recurring`.
 *
 * @category type ids
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-pg-task/Recurring"

/**
 * The type of {@link TypeId}.
 *
 * @category type ids
 * @since 0.1.0
 */
export type TypeId = "~effect-pg-task/Recurring"

/**
 * One moment of a schedule: what the `state` of a recurring task is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tick {
  /** When it is due, in the zone of its schedule. If somebody made it due by hand: when that was. */
  readonly date: DateTime.Zoned
  /** The name of its schedule: that of the recurring task, or the one given to `schedule`. */
  readonly name: string
  /** How many ticks right before it were missed, and are not run. */
  readonly missed: number
}

/**
 * When a schedule is due.
 *
 * @category options
 * @since 0.1.0
 */
export interface ScheduleOptions {
  /** A cron expression of five or six fields, such as `"0 3 * * *"`, or a `Cron` of Effect. */
  readonly cron: string | Cron.Cron
  /** The name of a time zone, such as `"Europe/Berlin"`. Default `"UTC"`, or the zone of the `Cron`. */
  readonly timeZone?: string | undefined
}

/**
 * What `schedule` and `unschedule` fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type ScheduleError = TaskOptionsError | TaskTableError | SqlError

/**
 * A recurring task with the given name. `R` are the services that a worker needs to encode its states.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recurring<in out Name extends string, out R = never> extends Any<R> {
  readonly name: Name
  /**
   * Stores a schedule beside its own, such as one for a tenant, or gives the one of this name another time. It is part
   * of the transaction of its caller. `name`: 1 to 200 characters, not the name of the recurring task itself.
   */
  readonly schedule: (name: string, options: ScheduleOptions) => Effect.Effect<void, ScheduleError, SqlClient>
  /** Deletes a schedule. False if there is none of this name. What it has started goes on. */
  readonly unschedule: (name: string) => Effect.Effect<boolean, ScheduleError, SqlClient>
}

/**
 * Any recurring task, for constraints.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any<out R = unknown> {
  readonly [TypeId]: { readonly _R: (_: never) => R }
  readonly name: string
}

/**
 * Options of {@link make}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<T extends Task.AnyDeclaration> {
  /**
   * When its own schedule is due: a cron expression of five or six fields, or a `Cron` of Effect. Default: it has no
   * schedule of its own, only those that `schedule` makes.
   */
  readonly cron?: string | Cron.Cron | undefined
  /** The name of a time zone, such as `"Europe/Berlin"`. Default `"UTC"`, or the zone of the `Cron`. */
  readonly timeZone?: string | undefined
  /**
   * Raise it when you change `cron` or `timeZone`: a worker that starts overwrites only a stored schedule of a lower
   * version. So an older worker that restarts in the middle of a deploy turns nothing back. Default 0.
   */
  readonly version?: number | undefined
  /** The task that each tick starts, or its declaration. */
  readonly task: T
  /** The state in which it begins. It should do nothing else: it is called in the transaction of the tick. */
  readonly state: (tick: Tick) => Task.EntryState<T>
  /**
   * What happens to ticks that were due while no worker ran. `"once"`: the newest is run, however late. `"skip"`: the
   * newest is run if it is at most a minute late. `"all"`: each of them is run. Default `"once"`.
   */
  readonly missed?: "once" | "all" | "skip" | undefined
  /**
   * What happens if the run of an earlier tick of this schedule has not ended. `"skip"`: the tick is not run. A parked
   * run has not ended; a result that is kept has. `"allow"`: it is run beside it. Default `"skip"`.
   */
  readonly overlap?: "skip" | "allow" | undefined
  /** Each tick begins up to this much later, at random, so that not all begin together. Default: none. */
  readonly jitter?: Duration.Input | undefined
}

/** A cron expression that is known at compile time has five or six fields. */
type CheckCron<C> = C extends string ? string extends C ? unknown
  : Fields<C>["length"] extends 5 | 6 ? unknown
  : { readonly cron: Wrong<`"${C}" is no cron expression: it must have five or six fields`> }
  : unknown

type Fields<C extends string> = C extends `${infer First} ${infer Rest}`
  ? First extends "" ? Fields<Rest> : [First, ...Fields<Rest>]
  : C extends "" ? []
  : [C]

/** Runs of missed ticks would begin together. */
type CheckMissed<Missed, Overlap> = Missed extends "all"
  ? Overlap extends "allow" ? unknown : { readonly missed: Wrong<"`missed: \"all\"` needs `overlap: \"allow\"`"> }
  : unknown

/**
 * Makes a recurring task. Give it to a worker, beside its tasks: the worker stores its schedule when it starts, and looks
 * after all its schedules. Its name must not be that of a task. Don't change it later: rows in the database hold it.
 *
 * Ticks are by Effect's `Cron`, in the time zone of the schedule: an hour that the clocks skip has its ticks when it
 * would have begun; one that comes twice has its ticks once.
 *
 * Throws a `TaskDefinitionError` for a `cron` or a `timeZone` that is none.
 *
 * @example
 * ```ts
 * import { DateTime, Effect, Schema } from "effect"
 * import { NextStep, Recurring, Step, Task, Worker } from "effect-pg-task"
 *
 * class Build extends Schema.TaggedClass<Build>()("Build", { day: Schema.String }) {}
 *
 * const Report = Task.make("Report", [Step.make(Build, { handler: () => Effect.succeed(NextStep.none) })])
 *
 * const Nightly = Recurring.make("nightly-report", {
 *   cron: "0 3 * * *",
 *   timeZone: "Europe/Berlin",
 *   task: Report,
 *   state: (tick) => new Build({ day: DateTime.formatIsoDate(tick.date) })
 * })
 *
 * // Layer<Worker, WorkerError, SqlClient>
 * export const WorkerLive = Worker.layer({ tasks: [Report, Nightly] })
 *
 * // One more, for a tenant.
 * export const program = Nightly.schedule("tenant-7", { cron: "0 6 * * 1", timeZone: "America/Chicago" })
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  const Name extends string,
  T extends Task.AnyDeclaration,
  const C extends string | Cron.Cron | undefined = undefined,
  const Missed extends Options<T>["missed"] = undefined,
  const Overlap extends Options<T>["overlap"] = undefined
>(
  name: Name,
  options:
    & Options<T>
    & { readonly cron?: C; readonly missed?: Missed; readonly overlap?: Overlap }
    & CheckCron<C>
    & CheckMissed<Missed, Overlap>
): Recurring<Name, T["states"][number]["EncodingServices"]> => {
  const definition = makeRecurring(name, options)
  return Object.assign({ [TypeId]: { _R: identity } }, definition, makeScheduling(definition)) as never
}

const identity = (_: never): never => _

/**
 * Tells whether a value is a {@link Recurring}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRecurring = (u: unknown): u is Any => hasProperty(u, TypeId)
