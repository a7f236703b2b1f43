/** What a task is at run time: its steps by tag, and its methods. */
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { DefinitionError } from "../TaskError.ts"
import type { StepDefinition } from "./definition.ts"
import { insertTask, insertTasks } from "./enqueue.ts"
import { type Codec, makeCodec } from "./stepCodec.ts"
import type { Tagged } from "./types.ts"

/** A task as the worker sees it. */
export interface TaskDefinition {
  readonly name: string
  readonly steps: ReadonlyArray<StepDefinition>
  readonly codec: Codec
}

const maxNameLength = 200

const check = (name: string, steps: ReadonlyArray<StepDefinition>): void => {
  const fail = (message: string) => {
    throw new DefinitionError({ message: `Task ${JSON.stringify(name)}: ${message}` })
  }
  if (typeof name !== "string" || name.length === 0 || name.length > maxNameLength || name.includes("\0")) {
    fail(`a task's name must be a text of 1 to ${maxNameLength} characters`)
  }
  if (!Array.isArray(steps) || steps.length === 0) fail("a task needs at least one step")
  const tags = new Set<string>()
  for (const step of steps) {
    if (typeof step?.tag !== "string") fail("every step must be made with Step.make")
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
    Effect.flatMap(codec.encode(state), (step) => insertTask(step, { at: DateTime.formatIso(dateTime) })),
  enqueueAll: (states: Iterable<Tagged>) => Effect.flatMap(Effect.forEach(states, codec.encode), insertTasks)
})

export const makeTask = (
  name: string,
  steps: ReadonlyArray<StepDefinition>
): TaskDefinition & ReturnType<typeof makeMethods> => {
  check(name, steps)
  const codec = makeCodec(name, steps)
  return Object.assign({ "~effect-pg-task/Task": "~effect-pg-task/Task", name, steps, codec }, makeMethods(codec))
}
