/** With the tasks of a module at hand, output says which states it doesn't know. */
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import type { ModuleError } from "../exit.ts"
import { loadTasks } from "./tasksModule.ts"

interface Named {
  readonly task: string | null
  readonly step: string | null
}

export interface KnownStates {
  /** The state, as it is printed for people. */
  readonly nameOf: (row: Named) => string | null
  /** What JSON says of a row on top. */
  readonly facts: (row: Named) => { readonly known?: boolean }
}

const anyState: KnownStates = { nameOf: ({ step }) => step, facts: () => ({}) }

/** Without a module, nothing is known of states. */
export const knownStates = (path: string | undefined): Effect.Effect<KnownStates, ModuleError> =>
  path === undefined ? Effect.succeed(anyState) : Effect.map(loadTasks(path), (tasks) => ({
    nameOf: (row) => row.step === null || Admin.knows(tasks, row) ? row.step : `${row.step} (unknown)`,
    facts: (row) => ({ known: Admin.knows(tasks, row) })
  }))
