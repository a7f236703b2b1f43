/** What a waiting state waits for, as pictures say it. */
import { isFunction } from "effect/Predicate"
import * as Duration from "effect/Duration"
import { durationText } from "../definition/durationText.ts"
import type { BranchDefinition, StepDefinition } from "../definition/step.ts"
import { timeoutTag } from "../definition/wait.ts"
import { childrenTag, settledTag } from "../sql/children.ts"

const childrenWords = new Map<string, string>([[childrenTag, "children ended"], [settledTag, "children settled"]])

/** The name of one thing that a state waits for: `Approved`, `after 3d`, `children ended`. */
export const branchName = ({ after, tag }: BranchDefinition): string => {
  if (tag !== timeoutTag) return childrenWords.get(tag) ?? tag
  return after === undefined || isFunction(after) ? "timeout" : `after ${durationText(Duration.fromInputUnsafe(after))}`
}

const namesOf = (on: ReadonlyArray<BranchDefinition>): string | undefined =>
  on.length === 0 ? undefined : on.map(branchName).join(", ")

/** The label of the move from a step to the state with this tag. Undefined if the step does not wait. */
export const labelOf = ({ on = [] }: StepDefinition, to: string): string | undefined =>
  namesOf(on.filter(({ nextTags }) => nextTags.includes(to)))

/** What always ends the task in a waiting state: the handlers that have no `next`. Undefined if there is none. */
export const endLabelOf = ({ on = [] }: StepDefinition): string | undefined =>
  namesOf(on.filter(({ nextTags }) => nextTags.length === 0))
