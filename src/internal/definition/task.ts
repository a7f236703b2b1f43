/** What a task is at run time: its steps by tag, and its methods. */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type { Tagged } from "../../NextStep.ts"
import { TaskDefinitionError, TaskInvalidStateError } from "../../TaskError.ts"
import type { StepDefinition } from "./step.ts"
import { insertTask, insertTasks } from "../enqueue/enqueue.ts"
import { type Codec, type Decoded, makeCodec, type ParsedStep, parseStep } from "./codec.ts"
import { toTimestamp } from "../sql/time.ts"

/** A task as the worker sees it. */
export interface TaskDefinition {
  readonly name: string
  readonly steps: ReadonlyArray<StepDefinition>
  readonly codec: Codec
}

const maxNameLength = 200

/** Postgres's text has neither NUL nor half a surrogate pair. */
const unstorable = /[\0\uD800-\uDFFF]/u

/** Whether a value was made with `Task.make`. */
export const isTask = (u: unknown): u is TaskDefinition => hasProperty(u, "~effect-pg-task/Task")

const isStep = (u: unknown): boolean => hasProperty(u, "~effect-pg-task/Step")

const check = (name: string, steps: ReadonlyArray<StepDefinition>): void => {
  const fail = (message: string) => {
    throw new TaskDefinitionError({ message: `Task ${JSON.stringify(name)}: ${message}` })
  }
  if (typeof name !== "string" || name.length === 0 || name.length > maxNameLength || unstorable.test(name)) {
    fail(`a task's name must be a text of 1 to ${maxNameLength} characters, without NUL or half surrogate pairs`)
  }
  if (!Array.isArray(steps) || steps.length === 0) fail("a task needs at least one step")
  const tags = new Set<string>()
  for (const step of steps) {
    if (!isStep(step)) fail("every step must be made with Step.make")
    if (tags.has(step.tag)) fail(`two steps of this task have the state "${step.tag}"`)
    tags.add(step.tag)
  }
  for (const step of steps) {
    const missing = step.nextTags.find((tag) => !tags.has(tag))
    if (missing !== undefined) fail(`step "${step.tag}" moves to "${missing}", but no step of this task has that state`)
  }
}

const makeMethods = (codec: Codec) => ({
  enqueue: (state: Tagged) => Effect.flatMap(codec.encode(state), (step) => insertTask(step, undefined)),
  delay: (state: Tagged, duration: Duration.Input) =>
    Effect.flatMap(codec.encode(state), (step) => insertTask(step, { delay: duration })),
  schedule: (state: Tagged, dateTime: DateTime.DateTime) =>
    Effect.flatMap(codec.encode(state), (step) => insertTask(step, { at: toTimestamp(dateTime) })),
  enqueueAll: (states: Iterable<Tagged>) => {
    // A generator gives its states once, but the effect may be run again: to retry it, say.
    const all = Array.from(states)
    return Effect.flatMap(Effect.forEach(all, codec.encode), insertTasks)
  }
})

export const makeTask = (
  name: string,
  steps: ReadonlyArray<StepDefinition>
): TaskDefinition & ReturnType<typeof makeMethods> => {
  check(name, steps)
  const codec = makeCodec(name, steps)
  return Object.assign({ "~effect-pg-task/Task": "~effect-pg-task/Task", name, steps, codec }, makeMethods(codec))
}

/** What is behind a task's typed face. */
export const definitionOf = (task: unknown): TaskDefinition => task as TaskDefinition

/** Whether `raw` has the shape that every task's `step` has. */
export const checkRaw = (raw: string): Effect.Effect<ParsedStep, TaskInvalidStateError> =>
  Effect.mapError(parseStep(raw), ({ message }) => new TaskInvalidStateError({ task: "", state: "", message }))

export const decodeRaw = Effect.fnUntraced(function*(
  task: TaskDefinition,
  raw: string
): Effect.fn.Return<Decoded, TaskInvalidStateError> {
  const parsed = yield* checkRaw(raw)
  const invalid = (message: string) => new TaskInvalidStateError({ task: task.name, state: parsed.tag, message })
  if (parsed.task !== task.name) return yield* invalid(`This is a task "${parsed.task}", not "${task.name}"`)
  return yield* Effect.mapError(task.codec.decode(parsed), ({ message }) => invalid(message))
})
