/** The tasks that a module of the user exports. */
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import * as Admin from "../../Admin.ts"
import type * as Step from "../../Step.ts"
import * as Task from "../../Task.ts"
import type { TaskInvalidStateError } from "../../TaskError.ts"
import { ModuleError } from "../exit.ts"
import { oneLine } from "../output/text.ts"

const withoutTypes = new Set(["ERR_UNKNOWN_FILE_EXTENSION", "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX"])

const toModuleError = (path: string, error: unknown): ModuleError => {
  const code = hasProperty(error, "code") ? error.code : undefined
  const message = hasProperty(error, "message") ? oneLine(String(error.message)) : String(error)
  return new ModuleError({
    message: typeof code === "string" && withoutTypes.has(code)
      ? `This Node can't load ${path}: run this command with NODE_OPTIONS="--import tsx" (and tsx installed)`
      : `${path} can't be loaded: ${message}`
  })
}

/** All tasks among the exports, in arrays too. */
export const loadTasks = Effect.fnUntraced(function*(path: string) {
  if (!existsSync(path)) return yield* new ModuleError({ message: `There is no file ${path}` })
  const url = pathToFileURL(resolve(path)).href
  const exports = yield* Effect.tryPromise({
    try: () => import(url) as Promise<Record<string, unknown>>,
    catch: (error) => toModuleError(path, error)
  })
  const tasks = new Set(Object.values(exports).flat().filter(Task.isTask))
  if (tasks.size === 0) return yield* new ModuleError({ message: `${path} exports no task made with Task.make` })
  return [...tasks]
})

/** One task, by its name. */
const findTask = Effect.fnUntraced(function*(path: string, name: string) {
  const tasks = yield* loadTasks(path)
  const task = tasks.find((task) => task.name === name)
  if (task !== undefined) return task
  const known = tasks.map((task) => `"${task.name}"`).join(", ")
  return yield* new ModuleError({ message: `${path} exports no task "${name}", but ${known}` })
})

/** Checks a state by the schema of its task. What the schema needs to decode it is not there. */
export const checkWith = (path: string, name: string, raw: string) =>
  Effect.flatMap(
    findTask(path, name),
    (task) => Admin.decode(task as Task.Task<string, Step.Any>, raw) as Effect.Effect<unknown, TaskInvalidStateError>
  )
