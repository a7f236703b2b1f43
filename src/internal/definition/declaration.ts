/** A declaration at run time: the task's name, its states, where it may begin, and the methods that enqueue it. */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { hasProperty, isObject } from "effect/Predicate"
import type { Tagged } from "../../NextStep.ts"
import { TaskDefinitionError, TaskInvalidStateError, type TaskOptionsError } from "../../TaskError.ts"
import { dueAfter, dueAt, dueOf, type DueOptions } from "../enqueue/due.ts"
import { enqueueTask, insertTasks } from "../enqueue/enqueue.ts"
import { keyOf, type KeyOptions, keysOf, type KeysOptions } from "../enqueue/key.ts"
import { enqueueAllKeyed } from "../enqueue/keyed.ts"
import type { Due } from "../sql/insert.ts"
import { childrenIn, makeChild } from "./child.ts"
import { limitOfNew, type Limits, limitsOf } from "./limit.ts"
import { makeSignalMethods } from "./signalMethods.ts"
import { type Codec, makeCodec, type TaggedState } from "./codec.ts"
import { makeResultMethods } from "./results.ts"
import type { StateSchema } from "./state.ts"
import { tagOf } from "./tag.ts"

/** A declaration without its public types. A task is one, too. */
export interface DeclarationDefinition<out S extends TaggedState = TaggedState> {
  readonly name: string
  readonly states: ReadonlyArray<StateSchema>
  /** The states in which a task may begin. */
  readonly entry: ReadonlyArray<StateSchema>
  /** Their tags. Undefined: none were named, so a task may begin in any state. */
  readonly entryTags: ReadonlyArray<string> | undefined
  readonly finals: ReadonlyArray<StateSchema>
  readonly finalTags: ReadonlyArray<string>
  readonly codec: Codec<S>
  /** The limits of its states. A declaration alone knows none. */
  readonly limits: Limits
  /** The schemas of the signals that its states wait for, by their tags. */
  readonly signalsByTag: ReadonlyMap<string, StateSchema>
  readonly signals: ReadonlyArray<StateSchema>
}

/** Whether a value was made with `Task.declare` or `Task.make`. */
export const isDeclaration = (u: unknown): u is DeclarationDefinition => hasProperty(u, "~effect-pg-task/Declaration")

const maxNameLength = 200

/** Postgres can't store NUL or half a surrogate pair in a text. */
const unstorable = /[\0\uD800-\uDFFF]/u

export const failDefinition = (name: unknown, message: string): never => {
  throw new TaskDefinitionError({ message: `Task ${JSON.stringify(name)}: ${message}` })
}

export const checkName = (name: string): void => {
  if (typeof name !== "string" || name.length === 0 || name.length > maxNameLength || unstorable.test(name)) {
    failDefinition(
      name,
      `a task's name must be a text of 1 to ${maxNameLength} characters, without NUL or half surrogate pairs`
    )
  }
}

/** The tags of `entry`, each once. */
const entryTagsOf = (
  name: string,
  entry: ReadonlyArray<StateSchema>,
  states: ReadonlyArray<TaggedState>,
  finalTags: ReadonlyArray<string>
): ReadonlyArray<string> => {
  if (!Array.isArray(entry) || entry.length === 0) {
    return failDefinition(
      name,
      "`entry` must be an array of at least one state. Without it, a task begins in any state"
    )
  }
  const tags = entry.map((schema) => {
    const tag = tagOf(schema, `Each \`entry\` of task ${JSON.stringify(name)}`)
    const state = states.find((state) => state.tag === tag)
    if (state === undefined) return failDefinition(name, `\`entry\` names "${tag}", which is no state of this task`)
    if (finalTags.includes(tag)) return failDefinition(name, `\`entry\` names "${tag}", which is a final state`)
    return state.state === schema
      ? tag
      : failDefinition(name, `\`entry\` names a "${tag}" that differs from this task's state "${tag}"`)
  })
  return [...new Set(tags)]
}

