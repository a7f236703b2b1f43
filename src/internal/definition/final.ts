/** Final states: a task that moves to one has ended, and its row is kept for a while as its result. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isObject } from "effect/Predicate"
import * as NextStep from "../../NextStep.ts"
import { TaskDefinitionError } from "../../TaskError.ts"
import { toRetryDelay } from "./retry.ts"
import type { StateSchema } from "./state.ts"
import { type FromOptions, makeStep, type StepDefinition } from "./step.ts"

/** How long results are kept by default. */
const defaultKeep = "1 hour"

interface FinalOptions extends FromOptions {
  readonly keep?: Duration.Input | undefined
}

const fail = (tag: string, mistake: string): never => {
  throw new TaskDefinitionError({ message: `Final state "${tag}": ${mistake}` })
}

const keepOf = (tag: string, options: FinalOptions | undefined): Duration.Duration => {
  if (options !== undefined && !isObject(options)) {
    fail(tag, "its options must be an object, such as { keep: \"7 days\" }")
  }
  return Option.getOrElse(
    toRetryDelay(options?.keep ?? defaultKeep),
    () => fail(tag, "`keep` must be a duration of 0 or more, such as \"7 days\"")
  )
}

/** A final state, as a step whose handler never runs: whoever claims a row in such a state ends the task. */
export const makeFinal = (state: StateSchema, options: FinalOptions | undefined): StepDefinition => {
  const step = makeStep(state, { from: options?.from ?? [], handler: () => Effect.succeed(NextStep.none) })
  return Object.assign(step, { final: true, keep: keepOf(step.tag, options) })
}

/** The tags of the final states among steps. */
export const finalTagsOf = (steps: ReadonlyArray<StepDefinition>): ReadonlyArray<string> =>
  steps.filter(({ keep }) => keep !== undefined).map(({ tag }) => tag)
