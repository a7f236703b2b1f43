/** Children at run time: fields of states that hold other tasks. */
import * as Effect from "effect/Effect"
import { constant } from "effect/Function"
import { isFunction, isObject } from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import type { Tagged } from "../../NextStep.ts"
import { TaskDefinitionError, TaskInvalidStateError } from "../../TaskError.ts"
import type { TaskId } from "../../TaskId.ts"
import { type Codec, readStep, type TaggedState } from "./codec.ts"
import type { StateSchema } from "./state.ts"

/** What is known of the task that a child is. */
export interface ChildTask {
  readonly name: string
  readonly codec: Codec<TaggedState>
}

/** Whether any state of this program may hold children: then transitions look for them. */
let isUsed = false

/** One that is not stored yet has the `step` in which it is to begin. */
export class ChildDefinition {
  readonly id: TaskId
  readonly task: ChildTask
  readonly encoded: Effect.Effect<string, TaskInvalidStateError> | undefined
  readonly "~effect-pg-task/Task/Child": { readonly name: string; readonly _A: (_: never) => never }

  constructor(task: ChildTask, id: TaskId, encoded: ChildDefinition["encoded"]) {
    this.task = task
    this.id = id
    this.encoded = encoded
    this["~effect-pg-task/Task/Child"] = { name: task.name, _A: (_) => _ }
  }
}

/** A new child, which is stored together with the state that it is put into. */
export const makeChild = (task: ChildTask, encoded: NonNullable<ChildDefinition["encoded"]>): ChildDefinition =>
  new ChildDefinition(task, crypto.randomUUID() as TaskId, encoded)

const isUuid = Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)

/** The schema of a child says by this which task it is. */
const childAnnotation = "effect-pg-task/child"

const isChildTask = (u: unknown): u is ChildTask => isObject(u) && "~effect-pg-task/Declaration" in u

const checkChildTask = (task: unknown): ChildTask => {
  if (isChildTask(task)) return task
  throw new TaskDefinitionError({
    message: "Task.child must be given a task, its declaration, or a function that returns it"
  })
}

/** The schema of a field that holds a child of this task. A function stands for one that is declared further down. */
export const makeChildSchema = (of: ChildTask | (() => ChildTask)) => {
  const taskOf = isFunction(of) ? () => checkChildTask(of()) : constant(checkChildTask(of))
  const isChild = (u: unknown): u is ChildDefinition => u instanceof ChildDefinition && u.task.name === taskOf().name
  isUsed = true
  const expected = isFunction(of)
    ? "a child: made by `child` of its task"
    : `a child "${of.name}": made by its \`child\``
  return Schema.String.check(isUuid).pipe(
    Schema.decodeTo(
      Schema.declare(isChild, {
        title: expected,
        expected,
        [childAnnotation]: () => taskOf().name
      }),
      {
        decode: SchemaGetter.transform((id: string) => new ChildDefinition(taskOf(), id as TaskId, undefined)),
        encode: SchemaGetter.transform((child: ChildDefinition) => child.id as string)
      }
    )
  )
}

/** The children that a value holds: itself, or in arrays and records. Undefined if it is no such value. */
const childrenOf = (value: unknown): ReadonlyArray<ChildDefinition> | undefined => {
  if (value instanceof ChildDefinition) return [value]
  if (typeof value !== "object" || value === null) return undefined
  const members: ReadonlyArray<unknown> = Array.isArray(value) ? value : Object.values(value)
  const isAll = members.length > 0 && members.every((member) => member instanceof ChildDefinition)
  return isAll ? members : undefined
}

/** The children in the fields of a state. */
export const childrenIn = (state: Tagged): ReadonlyArray<ChildDefinition> =>
  isUsed ? Object.values(state).flatMap((value) => childrenOf(value) ?? []) : none

const none: ReadonlyArray<ChildDefinition> = []

const partsOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> => {
  switch (ast._tag) {
    case "Declaration":
      return ast.typeParameters
    case "Arrays":
      return [...ast.elements, ...ast.rest]
    case "Objects":
      return [...ast.propertySignatures, ...ast.indexSignatures].map(({ type }) => type)
    case "Union":
      return ast.types
    case "Suspend":
      return [ast.thunk()]
    default:
      return []
  }
}

/** The names of the tasks whose children a state may hold, each once. */
export const childTasksIn = ({ ast }: StateSchema): ReadonlyArray<string> => {
  const names = new Set<string>()
  const seen = new Set<SchemaAST.AST>()
  const visit = (part: SchemaAST.AST): void => {
    if (seen.has(part)) return
    seen.add(part)
    const nameOf = part.annotations?.[childAnnotation]
    if (isFunction(nameOf)) names.add(nameOf() as string)
    else partsOf(part).forEach(visit)
  }
  visit(ast)
  return [...names]
}

/** Whether a child is not stored yet. */
export const isNewChild = ({ encoded }: ChildDefinition): boolean => encoded !== undefined

/** The final state that a child has ended in. */
export const decodeChild = (
  { id, task }: ChildDefinition,
  raw: string | null
): Effect.Effect<Tagged, TaskInvalidStateError> => {
  const parsed = readStep(raw)
  const invalid = (message: string) =>
    new TaskInvalidStateError({ task: task.name, state: "", message: `The child ${id}: ${message}` })
  if (!("tag" in parsed)) return invalid(parsed.message)
  if (parsed.task !== task.name) return invalid(`it is a task "${parsed.task}", not "${task.name}"`)
  return Effect.mapBoth(task.codec.decode(parsed), {
    onFailure: ({ message }) => invalid(message),
    onSuccess: ({ state }) => state
  })
}

/** What has become of the children, in the shape of the fields that hold them. */
export const resultsIn = <E>(
  state: Tagged,
  resultOf: (child: ChildDefinition) => Effect.Effect<unknown, E>
): Effect.Effect<Record<string, unknown>, E> =>
  Effect.gen(function*() {
    const results: Record<string, unknown> = {}
    for (const [field, value] of Object.entries(state)) {
      if (value instanceof ChildDefinition) results[field] = yield* resultOf(value)
      else if (Array.isArray(value)) {
        if (value.every((one) => one instanceof ChildDefinition)) {
          results[field] = yield* Effect.forEach(value, resultOf)
        }
      } else if (isObject(value) && (childrenOf(value) !== undefined || Object.keys(value).length === 0)) {
        const members: Record<string, unknown> = {}
        for (const [key, child] of Object.entries(value)) members[key] = yield* resultOf(child as ChildDefinition)
        results[field] = members
      }
    }
    return results
  })
