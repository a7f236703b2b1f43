/** The tasks that a module of the user exports, and its recurring ones. */
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import * as Admin from "../../Admin.ts"
import * as Recurring from "../../Recurring.ts"
import * as Task from "../../Task.ts"
import type { TaskInvalidSignalError, TaskInvalidStateError } from "../../TaskError.ts"
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

/** All exports that `is` accepts, also in arrays. */
const load = Effect.fnUntraced(function*<A>(
  path: string,
  is: (value: unknown) => value is A,
  makers: string
): Effect.fn.Return<ReadonlyArray<A>, ModuleError> {
  if (!existsSync(path)) return yield* new ModuleError({ message: `There is no file ${path}` })
  const url = pathToFileURL(resolve(path)).href
  const exports = yield* Effect.tryPromise({
    try: () => import(url) as Promise<Record<string, unknown>>,
    catch: (error) => toModuleError(path, error)
  })
  const found = new Set(Object.values(exports).flat().filter(is))
  if (found.size === 0) return yield* new ModuleError({ message: `${path} exports no task made with ${makers}` })
  return [...found]
})

/** All tasks among the exports. */
export const loadTasks = (path: string) => load(path, Task.isTask, "Task.make")

/** All tasks among the exports, and the recurring ones. */
export const loadAll = (path: string) =>
  load(
    path,
    (value): value is Task.Any | Recurring.Any => Task.isTask(value) || Recurring.isRecurring(value),
    "Recurring.make or Task.make"
  )

/** All recurring tasks among the exports: perhaps none, but then the module must export a task. */
export const loadRecurring = (path: string) => Effect.map(loadAll(path), (found) => found.filter(Recurring.isRecurring))

/** The declaration of one task, by its name: of the task itself, or apart from its steps. */
const findDeclaration = Effect.fnUntraced(function*(path: string, name: string) {
  const declarations = yield* load(path, Task.isDeclaration, "Task.make or Task.declare")
  const declaration = declarations.find((declaration) => declaration.name === name)
  if (declaration !== undefined) return declaration
  const known = [...new Set(declarations.map(({ name }) => `"${name}"`))].join(", ")
  return yield* new ModuleError({ message: `${path} exports no task "${name}", but ${known}` })
})

/** Checks a state by the schema of its task. What the schema needs to decode it is not there. */
export const checkWith = (path: string, name: string, raw: string) =>
  Effect.flatMap(
    findDeclaration(path, name),
    (declaration) => Admin.decode(declaration, raw) as Effect.Effect<unknown, TaskInvalidStateError>
  )

/** Checks a signal by its schema. */
export const checkSignalWith = (
  path: string,
  name: string,
  { fields, signal }: { readonly signal: string; readonly fields: string }
) =>
  Effect.flatMap(
    findDeclaration(path, name),
    (declaration) => Admin.decodeSignal(declaration, signal, fields) as Effect.Effect<unknown, TaskInvalidSignalError>
  )
