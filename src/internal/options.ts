/** A worker's options: their defaults, and what is wrong with them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { DefinitionError } from "../TaskError.ts"
import type { TaskDefinition } from "./taskDefinition.ts"

export interface WorkerOptions {
  readonly tasks: ReadonlyArray<unknown>
  readonly concurrency?: number | undefined
  readonly bufferSize?: number | undefined
  readonly lease?: Duration.Input | undefined
  readonly maxDeaths?: number | undefined
  readonly shutdownTimeout?: Duration.Input | undefined
  readonly pollInterval?: Duration.Input | undefined
}

/** The same with every default filled in, and in milliseconds. */
export interface Settings {
  readonly tasks: ReadonlyMap<string, TaskDefinition>
  readonly concurrency: number
  readonly bufferSize: number
  readonly lease: number
  readonly maxDeaths: number
  readonly shutdownTimeout: number
  readonly pollInterval: number
}

const isWhole = (value: number, min: number) => Number.isInteger(value) && value >= min

/** What is wrong with the options, or undefined. */
const findMistake = (tasks: ReadonlyArray<TaskDefinition>, settings: Settings): string | undefined => {
  const names = tasks.map((task) => task.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (tasks.length === 0) return "`tasks` must name at least one task"
  if (twice !== undefined) return `two tasks of this worker have the name "${twice}"`
  if (!isWhole(settings.concurrency, 1)) return "`concurrency` must be a whole number of 1 or more"
  if (!isWhole(settings.bufferSize, 0)) return "`bufferSize` must be a whole number of 0 or more"
  if (!isWhole(settings.maxDeaths, 1)) return "`maxDeaths` must be a whole number of 1 or more"
  if (!(settings.lease >= 100 && settings.lease < Infinity)) {
    return "`lease` must be 100 milliseconds or more, and finite"
  }
  if (!(settings.pollInterval >= 10)) return "`pollInterval` must be 10 milliseconds or more"
  if (!(settings.shutdownTimeout >= 0)) return "`shutdownTimeout` must be 0 or more"
  return undefined
}

export const toSettings = (options: WorkerOptions): Effect.Effect<Settings, DefinitionError> =>
  Effect.suspend(() => {
    const tasks = options.tasks as ReadonlyArray<TaskDefinition>
    const millis = (input: Duration.Input | undefined, initial: Duration.Input) =>
      Duration.toMillis(Duration.fromInputUnsafe(input ?? initial))
    const settings: Settings = {
      tasks: new Map(tasks.map((task) => [task.name, task])),
      concurrency: options.concurrency ?? 10,
      bufferSize: options.bufferSize ?? 1000,
      lease: millis(options.lease, "30 seconds"),
      maxDeaths: options.maxDeaths ?? 3,
      shutdownTimeout: millis(options.shutdownTimeout, "30 seconds"),
      pollInterval: millis(options.pollInterval, "10 seconds")
    }
    const mistake = findMistake(tasks, settings)
    return mistake === undefined ? Effect.succeed(settings) : new DefinitionError({ message: `Worker: ${mistake}` })
  })
