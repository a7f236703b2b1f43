/** The shapes of a build's states as JSON Schemas, and whether rows of one build can be decoded by another. */
import { isObject } from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { StateSchema } from "./state.ts"
import type { TaskDefinition } from "./task.ts"

/** A JSON Schema, or a part of one. */
type Json = Readonly<Record<string, unknown>>

/** The shape of one state: a JSON Schema and what it refers to. */
export interface Shape {
  readonly schema: Json
  readonly definitions: Readonly<Record<string, Json>>
}

export interface Snapshot {
  readonly version: 1
  /** By the task's name, and the state's tag. Former states are there, too. */
  readonly tasks: Readonly<Record<string, Readonly<Record<string, Shape>>>>
}

/** Something that rows of the older build can't be decoded with. */
export interface Incompatibility {
  readonly task: string
  /** Undefined: the whole task. */
  readonly state: string | undefined
  readonly message: string
}

const shapeOf = (state: StateSchema): Shape => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(Schema.toCodecJson(state))
  return JSON.parse(JSON.stringify({ schema, definitions })) as Shape
}

const byName = <A>(entries: ReadonlyArray<readonly [string, A]>): Readonly<Record<string, A>> =>
  Object.fromEntries([...entries].sort(([a], [b]) => a < b ? -1 : 1))

export const snapshotOf = (tasks: ReadonlyArray<TaskDefinition>): Snapshot => ({
  version: 1,
  tasks: byName(tasks.map(({ name, steps }) => {
    const states = steps.flatMap(({ from, state, tag }) => [{ state, tag }, ...from])
    return [name, byName(states.map(({ state, tag }) => [tag, shapeOf(state)] as const))] as const
  }))
})

export const isSnapshot = (u: unknown): u is Snapshot =>
  isObject(u) && "version" in u && u.version === 1 && "tasks" in u

// ---------------------------------------------------------------------------------------------------------------
// Whether all that fits one schema fits another
// ---------------------------------------------------------------------------------------------------------------

interface Pair {
  readonly before: Shape
  readonly after: Shape
  /** The references that are being compared: a round fits if the rest does. */
  readonly seen: ReadonlySet<string>
}

const isJson = (u: unknown): u is Json => isObject(u) && !Array.isArray(u)

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const referenced = (schema: Json, { definitions }: Shape): Json =>
  typeof schema["$ref"] === "string" ? definitions[schema["$ref"].replace("#/$defs/", "")] ?? {} : schema

/** The checks of a schema are in its `allOf`. */
const flat = (schema: Json): Json =>
  Array.isArray(schema["allOf"])
    ? Object.assign({}, ...(schema["allOf"] as ReadonlyArray<Json>), { ...schema, allOf: undefined }) as Json
    : schema

const listOf = (schema: Json, ...keys: ReadonlyArray<string>): ReadonlyArray<Json> | undefined =>
  keys.map((key) => schema[key]).find((value) => Array.isArray(value)) as ReadonlyArray<Json> | undefined

const at = (path: string, what: string): ReadonlyArray<string> => [path === "" ? what : `${path} ${what}`]

const inField = (path: string, name: string) => `${path}[${JSON.stringify(name)}]`

const fits = (before: Json, after: Json, path: string, pair: Pair): ReadonlyArray<string> => {
  const refs = `${String(before["$ref"])} ${String(after["$ref"])}`
  if (before["$ref"] !== undefined && pair.seen.has(refs)) return []
  const seen = new Set(pair.seen).add(refs)
  const [older, newer] = [flat(referenced(before, pair.before)), flat(referenced(after, pair.after))]
  const inner = { ...pair, seen }
  const forms = listOf(older, "anyOf", "oneOf")
  if (forms !== undefined) return [...new Set(forms.flatMap((form) => fits(form, after, path, inner)))]
  const wanted = listOf(newer, "anyOf", "oneOf")
  if (wanted === undefined) return fitsOne(older, newer, path, inner)
  const found = wanted.map((form) => fits(older, form, path, inner))
  if (found.some((problems) => problems.length === 0)) return []
  return found.length === 1 ? found[0]! : at(path, `may have been ${nameOf(older)}, which fits none of its forms now`)
}

const nameOf = (schema: Json): string =>
  schema["enum"] === undefined
    ? typeof schema["type"] === "string" ? schema["type"] : "anything"
    : JSON.stringify(schema["enum"])

