/** A worker's options: their defaults, and what is wrong with them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isObject } from "effect/Predicate"
import { TaskDefinitionError } from "../../TaskError.ts"
import { isDeclaration } from "../definition/declaration.ts"
import { isRecurring, type RecurringDefinition } from "../definition/recurring.ts"
import { isTask, type TaskDefinition } from "../definition/task.ts"

export interface WorkerOptions {
  readonly tasks: ReadonlyArray<unknown>
  readonly concurrency?: number | undefined
  readonly bufferSize?: number | undefined
  readonly lease?: Duration.Input | undefined
  readonly maxCrashes?: number | undefined
  readonly shutdownTimeout?: Duration.Input | undefined
  readonly pollInterval?: Duration.Input | undefined
}

/** The same with every default filled in, and in milliseconds. */
export interface Settings {
  readonly tasks: ReadonlyMap<string, TaskDefinition>
  readonly recurring: ReadonlyMap<string, RecurringDefinition>
  readonly concurrency: number
  readonly bufferSize: number
  readonly lease: number
  readonly maxCrashes: number
  readonly shutdownTimeout: number
  readonly pollInterval: number
}

/** What is wrong with the tasks, or undefined. Callers in plain JavaScript may pass anything. */
const findMistakeInTasks = (tasks: unknown): string | undefined => {
  if (!Array.isArray(tasks) || tasks.length === 0) return "`tasks` must be an array of at least one task"
  const declared = tasks.find((task) => isDeclaration(task) && !isTask(task))
  if (declared !== undefined) {
    return `the task "${declared.name}" is only declared: make it with Task.make and its steps`
  }
  if (!tasks.every((task) => isTask(task) || isRecurring(task))) {
    return "each of `tasks` must be made with Task.make or Recurring.make"
  }
  if (!tasks.some(isTask)) return "a worker needs at least one task, beside recurring ones"
  const names = tasks.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return twice === undefined ? undefined : `two tasks of this worker have the name "${twice}"`
}

const isWhole = (value: number, min: number) => Number.isInteger(value) && value >= min

/** What is wrong with the settings, or undefined. */
const findMistake = (settings: Omit<Settings, "tasks" | "recurring">): string | undefined => {
  if (!isWhole(settings.concurrency, 1)) return "`concurrency` must be a whole number of 1 or more"
  if (!isWhole(settings.bufferSize, 0)) return "`bufferSize` must be a whole number of 0 or more"
  if (!isWhole(settings.maxCrashes, 1)) return "`maxCrashes` must be a whole number of 1 or more"
  if (!(settings.lease >= 100 && settings.lease < Infinity)) {
    return "`lease` must be a duration of 100 milliseconds or more, and finite"
  }
  if (!(settings.pollInterval >= 10)) return "`pollInterval` must be a duration of 10 milliseconds or more"
  if (!(settings.shutdownTimeout >= 0)) return "`shutdownTimeout` must be a duration of 0 or more"
  return undefined
}

/** NaN for what is no duration: no limit holds for it. */
const toMillis = (input: Duration.Input | undefined, initial: Duration.Input): number =>
  Option.match(Duration.fromInput(input ?? initial), { onNone: () => NaN, onSome: Duration.toMillis })

const withDefaults = (options: WorkerOptions): Omit<Settings, "tasks" | "recurring"> => ({
  concurrency: options.concurrency ?? 10,
  bufferSize: options.bufferSize ?? 1000,
  lease: toMillis(options.lease, "30 seconds"),
  maxCrashes: options.maxCrashes ?? 3,
  shutdownTimeout: toMillis(options.shutdownTimeout, "30 seconds"),
  pollInterval: toMillis(options.pollInterval, "10 seconds")
})

export const toSettings = (options: WorkerOptions): Effect.Effect<Settings, TaskDefinitionError> =>
  Effect.suspend(() => {
    const fail = (mistake: string) => new TaskDefinitionError({ message: `Worker: ${mistake}` })
    if (!isObject(options)) return fail("its options must be an object with `tasks`")
    const settings = withDefaults(options)
    const mistake = findMistakeInTasks(options.tasks) ?? findMistake(settings)
    if (mistake !== undefined) return fail(mistake)
    const byName = <A extends { readonly name: string }>(members: ReadonlyArray<A>) =>
      new Map(members.map((member) => [member.name, member]))
    const tasks = byName(options.tasks.filter(isTask))
    return Effect.succeed({ ...settings, tasks, recurring: byName(options.tasks.filter(isRecurring)) })
  })
