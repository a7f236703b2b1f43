/** Which states of a task can be reached by what its steps declare as `next`. */
import type { StepDefinition } from "./step.ts"

/** A function that marks a state, and all that can be reached from it. False if the state was marked before. */
export const makeReach = (steps: ReadonlyArray<StepDefinition>): (tag: string) => boolean => {
  const byTag = new Map(steps.map((step) => [step.tag, step]))
  const reached = new Set<string>()
  const reach = (tag: string): boolean => {
    if (reached.has(tag)) return false
    reached.add(tag)
    for (const next of byTag.get(tag)?.nextTags ?? []) reach(next)
    return true
  }
  return reach
}