/** For schemas that are no unions. */
const fitsOne = (older: Json, newer: Json, path: string, pair: Pair): ReadonlyArray<string> => {
  const kind = fitsKind(older, newer, path)
  if (kind.length > 0) return kind
  return [
    ...limits(older, newer, path),
    ...(newer["type"] === "object" ? fitsFields(older, newer, path, pair) : []),
    ...(newer["type"] === "array" ? fitsItems(older, newer, path, pair) : [])
  ]
}

const typeOf = (value: unknown): string => value === null ? "null" : Array.isArray(value) ? "array" : typeof value

const fitsKind = (older: Json, newer: Json, path: string): ReadonlyArray<string> => {
  const [values, allowed] = [listOf(older, "enum"), listOf(newer, "enum")]
  const type = newer["type"]
  if (values !== undefined) {
    const refused = values.filter((value) =>
      allowed === undefined
        ? type !== undefined && type !== typeOf(value) && !(type === "integer" && Number.isInteger(value))
        : !allowed.some((one) => same(one, value))
    )
    return refused.length === 0
      ? []
      : at(path, `may no longer be ${refused.map((one) => JSON.stringify(one)).join(", ")}`)
  }
  if (allowed !== undefined) return at(path, `may now be only ${allowed.map((one) => JSON.stringify(one)).join(", ")}`)
  const isWider = type === undefined || type === older["type"] || (type === "number" && older["type"] === "integer")
  return isWider ? [] : at(path, `was ${nameOf(older)}, and is ${nameOf(newer)} now`)
}

const lowest = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"]
const highest = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"]
/** What can only be compared as a whole. */
const exact = ["pattern", "multipleOf", "uniqueItems", "patternProperties", "propertyNames", "not", "contains"]

const limits = (older: Json, newer: Json, path: string): ReadonlyArray<string> => {
  const number = (schema: Json, key: string, without: number) => typeof schema[key] === "number" ? schema[key] : without
  return [
    ...lowest.filter((key) => number(newer, key, -Infinity) > number(older, key, -Infinity)),
    ...highest.filter((key) => number(newer, key, Infinity) < number(older, key, Infinity)),
    ...exact.filter((key) => newer[key] !== undefined && !same(newer[key], older[key]))
  ].flatMap((key) => at(path, `is narrower now: its \`${key}\` is ${JSON.stringify(newer[key])}`))
}

const fitsFields = (older: Json, newer: Json, path: string, pair: Pair): ReadonlyArray<string> => {
  const fields = (schema: Json) => (isJson(schema["properties"]) ? schema["properties"] : {}) as Record<string, Json>
  const required = (schema: Json) => (listOf(schema, "required") ?? []) as unknown as ReadonlyArray<string>
  const missing = required(newer).filter((name) => !required(older).includes(name))
  const [before, after] = [fields(older), fields(newer)]
  const rest = [older["additionalProperties"], newer["additionalProperties"]] as const
  return [
    ...missing.flatMap((name) =>
      at(inField(path, name), "is required now: give it a decoding default, or make it optional")
    ),
    ...Object.entries(after).flatMap(([name, field]) =>
      before[name] === undefined ? [] : fits(before[name], field, inField(path, name), pair)
    ),
    ...(isJson(rest[0]) && isJson(rest[1]) ? fits(rest[0], rest[1], `${path}[*]`, pair) : [])
  ]
}

const fitsItems = (older: Json, newer: Json, path: string, pair: Pair): ReadonlyArray<string> => {
  const [first, then] = [listOf(older, "prefixItems") ?? [], listOf(newer, "prefixItems") ?? []]
  const [items, newItems] = [older["items"], newer["items"]]
  return [
    ...first.flatMap((item, index) => {
      const wanted = then[index] ?? newItems
      return isJson(wanted) ? fits(item, wanted, `${path}[${index}]`, pair) : []
    }),
    ...(isJson(items) && isJson(newItems) ? fits(items, newItems, `${path}[*]`, pair) : [])
  ]
}

/** What rows of the build of `before` can't be decoded with by that of `after`. */
export const incompatibilities = (before: Snapshot, after: Snapshot): ReadonlyArray<Incompatibility> =>
  Object.entries(before.tasks).flatMap(([task, states]): ReadonlyArray<Incompatibility> => {
    const now = after.tasks[task]
    if (now === undefined) {
      return [{ task, state: undefined, message: "the task was removed: its rows would wait for ever" }]
    }
    return Object.entries(states).flatMap(([state, shape]) => {
      const next = now[state]
      const messages = next === undefined
        ? ["the state was removed: take it over with Step.former, in the step of what it became"]
        : fits(shape.schema, next.schema, "", { before: shape, after: next, seen: new Set() })
      return messages.map((message) => ({ task, state, message }))
    })
  })
