/** A limit at run time: how many rows of a key may run at the same time, and how many may start in a while. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hasProperty, isFunction, isObject } from "effect/Predicate"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Tagged } from "../../NextStep.ts"
import { TaskDefinitionError, type TaskTableError } from "../../TaskError.ts"
import { backOff } from "../sql/backOff.ts"
import { toTableError } from "../sql/errors.ts"
import { anyNumber } from "../sql/limitSchema.ts"
import type { LimitOfRow, RateOfRow } from "../sql/limits.ts"
import { apart } from "../sql/query.ts"

export const limitTypeId = "~effect-pg-task/Limit"
export const keyedTypeId = "~effect-pg-task/Limit/Keyed"

/** What a step says about its limit. */
export interface LimitDefinition {
  readonly name: string
  /** The key of a state. Undefined: all states share the limit. */
  readonly key: ((state: Tagged) => unknown) | undefined
  /** Undefined: any number of them. */
  readonly running: number | ((state: Tagged) => unknown) | undefined
  readonly rate: RateOfRow | undefined
}

/** Slots are numbered, and looked for one by one. */
const maxRunning = 10_000

/** In the name a colon would be taken for the beginning of the key. */
const maxName = 100
const maxKey = 500

/** Postgres can't store NUL or half a surrogate pair in a text. */
const unstorable = /[\0\uD800-\uDFFF]/u

const fail = (name: unknown, message: string): never => {
  throw new TaskDefinitionError({ message: `Limit ${JSON.stringify(name)}: ${message}` })
}

export const isRunning = (running: unknown): running is number =>
  Number.isInteger(running) && (running as number) >= 1 && (running as number) <= maxRunning

/** Types say that it is a number, but anything may be given. */
const textOf: (given: unknown) => string = String

export const runningRule = `a whole number of 1 to ${maxRunning}`

const checkName = (name: unknown): void => {
  if (typeof name !== "string" || name === "" || name.length > maxName || unstorable.test(name) || name.includes(":")) {
    fail(name, `its name must be a text of 1 to ${maxName} characters, without ":", NUL or half surrogate pairs`)
  }
}

/** What is longer is no rate, but a schedule. In milliseconds. */
const longestPer = Duration.toMillis("366 days")
const mostStarts = 1_000_000

interface RateOptions {
  readonly limit: number
  readonly per: Duration.Input
}

const rateRule =
  `\`rate\` must be { limit, per }: a whole number of 1 to ${mostStarts}, and a duration of 1 millisecond to 366 days`

const rateOf = (name: string, rate: unknown): RateOptions & { readonly per: Duration.Duration } | undefined => {
  if (rate === undefined) return undefined
  const { limit, per: given } = isObject(rate) ? rate as Partial<RateOptions> : {}
  const per = Option.getOrUndefined(Duration.fromInput(given as Duration.Input))
  if (!Number.isInteger(limit) || limit! < 1 || limit! > mostStarts || per === undefined) return fail(name, rateRule)
  const millis = Duration.toMillis(per)
  return millis >= 1 && millis <= longestPer ? { limit: limit!, per } : fail(name, rateRule)
}

interface KeyedOptions {
  readonly running?: ((state: Tagged) => unknown) | undefined
}

interface Options {
  readonly running?: number | undefined
  readonly rate?: RateOptions | undefined
}

/** `Limit.make`. */
export const makeLimit = (name: string, options: Options) => {
  checkName(name)
  const given = isObject(options) ? options : {}
  const { running } = given
  const rate = rateOf(name, given.rate)
  if (running === undefined && rate === undefined) fail(name, "give it `running`, or a `rate`, or both")
  if (running !== undefined && !isRunning(running)) {
    fail(name, `\`running\` must be ${runningRule}, not ${textOf(running)}`)
  }
  return {
    [limitTypeId]: limitTypeId,
    name,
    running,
    rate,
    by: (key: (state: Tagged) => unknown, { running: ofState }: KeyedOptions = {}) => {
      if (!isFunction(key)) fail(name, "give `by` a function that returns the key of a state")
      if (ofState !== undefined && !isFunction(ofState)) {
        fail(name, "the `running` of a key must be a function of the state")
      }
      return { [keyedTypeId]: keyedTypeId, name, key, running: ofState ?? running, rate }
    },
    backOff: backOffOf(name)
  }
}

