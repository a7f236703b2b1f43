/**
 * Where a task goes after a step: nowhere ({@link none}), to a state at once ({@link now}), after a while
 * ({@link delay}), or at a moment ({@link at}). A step's handler returns one of these.
 *
 * | returned | the row afterwards |
 * | --- | --- |
 * | `NextStep.none` | deleted: the task is done |
 * | `NextStep.now(state)` | holds `state`; the same worker goes on with it |
 * | `NextStep.delay(state, duration)` | holds `state`, due `duration` from now by Postgres's clock |
 * | `NextStep.at(state, dateTime)` | holds `state`, due at `dateTime` |
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"

/**
 * The type id of every `NextStep`.
 *
 * @category type ids
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-pg-task/NextStep"

/**
 * The type of {@link TypeId}.
 *
 * @category type ids
 * @since 0.1.0
 */
export type TypeId = "~effect-pg-task/NextStep"

/**
 * A decoded state, as far as every task knows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tagged {
  readonly _tag: string
}

/**
 * Where a task goes after a step. `S` is the state it moves to (`never` for {@link none}), `E` and `R` the errors
 * and services of its `commit` effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface NextStep<out S, out E = never, out R = never> {
  readonly [TypeId]: {
    readonly _S: (_: never) => S
    readonly _E: (_: never) => E
    readonly _R: (_: never) => R
  }
  /** What becomes of the task. */
  readonly move: Move
  /** An effect to run in the same database transaction as the transition, if any. */
  readonly commit: Effect.Effect<unknown, E, R> | undefined
}

/**
 * What becomes of the task, as plain data.
 *
 * @category models
 * @since 0.1.0
 */
export type Move =
  | { readonly _tag: "None" }
  | { readonly _tag: "Now"; readonly state: Tagged }
  | { readonly _tag: "Delay"; readonly state: Tagged; readonly duration: Duration.Duration }
  | { readonly _tag: "At"; readonly state: Tagged; readonly dateTime: DateTime.DateTime }

/**
 * Options of every constructor.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E = never, R = never> {
  /**
   * Runs in one database transaction with the transition: both are committed, or neither. For writes to this
   * Postgres; never call the outside world from it. Its failure counts as a failure of the step.
   */
  readonly commit?: Effect.Effect<unknown, E, R> | undefined
}

/**
 * Tells whether a value is a {@link NextStep}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isNextStep = (u: unknown): u is NextStep<unknown, unknown, unknown> => hasProperty(u, TypeId)

const variance = {
  _S: (_: never) => _,
  _E: (_: never) => _,
  _R: (_: never) => _
}

const make = <E, R>(move: Move, commit: Effect.Effect<unknown, E, R> | undefined): NextStep<never, E, R> => ({
  [TypeId]: variance,
  move,
  commit
})

/**
 * The task is done: its row is deleted.
 *
 * @example
 * ```ts
 * import { Console, Effect, Schema } from "effect"
 * import { NextStep, Step } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * export const sayHello = Step.make(SayHello, {
 *   handler: ({ name }) => Console.log(`Hello, ${name}`).pipe(Effect.as(NextStep.none))
 * })
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const none: NextStep<never> = make<never, never>({ _tag: "None" }, undefined)

/**
 * The task is done, and `commit` runs in one transaction with the removal of its row.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SqlClient } from "effect/sql"
 * import { NextStep } from "effect-pg-task"
 *
 * export const paid = Effect.gen(function*() {
 *   const sql = yield* SqlClient.SqlClient
 *   return NextStep.noneWith({ commit: sql`update invoice set paid = true where id = 1` })
 * })
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const noneWith = <E = never, R = never>(options: Options<E, R>): NextStep<never, E, R> =>
  make({ _tag: "None" }, options.commit)

/**
 * Moves to `state` at once. The same worker keeps the task and goes on with it.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { NextStep } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * export const next = NextStep.now(new SayHello({ name: "Fedor" }))
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const now = <const S extends Tagged, E = never, R = never>(
  state: S,
  options?: Options<E, R>
): NextStep<S, E, R> => make({ _tag: "Now", state }, options?.commit)

/**
 * Moves to `state`, which becomes due `duration` after the transition is stored, by Postgres's clock. With a duration
 * of zero or less it is due at once, but behind the tasks that are due already.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { NextStep } from "effect-pg-task"
 *
 * class Remind extends Schema.TaggedClass<Remind>()("Remind", { user: Schema.String }) {}
 *
 * export const next = NextStep.delay(new Remind({ user: "ada" }), "3 days")
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const delay = <const S extends Tagged, E = never, R = never>(
  state: S,
  duration: Duration.Input,
  options?: Options<E, R>
): NextStep<S, E, R> => make({ _tag: "Delay", state, duration: Duration.fromInputUnsafe(duration) }, options?.commit)

/**
 * Moves to `state`, which becomes due at `dateTime`. A moment in the past is due at once.
 *
 * @example
 * ```ts
 * import { DateTime, Schema } from "effect"
 * import { NextStep } from "effect-pg-task"
 *
 * class Party extends Schema.TaggedClass<Party>()("Party", {}) {}
 *
 * export const next = NextStep.at(new Party(), DateTime.makeUnsafe("2030-01-01T00:00:00Z"))
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const at = <const S extends Tagged, E = never, R = never>(
  state: S,
  dateTime: DateTime.DateTime,
  options?: Options<E, R>
): NextStep<S, E, R> => make({ _tag: "At", state, dateTime }, options?.commit)
