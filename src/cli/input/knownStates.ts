/** With the tasks of a module at hand, output says which states it doesn't know. */
import * as Effect from "effect/Effect"
import * as Deploy from "../../Deploy.ts"
import type { ModuleError } from "../exit.ts"
import { loadTasks } from "./tasksModule.ts"

interface Named {
  readonly task: string | null
  readonly step: string | null
}

export interface KnownStates {
  /** The same, with the state as it is printed for people. */
  readonly name: <A extends Named>(row: A) => A
  /** What JSON says of a row on top. */
  readonly facts: (row: Named) => { readonly known?: boolean }
}

const anyState: KnownStates = { name: (row) => row, facts: () => ({}) }

/** A view of a row with another name for its state. */
const renamed = <A extends Named>(row: A, step: string): A => Object.create(row, { step: { value: step } }) as A

/** Without a module, nothing is known of states. */
export const knownStates = (path: string | undefined): Effect.Effect<KnownStates, ModuleError> =>
  path === undefined ? Effect.succeed(anyState) : Effect.map(loadTasks(path), (tasks) => ({
    name: (row) => row.step === null || Deploy.knows(tasks, row) ? row : renamed(row, `${row.step} (unknown)`),
    facts: (row) => ({ known: Deploy.knows(tasks, row) })
  }))