/** The schemas of signals by their tags. Signals of one tag must have one schema. */
export const signalsByTag = (
  name: string,
  signals: ReadonlyArray<StateSchema>,
  role: string
): ReadonlyMap<string, StateSchema> => {
  const byTag = new Map<string, StateSchema>()
  for (const schema of signals) {
    const tag = tagOf(schema, role)
    if (tag.startsWith("$")) failDefinition(name, `the tag of a signal must not begin with "$", as "${tag}" does`)
    if ((byTag.get(tag) ?? schema) !== schema) {
      failDefinition(name, `two signals with the tag "${tag}" differ: use the same schema for both`)
    }
    byTag.set(tag, schema)
  }
  return byTag
}

/** A new task has no transition with which its children could be stored. */
const refusingChildren = ({ codec, name }: DeclarationDefinition): Codec["encode"] => (state) =>
  isObject(state) && childrenIn(state).length > 0
    ? new TaskInvalidStateError({
      task: name,
      state: state._tag,
      message: `${name}: a task can't begin with children: let its first step move to the state that holds them. `
        + "Nothing was stored"
    })
    : codec.encode(state)

/** A codec's `encode` that takes only states in which the task may begin. */
const encodeEntry = (declaration: DeclarationDefinition): Codec["encode"] => {
  const { entryTags, finalTags, name, states } = declaration
  const encode = refusingChildren(declaration)
  if (entryTags === undefined && finalTags.length === 0) return encode
  const tags = entryTags ??
    states.map((state) => tagOf(state, "A state")).filter((tag) => !finalTags.includes(tag))
  const known = tags.map((tag) => `"${tag}"`).join(", ")
  const refuse = (tag: string) =>
    new TaskInvalidStateError({
      task: name,
      state: tag,
      message: `${name}: a task may not begin with "${tag}"${
        finalTags.includes(tag) ? ", a final state" : ""
      }, but with ${known}${entryTags === undefined ? "" : ": see its `entry`"}. Nothing was stored`
    })
  return (state) => Effect.tap(encode(state), () => tags.includes(state._tag) ? Effect.void : refuse(state._tag))
}

/** Stores one task. `watched`: somebody waits for its end. */
const storeWith = (declaration: DeclarationDefinition) => {
  const { limits, name } = declaration
  const encode = encodeEntry(declaration)
  return (
    state: Tagged,
    due: Effect.Effect<Due, TaskOptionsError>,
    options: KeyOptions | undefined,
    watched = false
  ) =>
    Effect.flatMap(
      due,
      (due) =>
        Effect.flatMap(
          keyOf(name, options),
          (key) =>
            Effect.flatMap(
              encode(state),
              (step) => enqueueTask(name, step, { due, key, watched, limit: limitOfNew(limits, state) })
            )
        )
    )
}

export const makeMethods = (declaration: DeclarationDefinition) => {
  const { limits, name } = declaration
  const encode = encodeEntry(declaration)
  const store = storeWith(declaration)
  return {
    enqueue: (state: Tagged, options?: DueOptions & KeyOptions) => store(state, dueOf(name, options), options),
    delay: (state: Tagged, duration: Duration.Input, options?: KeyOptions) =>
      store(state, dueAfter(name, duration), options),
    schedule: (state: Tagged, dateTime: DateTime.DateTime, options?: KeyOptions) =>
      store(state, dueAt(name, dateTime), options),
    child: (state: Tagged) => makeChild(declaration, encode(state)),
    ...makeResultMethods(
      declaration,
      (state: Tagged, options?: DueOptions & KeyOptions) => store(state, dueOf(name, options), options, true)
    ),
    ...makeSignalMethods(declaration, encode),
    enqueueAll: (states: Iterable<Tagged>, options?: DueOptions & KeysOptions<Tagged>) => {
      // A generator gives its states only once, but the effect may run again, for example when it is retried.
      const all = Array.from(states)
      return Effect.gen(function*() {
        const due = yield* dueOf(name, options)
        const keys = yield* keysOf(name, options, all)
        const steps = yield* Effect.forEach(all, encode)
        return yield* keys === undefined
          ? insertTasks(steps, due, limits && all.map((state) => limitOfNew(limits, state)))
          : enqueueAllKeyed(steps, { task: name, ...due }, keys)
      })
    }
  }
}

