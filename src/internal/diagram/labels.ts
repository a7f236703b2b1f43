/** What makes a task move: the signals and the timeout of waiting states. */
import type { StepDefinition } from "../definition/step.ts"
import { timeoutTag } from "../definition/wait.ts"

/** The label of the move from a step to the state with this tag. Undefined if the step does not wait. */
export const labelOf = ({ on = [] }: StepDefinition, to: string): string | undefined => {
  const labels = on.filter(({ nextTags }) => nextTags.includes(to)).map(({ tag }) =>
    tag === timeoutTag ? "timeout" : tag
  )
  return labels.length === 0 ? undefined : labels.join(", ")
}
