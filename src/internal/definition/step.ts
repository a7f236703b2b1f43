/** A step at run time, without its public types; and the checks that TypeScript's users get at compile time. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isFunction, isObject } from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { NextStep, Tagged } from "../../NextStep.ts"
import * as RetryPolicy from "../../RetryPolicy.ts"
import { TaskDefinitionError } from "../../TaskError.ts"
import { type FormerDefinition, formersOf } from "./former.ts"
import { isRetryLimit, toRetryDelay } from "./retry.ts"
import type { StateSchema } from "./state.ts"
import { tagOf } from "./tag.ts"

/** A step as the worker sees it. */
export interface StepDefinition {
  readonly tag: string
  readonly state: StateSchema
  readonly next: ReadonlyArray<StateSchema>
  readonly nextTags: ReadonlyArray<string>
  /** The former states that this step takes over. */
  readonly from: ReadonlyArray<FormerDefinition>
  readonly retryLimit: number | undefined
  readonly retryDelay: Duration.Duration | undefined
  readonly retry: Schedule.Schedule<unknown, unknown>
  readonly transactional: boolean
  /** Its moves to other such steps, and to the end, need not be on the disk when they are committed. */
  readonly asyncCommit: boolean
  /** Its services are in the context with which the worker was started: the worker's type asks for them. */
  readonly handler: (state: Tagged) => Effect.Effect<NextStep<unknown, unknown, unknown>, unknown>
}

type Given = "from" | "next" | "retryLimit" | "retry" | "transactional" | "asyncCommit"

interface StepOptions extends Partial<Pick<StepDefinition, Given>> {
  readonly retryDelay?: Duration.Input
  readonly handler: StepDefinition["handler"]
}

const fail = (message: string): never => {
  throw new TaskDefinitionError({ message })
}

const delayOf = (tag: string, input: Duration.Input): Duration.Duration => {
  const delay = toRetryDelay(input)
  return Option.isSome(delay)
    ? delay.value
    : fail(`Step "${tag}": \`retryDelay\` must be a duration of 0 or more, such as "5 seconds"`)
}

const checkOptions = (tag: string, options: StepOptions): void => {
  if (!isObject(options) || !isFunction(options.handler)) fail(`Step "${tag}": \`handler\` must be a function`)
  if (options.next !== undefined && !Array.isArray(options.next)) fail(`Step "${tag}": \`next\` must be an array`)
  if (options.transactional === true && options.asyncCommit === true) {
    fail(`Step "${tag}": give either \`transactional\` or \`asyncCommit\`: a transactional step waits for the disk`)
  }
  checkRetry(tag, options)
}

const checkRetry = (tag: string, options: StepOptions): void => {
  const { retry, retryDelay, retryLimit } = options
  if (retry !== undefined && (retryLimit !== undefined || retryDelay !== undefined)) {
    fail(`Step "${tag}": give either \`retry\`, or \`retryLimit\` and \`retryDelay\``)
  }
  if (retry !== undefined && !Schedule.isSchedule(retry)) fail(`Step "${tag}": \`retry\` must be a Schedule`)
  if (retryLimit !== undefined && !isRetryLimit(retryLimit)) {
    fail(`Step "${tag}": \`retryLimit\` must be a whole number of 0 or more, not ${String(retryLimit)}`)
  }
}

export const makeStep = (state: StateSchema, options: StepOptions): StepDefinition => {
  const tag = tagOf(state, "The state of a step")
  checkOptions(tag, options)
  const next = options.next ?? []
  const { retry } = options
  const retryLimit = retry === undefined ? options.retryLimit ?? RetryPolicy.defaultLimit : undefined
  const retryDelay = retry === undefined
    ? delayOf(tag, options.retryDelay ?? RetryPolicy.defaultDelay)
    : undefined
  const definition: StepDefinition = {
    tag,
    state,
    next,
    nextTags: next.map((schema) => tagOf(schema, `Each \`next\` of step "${tag}"`)),
    from: formersOf(tag, options.from),
    retryLimit,
    retryDelay,
    retry: retry ?? RetryPolicy.make({ limit: retryLimit, delay: retryDelay }),
    transactional: options.transactional ?? false,
    asyncCommit: options.asyncCommit ?? false,
    handler: options.handler
  }
  return Object.assign(definition, { "~effect-pg-task/Step": { _E: identity, _R: identity } })
}

const identity = (_: never): never => _
