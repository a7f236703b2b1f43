/** What makes a task move: the signals, the timeout and the children of waiting states. */
import type { StepDefinition } from "../definition/step.ts"
import { timeoutTag } from "../definition/wait.ts"
import { childrenTag, settledTag } from "../sql/children.ts"

const words: Readonly<Record<string, string>> = {
  [timeoutTag]: "timeout",
  [childrenTag]: "children ended",
  [settledTag]: "children settled"
}

/** The label of the move from a step to the state with this tag. Undefined if the step does not wait. */
export const labelOf = ({ on = [] }: StepDefinition, to: string): string | undefined => {
  const labels = on.filter(({ nextTags }) => nextTags.includes(to)).map(({ tag }) => words[tag] ?? tag)
  return labels.length === 0 ? undefined : labels.join(", ")
}
