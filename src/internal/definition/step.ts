/** A step at run time, without its public types; and the checks that TypeScript's users get at compile time. */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isFunction, isObject } from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { NextStep, Tagged } from "../../NextStep.ts"
import * as RetryPolicy from "../../RetryPolicy.ts"
import { TaskDefinitionError } from "../../TaskError.ts"
import { type FormerDefinition, formersOf } from "./former.ts"
import { type LimitDefinition, limitOf } from "./limit.ts"
import { isRetryLimit, toRetryDelay } from "./retry.ts"
import type { StateSchema } from "./state.ts"
import { tagOf } from "./tag.ts"

/** What a handler may do, as the worker sees it: that of a step, or of one thing that a waiting state waits for. */
export interface TransitionDefinition {
  readonly next: ReadonlyArray<StateSchema>
  readonly nextTags: ReadonlyArray<string>
  readonly retryLimit: number | undefined
  readonly retryDelay: Duration.Duration | undefined
  readonly retry: Schedule.Schedule<unknown, unknown>
  readonly transactional: boolean
  /** Its moves to other such steps, and to the end, need not be on the disk when they are committed. */
  readonly asyncCommit: boolean
  /** Its services are in the context with which the worker was started: the worker's type asks for them. */
  readonly handler: (state: Tagged, input?: unknown) => Effect.Effect<NextStep<unknown, unknown, unknown>, unknown>
}

/** A step as the worker sees it. */
export interface StepDefinition extends TransitionDefinition {
  readonly tag: string
  readonly state: StateSchema
  /** The former states that this step takes over. */
  readonly from: ReadonlyArray<FormerDefinition>
  /** For how long a task that has ended in this state is kept. Undefined if the state is not final. */
  readonly keep: Duration.Duration | undefined
  /** How many tasks may be in its state at work at the same time. Undefined: any number. */
  readonly limit: LimitDefinition | undefined
  /** What its state waits for. Undefined for all but waiting states: their own handler is never called. */
  readonly on?: ReadonlyArray<BranchDefinition>
}

/** One thing that a waiting state waits for. */
export interface BranchDefinition extends TransitionDefinition {
  /** The tag of a signal, or a name that no signal can have: `$timeout`. */
  readonly tag: string
  readonly signal: StateSchema | undefined
  /** When it happens by itself: what a timeout was given. */
  readonly after: Duration.Input | ((state: Tagged) => Duration.Input | DateTime.DateTime) | undefined
}

type Given = "next" | "retryLimit" | "retry" | "transactional" | "asyncCommit"

export interface TransitionOptions extends Partial<Pick<TransitionDefinition, Given>> {
  readonly retryDelay?: Duration.Input
  readonly handler: TransitionDefinition["handler"]
}

const identity = (_: never): never => _

export const failStep = (message: string): never => {
  throw new TaskDefinitionError({ message })
}

const delayOf = (who: string, input: Duration.Input): Duration.Duration => {
  const delay = toRetryDelay(input)
  return Option.isSome(delay)
    ? delay.value
    : failStep(`${who}: \`retryDelay\` must be a duration of 0 or more, such as "5 seconds"`)
}

const checkOptions = (who: string, options: TransitionOptions): void => {
  if (!isObject(options) || !isFunction(options.handler)) failStep(`${who}: \`handler\` must be a function`)
  if (options.next !== undefined && !Array.isArray(options.next)) failStep(`${who}: \`next\` must be an array`)
  if (options.transactional === true && options.asyncCommit === true) {
    failStep(`${who}: give either \`transactional\` or \`asyncCommit\`: a transactional step waits for the disk`)
  }
  checkRetry(who, options)
}

const checkRetry = (who: string, options: TransitionOptions): void => {
  const { retry, retryDelay, retryLimit } = options
  if (retry !== undefined && (retryLimit !== undefined || retryDelay !== undefined)) {
    failStep(`${who}: give either \`retry\`, or \`retryLimit\` and \`retryDelay\``)
  }
  if (retry !== undefined && !Schedule.isSchedule(retry)) failStep(`${who}: \`retry\` must be a Schedule`)
  if (retryLimit !== undefined && !isRetryLimit(retryLimit)) {
    failStep(`${who}: \`retryLimit\` must be a whole number of 0 or more, not ${String(retryLimit)}`)
  }
}

/** Checks the options of a handler. `who` names it in messages. */
export const makeTransition = (who: string, options: TransitionOptions): TransitionDefinition => {
  checkOptions(who, options)
  const next = options.next ?? []
  const { retry } = options
  const retryLimit = retry === undefined ? options.retryLimit ?? RetryPolicy.defaultLimit : undefined
  const retryDelay = retry === undefined
    ? delayOf(who, options.retryDelay ?? RetryPolicy.defaultDelay)
    : undefined
  return {
    next,
    nextTags: next.map((schema) => tagOf(schema, `Each \`next\` of ${who[0]!.toLowerCase()}${who.slice(1)}`)),
    retryLimit,
    retryDelay,
    retry: retry ?? RetryPolicy.make({ limit: retryLimit, delay: retryDelay }),
    transactional: options.transactional ?? false,
    asyncCommit: options.asyncCommit ?? false,
    handler: options.handler
  }
}

/** What makes a value a step to `Step.isStep`. */
export const stepTypeId = { "~effect-pg-task/Step": { _E: identity, _R: identity } }

export interface FromOptions {
  readonly from?: ReadonlyArray<FormerDefinition>
}

export interface LimitOptions {
  readonly limit?: unknown
}

export const makeStep = (
  state: StateSchema,
  options: TransitionOptions & FromOptions & LimitOptions
): StepDefinition => {
  const tag = tagOf(state, "The state of a step")
  const transition = makeTransition(`Step "${tag}"`, options)
  const limit = limitOf(tag, options.limit)
  return { tag, state, from: formersOf(tag, options.from), keep: undefined, limit, ...transition, ...stepTypeId }
}
