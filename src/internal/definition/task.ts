/** A task at run time: its declaration and its steps. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import { TaskInvalidStateError } from "../../TaskError.ts"
import { type Decoded, makeCodec, type ParsedStep, parseStep, type TaggedState } from "./codec.ts"
import {
  checkName,
  type DeclarationDefinition,
  failDefinition,
  isDeclaration,
  makeDeclaration,
  makeMethods,
  signalsByTag
} from "./declaration.ts"
import { finalTagsOf } from "./final.ts"
import { limitsOf } from "./limit.ts"
import { makeReach } from "./reach.ts"
import type { StateSchema } from "./state.ts"
import type { StepDefinition } from "./step.ts"
import { tagOf } from "./tag.ts"

/** Tasks of a higher priority come first, in each worker. */
type Priority = "high" | "normal" | "low"

/** A task as the worker sees it. */
export interface TaskDefinition extends DeclarationDefinition<StepDefinition> {
  readonly steps: ReadonlyArray<StepDefinition>
  /** For how long its history is kept, in milliseconds. Undefined: it has none. */
  readonly history: number | undefined
  readonly priority: Priority
  /** The steps of its waiting states, by their tags. */
  readonly waits: ReadonlyMap<string, StepDefinition>
  /** For how long rows are kept that have ended in a state, by its tag. Undefined if no state is final. */
  readonly keeps: ReadonlyMap<string, Duration.Duration> | undefined
}

/** Whether a value was made with `Task.make`. */
export const isTask = (u: unknown): u is TaskDefinition => hasProperty(u, "~effect-pg-task/Task")

const isStep = (u: unknown): boolean => hasProperty(u, "~effect-pg-task/Step")

/** No state is former in two steps, nor in one and current in another, and no step moves to one. */
const checkFormers = (name: string, steps: ReadonlyArray<StepDefinition>): void => {
  const byTag = new Map(steps.map((step) => [step.tag, step]))
  const owners = new Map<string, StepDefinition>()
  for (const step of steps) {
    for (const { tag } of step.from) {
      if (byTag.has(tag)) {
        failDefinition(name, `"${tag}" is a former state of step "${step.tag}", and the state of another step`)
      }
      if (owners.has(tag)) failDefinition(name, `"${tag}" is a former state of two steps`)
      owners.set(tag, step)
    }
  }
  for (const { nextTags, tag } of steps) {
    const former = nextTags.find((next) => owners.has(next))
    if (former !== undefined) {
      failDefinition(name, `step "${tag}" moves to the former state "${former}": move to what it became`)
    }
  }
}

const checkSteps = (name: string, steps: ReadonlyArray<StepDefinition>): void => {
  if (!Array.isArray(steps) || steps.length === 0) failDefinition(name, "a task needs at least one step")
  const tags = new Set<string>()
  for (const step of steps) {
    if (!isStep(step)) failDefinition(name, "every step must be made with Step.make or Step.wait")
    if (tags.has(step.tag)) failDefinition(name, `two steps of this task have the state "${step.tag}"`)
    tags.add(step.tag)
  }
  if (steps.every(({ keep }) => keep !== undefined)) failDefinition(name, "a task needs a step that is not final")
  checkFormers(name, steps)
  for (const step of steps) {
    const missing = step.nextTags.find((tag) => !tags.has(tag))
    if (missing !== undefined) {
      failDefinition(name, `step "${step.tag}" moves to "${missing}", but no step of this task has that state`)
    }
  }
}

/** Both schemas must be the same object: producers encode with the declared one, the worker decodes with the step's. */
const checkDeclared = (
  { finalTags, name, states }: DeclarationDefinition,
  steps: ReadonlyArray<StepDefinition>
): void => {
  const declared = new Map(states.map((state) => [tagOf(state, "A state"), state]))
  for (const { keep, state, tag } of steps) {
    if (!declared.has(tag)) {
      failDefinition(name, `it has a step for the state "${tag}", which is not declared: add it to \`states\``)
    }
    if (declared.get(tag) !== state) {
      failDefinition(name, `the state of step "${tag}" differs from the "${tag}" that is declared: use the same schema`)
    }
    if (finalTags.includes(tag) && keep === undefined) {
      failDefinition(name, `"${tag}" is declared as a final state: make it with Step.final`)
    }
    if (!finalTags.includes(tag) && keep !== undefined) {
      failDefinition(name, `"${tag}" is not declared as a final state: move it from \`states\` to \`final\``)
    }
  }
  const missing = [...declared.keys()].find((tag) => !steps.some((step) => step.tag === tag))
  if (missing !== undefined) failDefinition(name, `no step for the state "${missing}", which is declared`)
}

/** The signals that a task's steps wait for. */
const signalsOf = (name: string, steps: ReadonlyArray<StepDefinition>): ReadonlyMap<string, StateSchema> =>
  signalsByTag(name, steps.flatMap(({ on }) => on?.flatMap(({ signal }) => signal ?? []) ?? []), "A signal")