/** What a declaration is made of. */
interface Parts<out S extends TaggedState> {
  /** The steps of a task, or, if it is only declared, its tags and schemas. */
  readonly states: ReadonlyArray<S>
  readonly entry: ReadonlyArray<StateSchema> | undefined
  /** The tags of those of the states that are final. */
  readonly finalTags: ReadonlyArray<string>
  readonly signals: ReadonlyMap<string, StateSchema>
}

export const makeDeclaration = <S extends TaggedState>(
  name: string,
  { entry, finalTags, signals, states }: Parts<S>
): DeclarationDefinition<S> & ReturnType<typeof makeMethods> => {
  const schemasOf = (isWanted: (tag: string) => boolean) =>
    states.filter(({ tag }) => isWanted(tag)).map(({ state }) => state)
  const isFinal = (tag: string) => finalTags.includes(tag)
  const declaration: DeclarationDefinition<S> = {
    name,
    states: states.map(({ state }) => state),
    entry: entry ?? schemasOf((tag) => !isFinal(tag)),
    entryTags: entry === undefined ? undefined : entryTagsOf(name, entry, states, finalTags),
    finals: schemasOf(isFinal),
    finalTags,
    codec: makeCodec(name, states),
    limits: limitsOf(states),
    signals: [...signals.values()],
    signalsByTag: signals
  }
  const typeId = { "~effect-pg-task/Declaration": "~effect-pg-task/Declaration" }
  return Object.assign(typeId, declaration, makeMethods(declaration))
}

interface DeclareOptions {
  readonly states: ReadonlyArray<StateSchema>
  readonly entry?: ReadonlyArray<StateSchema> | undefined
  readonly signals?: ReadonlyArray<StateSchema> | undefined
  readonly final?: ReadonlyArray<StateSchema> | undefined
}

const findTwice = (tags: ReadonlyArray<string>): string | undefined =>
  tags.find((tag, index) => tags.indexOf(tag) !== index)

const taggedStates = (name: string, key: string, schemas: ReadonlyArray<StateSchema>): ReadonlyArray<TaggedState> => {
  const role = `Each of the \`${key}\` of task ${JSON.stringify(name)}`
  const states = schemas.map((state) => ({ tag: tagOf(state, role), state }))
  const twice = findTwice(states.map(({ tag }) => tag))
  if (twice !== undefined) failDefinition(name, `two of its \`${key}\` have the tag "${twice}"`)
  return states
}

/** Declares a task whose steps are elsewhere. */
export const declareTask = (name: string, options: DeclareOptions) => {
  checkName(name)
  const states: unknown = isObject(options) ? options.states : undefined
  if (!Array.isArray(states) || states.length === 0) failDefinition(name, "a task needs at least one state")
  const { final = [], signals = [] } = options
  if (!Array.isArray(final)) failDefinition(name, "`final` must be an array of states")
  if (!Array.isArray(signals)) failDefinition(name, "`signals` must be an array")
  const finals = taggedStates(name, "final", final)
  const tagged = [...taggedStates(name, "states", options.states), ...finals]
  const both = findTwice(tagged.map(({ tag }) => tag))
  if (both !== undefined) failDefinition(name, `"${both}" is among its \`states\` and among its \`final\` states`)
  return makeDeclaration(name, {
    states: tagged,
    entry: options.entry,
    finalTags: finals.map(({ tag }) => tag),
    signals: signalsByTag(name, signals, `Each of the \`signals\` of task ${JSON.stringify(name)}`)
  })
}
