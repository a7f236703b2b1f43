/**
 * Limits: how many tasks may be in a state at work at the same time, over all workers.
 *
 * A limit is a property of states. A task that comes into a limited state waits until it has a slot, and the slot goes
 * back when its attempt has ended, however it ends. While it waits, no worker looks at it: so a million waiting tasks of
 * one tenant are in nobody's way. The slots are facts in the rows: nothing is counted, so nothing leaks if a worker is
 * killed, or somebody deletes, parks or moves a row by hand.
 *
 * @since 0.1.0
 */
import { hasProperty } from "effect/Predicate"
import { keyedTypeId, limitTypeId, makeLimit } from "./internal/definition/limit.ts"

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
 * @category models
 * @since 0.1.0
 */
export interface Limit {
  readonly [TypeId]: TypeId
  readonly name: string
  /** How many tasks may be at work at the same time; with `by`, how many of each key. */
  readonly running: number
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
 * Makes a limit: at most `running` tasks, a whole number of 1 to 10,000, are at work at the same time in the states
 * whose steps name it, over all workers. Its name is what the table, `pg-task limits` and `Limits.list` call it: give
 * each limit of a database its own. Tasks get their slots in the order in which they became due.
 *
 * Throws a `TaskDefinitionError` when `running` is no such number, or when the name is no text of 1 to 100 characters
 * without a colon.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Limit, NextStep, Step, Task } from "effect-pg-task"
 *
 * class Charge extends Schema.TaggedClass<Charge>()("Charge", { order: Schema.String }) {}
 * class Sync extends Schema.TaggedClass<Sync>()("Sync", { tenant: Schema.String, plan: Schema.String }) {}
 *
 * // At most five at a time, whoever they are for; two at a time of each tenant, or ten of a large one.
 * const Stripe = Limit.make("stripe", { running: 5 })
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
export const make = (
  name: string,
  options: {
    /** How many tasks may be at work at the same time; of each key, if steps use it with `by`. */
    readonly running: number
  }
): Limit => makeLimit(name, options) as never

/**
 * Tells whether a value is a {@link Limit}, or one with keys.
 *
 * @category guards
 * @since 0.1.0
 */
export const isLimit = (u: unknown): u is Limit | Keyed<never> => hasProperty(u, TypeId) || hasProperty(u, keyedTypeId)
