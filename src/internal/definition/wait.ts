/** The step of a waiting state at run time: what it waits for, and what happens then. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { isFunction, isObject } from "effect/Predicate"
import type { Tagged } from "../../NextStep.ts"
import { childrenTag, settledTag } from "../sql/children.ts"
import { toTimestamp } from "../sql/time.ts"
import { formersOf } from "./former.ts"
import type { StateSchema } from "./state.ts"
import {
  type BranchDefinition,
  failStep,
  type FromOptions,
  makeTransition,
  type StepDefinition,
  stepTypeId,
  type TransitionDefinition,
  type TransitionOptions
} from "./step.ts"
import { tagOf } from "./tag.ts"

/** The tag of the timeout: no signal can have it. */
export const timeoutTag = "$timeout"

const onTypeId = { "~effect-pg-task/Step/On": { _E: (_: never) => _, _R: (_: never) => _ } }

const isOn = (u: unknown): u is BranchDefinition => isObject(u) && "~effect-pg-task/Step/On" in u

const branch = (parts: Pick<BranchDefinition, "tag" | "signal" | "after">, transition: TransitionDefinition) => ({
  ...transition,
  ...parts,
  ...onTypeId
})

const onSignal = (state: string) => (signal: StateSchema, options: TransitionOptions): BranchDefinition => {
  const tag = tagOf(signal, `Each signal of step "${state}"`)
  if (tag.startsWith("$")) failStep(`Step "${state}": the tag of a signal must not begin with "$", as "${tag}" does`)
  return branch({ tag, signal, after: undefined }, makeTransition(`Step "${state}", on "${tag}"`, options))
}

const onTimeout =
  (state: string) => (after: NonNullable<BranchDefinition["after"]>, options: TransitionOptions): BranchDefinition => {
    const isInput = isFunction(after) || Option.isSome(Duration.fromInput(after))
    if (!isInput) {
      failStep(
        `Step "${state}": a timeout must be a duration, such as "3 days", or a function of the state that returns a `
          + "duration or a DateTime"
      )
    }
    return branch(
      { tag: timeoutTag, signal: undefined, after },
      makeTransition(`Step "${state}", on its timeout`, options)
    )
  }

const onChildren = (state: string, tag: string) => (options: TransitionOptions): BranchDefinition =>
  branch({ tag, signal: undefined, after: undefined }, makeTransition(`Step "${state}", on its children`, options))

/** What a state waits for, if that are its children. */
export const joinOf = ({ on = [] }: StepDefinition): BranchDefinition | undefined =>
  on.find(({ tag }) => tag === childrenTag || tag === settledTag)

const checkBranches = (state: string, on: ReadonlyArray<BranchDefinition>): void => {
  if (!Array.isArray(on) || on.length === 0) failStep(`Step "${state}" waits for nothing: return an array of \`on(…)\``)
  if (!on.every(isOn)) failStep(`Step "${state}": return an array of what \`on(…)\` and \`on.timeout(…)\` have made`)
  const tags = on.map(({ tag }) => tag === settledTag ? childrenTag : tag)
  const twice = tags.find((tag, index) => tags.indexOf(tag) !== index)
  if (twice === timeoutTag) failStep(`Step "${state}" has two timeouts`)
  if (twice === childrenTag) failStep(`Step "${state}" has two handlers for its children`)
  if (twice !== undefined) failStep(`Step "${state}" has two handlers for the signal "${twice}"`)
}

/** The states that any of these may move to, each once. */
const unionOf = (on: ReadonlyArray<BranchDefinition>): ReadonlyArray<StateSchema> => [
  ...new Set(on.flatMap(({ next }) => next))
]

/** Makes the step of a waiting state. `build` gets the function `on`, and returns what the state waits for. */
export const makeWait = (
  state: StateSchema,
  build: (on: unknown) => ReadonlyArray<BranchDefinition>,
  options: FromOptions | undefined
): StepDefinition => {
  const tag = tagOf(state, "The state of a step")
  if (!isFunction(build)) failStep(`Step "${tag}": give Step.wait a function, as in Step.wait(State, (on) => [on(…)])`)
  const on = build(Object.assign(onSignal(tag), {
    timeout: onTimeout(tag),
    children: onChildren(tag, childrenTag),
    settled: onChildren(tag, settledTag)
  }))
  checkBranches(tag, on)
  const handler = () => failStep(`Step "${tag}" waits`)
  return {
    ...makeTransition(`Step "${tag}"`, { next: unionOf(on), handler }),
    tag,
    state,
    from: formersOf(tag, options?.from),
    keep: undefined,
    limit: undefined,
    on,
    ...stepTypeId,
    // Each thing that it waits for has retries of its own.
    retryLimit: undefined,
    retryDelay: undefined
  }
}

/** When a wait that begins now is over: after so many milliseconds, or at a moment. Undefined: never. */
export interface Deadline {
  readonly timeout?: number
  readonly until?: string
}

/**
 * The deadline of a state. Throws what the user's function throws, and for what it should not return.
 */
export const deadlineOf = (on: ReadonlyArray<BranchDefinition>, state: Tagged): Deadline | undefined => {
  const after = on.find(({ tag }) => tag === timeoutTag)?.after
  if (after === undefined) return undefined
  const input = isFunction(after) ? after(state) : after
  if (DateTime.isDateTime(input)) return { until: toTimestamp(input) }
  const duration = Duration.fromInput(input)
  if (Option.isSome(duration)) return { timeout: Duration.toMillis(duration.value) }
  throw new TypeError(
    `the function that the timeout of state "${state._tag}" was given must return a duration or a DateTime`
  )
}