/** As with states, both schemas must be the same object. */
const checkSignals = (declared: DeclarationDefinition, steps: ReadonlyArray<StepDefinition>): void => {
  const { name, signalsByTag } = declared
  const waited = signalsOf(name, steps)
  for (const [tag, schema] of waited) {
    if (!signalsByTag.has(tag)) {
      failDefinition(name, `a step waits for the signal "${tag}", which is not declared: add it to \`signals\``)
    }
    if (signalsByTag.get(tag) !== schema) {
      failDefinition(
        name,
        `a step waits for a "${tag}" that differs from the signal that is declared: use the same schema`
      )
    }
  }
  const missing = [...signalsByTag.keys()].find((tag) => !waited.has(tag))
  if (missing !== undefined) failDefinition(name, `no step waits for the signal "${missing}", which is declared`)
}

const checkReached = ({ entryTags, name }: DeclarationDefinition, steps: ReadonlyArray<StepDefinition>): void => {
  if (entryTags === undefined) return
  const reach = makeReach(steps)
  entryTags.forEach(reach)
  const unreached = steps.find((step) => reach(step.tag))
  if (unreached === undefined) return
  const entries = entryTags.map((tag) => `"${tag}"`).join(", ")
  failDefinition(
    name,
    `no task ever reaches the state "${unreached.tag}" from the states in which it may begin (${entries}): `
      + "add it to `entry`, or to the `next` of a step"
  )
}

const keepsOf = (steps: ReadonlyArray<StepDefinition>): TaskDefinition["keeps"] => {
  const keeps = steps.flatMap(({ keep, tag }) => keep === undefined ? [] : [[tag, keep] as const])
  return keeps.length === 0 ? undefined : new Map(keeps)
}

interface TaskOptions {
  readonly history?: Duration.Input | undefined
  readonly priority?: "high" | "low" | undefined
  readonly entry?: ReadonlyArray<StateSchema> | undefined
}

/** A declaration whose codec knows the steps, and the methods of `of` if that is a declaration. */
const declarationOf = (
  of: string | DeclarationDefinition,
  steps: ReadonlyArray<StepDefinition>,
  entry: TaskOptions["entry"]
) => {
  if (!isDeclaration(of)) {
    return makeDeclaration(of, { states: steps, entry, finalTags: finalTagsOf(steps), signals: signalsOf(of, steps) })
  }
  checkDeclared(of, steps)
  checkSignals(of, steps)
  if (entry !== undefined) failDefinition(of.name, "it is declared already: give `entry` to Task.declare")
  const declared = { ...of, codec: makeCodec(of.name, steps), limits: limitsOf(steps) }
  // Results may be in former states, and new tasks in limited ones: only the steps know.
  const isKnownBySteps = declared.limits !== undefined
    || steps.some(({ from, keep }) => keep !== undefined && from.length > 0)
  return isKnownBySteps ? { ...declared, ...makeMethods(declared) } : declared
}

/** In milliseconds. */
const historyOf = (name: string, input: Duration.Input | undefined): number | undefined => {
  if (input === undefined) return undefined
  const millis = Option.match(Duration.fromInput(input), { onNone: () => NaN, onSome: Duration.toMillis })
  return millis > 0
    ? millis
    : failDefinition(name, "`history` must be a duration of more than 0, such as \"30 days\"")
}

const priorityOf = (name: string, priority: TaskOptions["priority"]): Priority =>
  priority === undefined || priority === "high" || priority === "low"
    ? priority ?? "normal"
    : failDefinition(name, "`priority` must be \"high\" or \"low\"; without it, the priority is normal")

/** Makes a task of its name, which declares it at once, or of its declaration. */
export const makeTask = (
  of: string | DeclarationDefinition,
  steps: ReadonlyArray<StepDefinition>,
  options: TaskOptions | undefined
): TaskDefinition => {
  const name = isDeclaration(of) ? of.name : of
  checkName(name)
  checkSteps(name, steps)
  const declaration = declarationOf(of, steps, options?.entry)
  checkReached(declaration, steps)
  const waits = new Map(steps.filter(({ on }) => on !== undefined).map((step) => [step.tag, step]))
  return Object.assign({ "~effect-pg-task/Task": "~effect-pg-task/Task" }, declaration, {
    steps,
    history: historyOf(name, options?.history),
    priority: priorityOf(name, options?.priority),
    keeps: keepsOf(steps),
    waits
  })
}

/** The tags of all states that rows of a task may hold: those of today, and the former ones. */
export const tagsIn = ({ steps }: TaskDefinition): ReadonlyArray<string> =>
  steps.flatMap(({ from, tag }) => [tag, ...from.map((former) => former.tag)])

/** A task without its public types. */
export const definitionOf = (task: unknown): TaskDefinition => task as TaskDefinition

/** A declaration, or a task, without its public types. */
export const declarationIn = (declaration: unknown): DeclarationDefinition => declaration as DeclarationDefinition

/** Whether `raw` has the shape that every task's `step` has. */
export const checkRaw = (raw: string): Effect.Effect<ParsedStep, TaskInvalidStateError> =>
  Effect.mapError(parseStep(raw), ({ message }) => new TaskInvalidStateError({ task: "", state: "", message }))

export const decodeRaw = Effect.fnUntraced(function*(
  { codec, name }: DeclarationDefinition,
  raw: string
): Effect.fn.Return<Decoded<TaggedState>, TaskInvalidStateError> {
  const parsed = yield* checkRaw(raw)
  const invalid = (message: string) => new TaskInvalidStateError({ task: name, state: parsed.tag, message })
  if (parsed.task !== name) return yield* invalid(`This is a task "${parsed.task}", not "${name}"`)
  return yield* Effect.mapError(codec.decode(parsed), ({ message }) => invalid(message))
})
