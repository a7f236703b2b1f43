/** Which tasks are paused, for commands that show tasks. */
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"

/** Whether a row's task is paused. A role may read the tasks and not what is paused: then none is. */
export const readPaused = Effect.map(
  Effect.orElseSucceed(Admin.pauses, (): ReadonlyArray<Admin.Pause> => []),
  (pauses) => {
    const paused = new Set(pauses.map(({ task }) => task))
    return ({ task }: { readonly task: string | null }): boolean => task !== null && paused.has(task)
  }
)
