/** A limit at run time: how many rows of a key may run at the same time. */
import { hasProperty, isFunction, isObject } from "effect/Predicate"
import type { Tagged } from "../../NextStep.ts"
import { TaskDefinitionError } from "../../TaskError.ts"
import type { LimitOfRow } from "../sql/limits.ts"

export const limitTypeId = "~effect-pg-task/Limit"
export const keyedTypeId = "~effect-pg-task/Limit/Keyed"

/** What a step says about its limit. */
export interface LimitDefinition {
  readonly name: string
  /** The key of a state. Undefined: all states share the limit. */
  readonly key: ((state: Tagged) => unknown) | undefined
  readonly running: number | ((state: Tagged) => unknown)
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

const isRunning = (running: unknown): running is number =>
  Number.isInteger(running) && (running as number) >= 1 && (running as number) <= maxRunning

const runningRule = `a whole number of 1 to ${maxRunning}`

const checkName = (name: unknown): void => {
  if (typeof name !== "string" || name === "" || name.length > maxName || unstorable.test(name) || name.includes(":")) {
    fail(name, `its name must be a text of 1 to ${maxName} characters, without ":", NUL or half surrogate pairs`)
  }
}

interface KeyedOptions {
  readonly running?: ((state: Tagged) => unknown) | undefined
}

/** `Limit.make`. */
export const makeLimit = (name: string, options: { readonly running: number }) => {
  checkName(name)
  const running: unknown = isObject(options) ? options.running : undefined
  if (!isRunning(running)) fail(name, `\`running\` must be ${runningRule}, not ${String(running)}`)
  return {
    [limitTypeId]: limitTypeId,
    name,
    running,
    by: (key: (state: Tagged) => unknown, { running: ofState }: KeyedOptions = {}) => {
      if (!isFunction(key)) fail(name, "give `by` a function that returns the key of a state")
      if (ofState !== undefined && !isFunction(ofState)) {
        fail(name, "the `running` of a key must be a function of the state")
      }
      return { [keyedTypeId]: keyedTypeId, name, key, running: ofState ?? running }
    }
  }
}

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

/** What was given as the `limit` of a step. */
export const limitOf = (step: string, given: unknown): LimitDefinition | undefined => {
  if (given === undefined) return undefined
  if (hasProperty(given, keyedTypeId)) return given as unknown as LimitDefinition
  if (hasProperty(given, limitTypeId)) return { ...given as unknown as LimitDefinition, key: undefined }
  throw new TaskDefinitionError({
    message: `Step "${step}": \`limit\` must be made with Limit.make, or with the \`by\` of such a limit`
  })
}

/** The limit of a state. Throws what the user's functions throw, and for what they should not return. */
export const limitOfState = ({ key, name, running }: LimitDefinition, state: Tagged): LimitOfRow => {
  const slots = isFunction(running) ? running(state) : running
  if (!isRunning(slots)) {
    throw new TypeError(`the \`running\` of the limit "${name}" must return ${runningRule}, not ${String(slots)}`)
  }
  if (key === undefined) return { key: name, slots }
  const value = key(state)
  if (typeof value !== "string" || value === "" || value.length > maxKey || unstorable.test(value)) {
    throw new TypeError(
      `the key of the limit "${name}" must be a text of 1 to ${maxKey} characters, without NUL or half surrogate pairs`
    )
  }
  return { key: `${name}:${value}`, slots }
}