/** Longer than anybody waits: times have an end. In milliseconds. */
const longestBackOff = Duration.toMillis("36600 days")

/** A step that fails is to wait, too: what is noted stays noted if its transaction is rolled back. */
const backOffOf = (name: string) =>
(
  duration: Duration.Input,
  options?: { readonly key?: string | undefined }
): Effect.Effect<void, TaskTableError | SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => {
    const millis = Duration.toMillis(Duration.fromInputUnsafe(duration))
    const key = options?.key === undefined ? name : `${name}:${options.key}`
    return apart(sql, backOff(sql, { key, millis: Math.min(Math.max(millis, 0), longestBackOff) }))
  }).pipe(Effect.catchTag("SqlError", toTableError))

/** The limits of states, by their tags. Undefined if there are none: then nobody asks for one. */
export type Limits = ReadonlyMap<string, LimitDefinition> | undefined

export const limitsOf = (
  states: ReadonlyArray<{ readonly tag: string; readonly limit?: LimitDefinition | undefined }>
): Limits => {
  const limits = states.flatMap(({ limit, tag }) => limit === undefined ? [] : [[tag, limit] as const])
  return limits.length === 0 ? undefined : new Map(limits)
}

/** The limit with which a new task is stored. If it can't be told, whoever claims the task says why. */
export const limitOfNew = (limits: Limits, state: Tagged): LimitOfRow | undefined => {
  const limit = limits?.get(state._tag)
  try {
    return limit && limitOfState(limit, state)
  } catch {
    return undefined
  }
}

/** Those limits of some tasks that are the same for each of their keys, by their names. */
export const sameForAllKeys = (all: Iterable<Limits>): ReadonlyArray<LimitOfRow> => {
  const limits = [...all].flatMap((limits) => [...limits?.values() ?? []])
  const differing = new Set(limits.flatMap(({ name, running }) => isFunction(running) ? [name] : []))
  return limits.flatMap(({ name, rate, running }) =>
    differing.has(name) || isFunction(running) ? [] : [{ key: name, slots: running ?? anyNumber, rate }]
  )
}

/** What was given as the `limit` of a step. */
export const limitOf = (step: string, given: unknown): LimitDefinition | undefined => {
  if (given === undefined) return undefined
  if (hasProperty(given, limitTypeId) || hasProperty(given, keyedTypeId)) {
    const { key, name, rate, running } = given as unknown as Omit<LimitDefinition, "rate"> & {
      readonly rate: RateOptions | undefined
    }
    return { name, key, running, rate: rate && { limit: rate.limit, per: Duration.toMillis(rate.per) } }
  }
  throw new TaskDefinitionError({
    message: `Step "${step}": \`limit\` must be made with Limit.make, or with the \`by\` of such a limit`
  })
}

/** Throws what the user's function throws, and for what it should not return. */
const slotsOf = ({ name, running }: LimitDefinition, state: Tagged): number => {
  if (running === undefined) return anyNumber
  const slots: unknown = isFunction(running) ? running(state) : running
  if (isRunning(slots)) return slots
  throw new TypeError(`the \`running\` of the limit "${name}" must return ${runningRule}, not ${String(slots)}`)
}

/** The limit of a state. Throws what the user's functions throw, and for what they should not return. */
export const limitOfState = (limit: LimitDefinition, state: Tagged): LimitOfRow => {
  const { key, name, rate } = limit
  const slots = slotsOf(limit, state)
  if (key === undefined) return { key: name, slots, rate }
  const value = key(state)
  if (typeof value !== "string" || value === "" || value.length > maxKey || unstorable.test(value)) {
    throw new TypeError(
      `the key of the limit "${name}" must be a text of 1 to ${maxKey} characters, without NUL or half surrogate pairs`
    )
  }
  return { key: `${name}:${value}`, slots, rate }
}
