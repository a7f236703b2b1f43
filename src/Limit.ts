/**
 * Limits: how many tasks may be in a state at work at the same time, over all workers, and how many may start in a while.
 *
 * A limit is a property of states. A task that comes into a limited state waits until it has a slot, and the slot goes
 * back when its attempt has ended, however it ends. While it waits, no worker looks at it: so a million waiting tasks of
 * one tenant are in nobody's way. The slots are facts in the rows: nothing is counted, so nothing leaks if a worker is
 * killed, or somebody deletes, parks or moves a row by hand.
 *
 * A rate spreads the starts of attempts over time. `backOff` of a limit lets nobody start for a while, for all workers.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { keyedTypeId, limitTypeId, makeLimit } from "./internal/definition/limit.ts"
import type * as TaskError from "./TaskError.ts"

/**
 * The type id of every `Limit`.
 *
 * @category type ids
 * @since 0.1.0
 */
export const TypeId: TypeId = limitTypeId

/**
 * The type of {@link TypeId}.
 *
 * @category type ids
 * @since 0.1.0
 */
export type TypeId = "~effect-pg-task/Limit"

/**
 * A limit that all steps share which name it, of any task: see {@link make}.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Limit, NextStep, Step } from "effect-pg-task"
 *
 * class Charge extends Schema.TaggedClass<Charge>()("Charge", { order: Schema.String }) {}
 * const Stripe = Limit.make("stripe", { rate: { limit: 100, per: "1 minute" } })
 * declare const charge: (order: string) => Effect.Effect<{ readonly status: number }>
 *
 * export const step = Step.make(Charge, {
 *   limit: Stripe,
 *   retryLimit: 10,
 *   handler: Effect.fnUntraced(function*({ order }) {
 *     const { status } = yield* charge(order)
 *     if (status === 429) {
 *       yield* Stripe.backOff("30 seconds")
 *       return yield* Effect.fail("too many requests")
 *     }
 *     return NextStep.none
 *   })
 * })
 * ```
 * @category models
 * @since 0.1.0
 */
export interface Limit {
  readonly [TypeId]: TypeId
  readonly name: string
  /** How many tasks may be at work at the same time; with `by`, how many of each key. Undefined: any number. */
  readonly running: number | undefined
  /** How many attempts may start in a while; with `by`, how many of each key. Undefined: any number. */
  readonly rate: { readonly limit: number; readonly per: Duration.Duration } | undefined
  /**
   * The same limit for each key by itself: of each tenant, of each account. The key is a text of 1 to 500 characters,
   * made of the state. With `running` as a function of the state, keys may differ in how many may be at work: the last
   * number that a worker has seen holds for the whole key.
   *
   * If one of these functions throws, or returns what it should not, the task is parked, untried.
   */
  readonly by: <State>(
    key: (state: State) => string,
    options?: {
      /** How many of this key may be at work at the same time. Default: the limit's `running`. */
      readonly running?: ((state: State) => number) | undefined
    }
  ) => Keyed<State>
  /**
   * No task of this limit starts for so long, whatever steps name it and whichever worker runs them; with a `key`, no task
   * of this key. Tasks that are at work go on. For a step whose call was answered with "too many requests", for example:
   * let it back off, and fail, so that it is tried again.
   *
   * It holds from its return on, also if the transaction around it is rolled back. A worker may have got a task a moment
   * before, and start it a few milliseconds later; one that hears no notifications, within a second. If the limit backs
   * off already, the later end holds.
   */
  readonly backOff: (
    duration: Duration.Input,
    options?: {
      /** The key that backs off, as `by` makes it. Default: the whole limit. */
      readonly key?: string | undefined
    }
  ) => Effect.Effect<void, TaskError.TaskTableError | SqlError, SqlClient>
}

/**
 * A limit for each key by itself, for steps whose state is a `State`: see `by` of {@link Limit}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Keyed<in State> {
  readonly "~effect-pg-task/Limit/Keyed": "~effect-pg-task/Limit/Keyed"
  readonly name: string
  /** The key of a state. */
  readonly key: (state: State) => string
}

/**
 * Options of {@link make}: at least one of them.
 *
 * @category options
 * @since 0.1.0
 */
export type Options =
  | { readonly running: number; readonly rate?: Rate | undefined }
  | { readonly running?: undefined; readonly rate: Rate }

/**
 * So many starts in so long: a whole number of 1 to 1,000,000, and a duration of 1 millisecond to 366 days.
 *
 * @category options
 * @since 0.1.0
 */
export interface Rate {
  readonly limit: number
  readonly per: Duration.Input
}

/**
 * Makes a limit, for the states whose steps name it. Its name is what the table, `pg-task limits` and `Limits.list` call
 * it: give each limit of a database its own. Tasks get their turn in the order in which they became due.
 *
 * - `running`: at most so many tasks, a whole number of 1 to 10,000, are at work at the same time, over all workers.
 * - `rate`: attempts start no faster than this, over all workers. They are spread evenly: 100 per minute is one each 600
 *   milliseconds, and not 100 at once. In no window of that length are there more than `limit` starts and those of one
 *   second. A retry is a start, too.
 *
 * With `by` they hold for each key by itself.
 *
 * Throws a `TaskDefinitionError` when one of them is no such number, when there is neither, or when the name is no text of
 * 1 to 100 characters without a colon.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Limit, NextStep, Step, Task } from "effect-pg-task"
 *
 * class Charge extends Schema.TaggedClass<Charge>()("Charge", { order: Schema.String }) {}
 * class Sync extends Schema.TaggedClass<Sync>()("Sync", { tenant: Schema.String, plan: Schema.String }) {}
 *
 * // At most five at a time and 100 a minute, whoever they are for; of each tenant two at a time, or ten of a large one.
 * const Stripe = Limit.make("stripe", { running: 5, rate: { limit: 100, per: "1 minute" } })
 * const Tenant = Limit.make("tenant", { running: 2 })
 *
 * export const Payments = Task.make("Payments", [
 *   Step.make(Charge, { limit: Stripe, handler: ({ order }) => Effect.as(Effect.log(order), NextStep.none) })
 * ])
 *
 * export const Syncs = Task.make("Syncs", [
 *   Step.make(Sync, {
 *     limit: Tenant.by(({ tenant }) => tenant, { running: ({ plan }) => plan === "large" ? 10 : 2 }),
 *     handler: ({ tenant }) => Effect.as(Effect.log(tenant), NextStep.none)
 *   })
 * ])
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = (name: string, options: Options): Limit => makeLimit(name, options) as never

/**
 * Tells whether a value is a {@link Limit}, or one with keys.
 *
 * @category guards
 * @since 0.1.0
 */
export const isLimit = (u: unknown): u is Limit | Keyed<never> => hasProperty(u, TypeId) || hasProperty(u, keyedTypeId)
