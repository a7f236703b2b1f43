/** A declaration at run time: the task's name, its states, where it may begin, and the methods that enqueue it. */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { hasProperty, isObject } from "effect/Predicate"
import type { Tagged } from "../../NextStep.ts"
import { TaskDefinitionError, TaskInvalidStateError, type TaskOptionsError } from "../../TaskError.ts"
import { dueAfter, dueAt, dueOf, type DueOptions } from "../enqueue/due.ts"
import { insertTask, insertTasks } from "../enqueue/enqueue.ts"
import type { Due } from "../sql/insert.ts"
import { type Codec, makeCodec, type TaggedState } from "./codec.ts"
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
  readonly codec: Codec<S>
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
  states: ReadonlyArray<TaggedState>
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
    return state.state === schema
      ? tag
      : failDefinition(name, `\`entry\` names a "${tag}" that differs from this task's state "${tag}"`)
  })
  return [...new Set(tags)]
}

/** A codec's `encode` that takes only states in which the task may begin. */
const encodeEntry = ({ codec, entryTags, name }: DeclarationDefinition): Codec["encode"] => {
  if (entryTags === undefined) return codec.encode
  const known = entryTags.map((tag) => `"${tag}"`).join(", ")
  const refuse = (tag: string) =>
    new TaskInvalidStateError({
      task: name,
      state: tag,
      message: `${name}: a task may not begin with "${tag}", but with ${known}: see its \`entry\`. Nothing was stored`
    })
  return (state) =>
    Effect.tap(codec.encode(state), () => entryTags.includes(state._tag) ? Effect.void : refuse(state._tag))
}

const makeMethods = (declaration: DeclarationDefinition) => {
  const { name } = declaration
  const encode = encodeEntry(declaration)
  const store = (state: Tagged, due: Effect.Effect<Due, TaskOptionsError>) =>
    Effect.flatMap(due, (due) => Effect.flatMap(encode(state), (step) => insertTask(step, due)))
  return {
    enqueue: (state: Tagged, options?: DueOptions) => store(state, dueOf(name, options)),
    delay: (state: Tagged, duration: Duration.Input) => store(state, dueAfter(name, duration)),
    schedule: (state: Tagged, dateTime: DateTime.DateTime) => store(state, dueAt(name, dateTime)),
    enqueueAll: (states: Iterable<Tagged>, options?: DueOptions) => {
      // A generator gives its states only once, but the effect may run again, for example when it is retried.
      const all = Array.from(states)
      const steps = Effect.forEach(all, encode)
      return Effect.flatMap(dueOf(name, options), (due) => Effect.flatMap(steps, (steps) => insertTasks(steps, due)))
    }
  }
}

/** `states` are the steps of a task, or, if it is only declared, its tags and schemas. */
export const makeDeclaration = <S extends TaggedState>(
  name: string,
  states: ReadonlyArray<S>,
  entry: ReadonlyArray<StateSchema> | undefined
): DeclarationDefinition<S> & ReturnType<typeof makeMethods> => {
  const schemas = states.map(({ state }) => state)
  const declaration: DeclarationDefinition<S> = {
    name,
    states: schemas,
    entry: entry ?? schemas,
    entryTags: entry === undefined ? undefined : entryTagsOf(name, entry, states),
    codec: makeCodec(name, states)
  }
  const typeId = { "~effect-pg-task/Declaration": "~effect-pg-task/Declaration" }
  return Object.assign(typeId, declaration, makeMethods(declaration))
}

interface DeclareOptions {
  readonly states: ReadonlyArray<StateSchema>
  readonly entry?: ReadonlyArray<StateSchema> | undefined
}

/** Declares a task whose steps are elsewhere. */
export const declareTask = (name: string, options: DeclareOptions) => {
  checkName(name)
  const states: unknown = isObject(options) ? options.states : undefined
  if (!Array.isArray(states) || states.length === 0) failDefinition(name, "a task needs at least one state")
  const role = `Each of the \`states\` of task ${JSON.stringify(name)}`
  const tagged = options.states.map((state): TaggedState => ({ tag: tagOf(state, role), state }))
  const tags = tagged.map(({ tag }) => tag)
  const twice = tags.find((tag, index) => tags.indexOf(tag) !== index)
  if (twice !== undefined) failDefinition(name, `two of its \`states\` have the tag "${twice}"`)
  return makeDeclaration(name, tagged, options.entry)
}
