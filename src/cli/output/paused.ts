/** What is paused, for commands that show tasks and for those that pause them. */
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import * as Pauses from "../../Pauses.ts"
import { note } from "./print.ts"
import { oneLine } from "./text.ts"

/** A task, a limit, or a key of one. */
interface Target {
  readonly task?: string | null | undefined
  readonly limit: string | null | undefined
  readonly key: string | null | undefined
}

export const titleOf = ({ key, limit, task }: Target): string => {
  if (typeof task === "string") return `task ${oneLine(task)}`
  return `limit ${oneLine(limit ?? "")}${typeof key === "string" ? ` ${oneLine(key)}` : ""}`
}

/** Whether a row's task is paused. A role may read the tasks and not what is paused: then none is. */
export const readPaused = Effect.map(
  Effect.orElseSucceed(Admin.pauses, (): ReadonlyArray<Admin.Pause> => []),
  (pauses) => {
    const paused = new Set(pauses.map(({ task }) => task))
    return ({ task }: { readonly task: string | null }): boolean => task !== null && paused.has(task)
  }
)

/** Pauses it, and returns whether something has this name. Who pauses may not be allowed to look: then it has. */
export const pauseAndLook = (target: Admin.PauseTarget) =>
  Effect.andThen(Admin.pause(target), Effect.orElseSucceed(Pauses.isUsed(target), () => true))

/** A name may be used only later, so it is paused all the same. */
export const unusedNote = (title: string) => note(`No row has the ${title} now: is the name right?`)
