/** Between a state and the text of the `step` column: `{"Task":{"State":{…fields, without _tag}}}`. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isObject } from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Tagged } from "../../NextStep.ts"
import { TaskInvalidStateError } from "../../TaskError.ts"
import type { FormerDefinition } from "./former.ts"
import type { LimitDefinition } from "./limit.ts"
import type { StateSchema } from "./state.ts"
import type { StepDefinition } from "./step.ts"
import { searchOf } from "./excess.ts"
import { maxStep } from "../sql/schema.ts"

/** A row's `step` can't be decoded. Its message becomes the row's error. */
export class DecodeError extends Data.TaggedError("DecodeError")<{ readonly message: string }> {}

/** The schema of a state, and its tag. Every step is one, too. */
export interface TaggedState {
  readonly tag: string
  readonly state: StateSchema
  /** The former states that become this one. */
  readonly from?: ReadonlyArray<FormerDefinition>
  readonly limit?: LimitDefinition | undefined
}

/** A decoded row, with the step of its tag. */
export interface Decoded<out S extends TaggedState = StepDefinition> {
  readonly step: S
  readonly state: Tagged
  /** The tag of the former state that the row holds. */
  readonly former?: string
}

export interface Codec<out S extends TaggedState = StepDefinition> {
  readonly encode: (state: Tagged) => Effect.Effect<string, TaskInvalidStateError>
  /** Takes the parsed `step`: see {@link readStep}. */
  readonly decode: (parsed: ParsedStep) => Effect.Effect<Decoded<S>, DecodeError>
}

/** A `step` whose outer shape is right. */
export interface ParsedStep {
  readonly task: string
  readonly tag: string
  readonly fields: object
}

export const malformed = (message: string) => new DecodeError({ message })

const tooLong = `longer than ${maxStep / 1_000_000} MB, the most that can be read again: `
  + "keep large data elsewhere, and only a reference to it in the state"

/** A UTF-16 unit has three bytes at most, so short texts are not measured. */
const isTooLong = (text: string): boolean => text.length * 3 > maxStep && Buffer.byteLength(text) > maxStep

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    return malformed(`step is not JSON: ${(error as Error).message}`)
  }
}

/** The only key of an object and its value, or undefined for anything else. */
const onlyEntry = (value: unknown): readonly [string, unknown] | undefined => {
  if (!isObject(value) || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  return entries.length === 1 ? entries[0] : undefined
}

/** Reads the outer shape of a `step`, which is the same for every task. Null stands for one that is too long. */
export const readStep = (text: string | null): ParsedStep | DecodeError => {
  if (text === null || isTooLong(text)) return malformed(`step is ${tooLong}`)
  const json = parseJson(text)
  if (json instanceof DecodeError) return json
  const task = onlyEntry(json)
  const state = task && onlyEntry(task[1])
  if (state === undefined) return malformed(`step must have the shape {"Task":{"State":{…}}}`)
  const fields = state[1] ?? {}
  return typeof fields === "object" && !Array.isArray(fields)
    ? { task: task![0], tag: state[0], fields }
    : malformed(`the fields of state "${state[0]}" must be an object or null`)
}

/** {@link readStep} as an Effect. */
export const parseStep = (text: string): Effect.Effect<ParsedStep, DecodeError> =>
  Effect.suspend(() => {
    const step = readStep(text)
    return step instanceof DecodeError ? step : Effect.succeed(step)
  })

/**
 * A `Schema.Number` also accepts the texts that stand for infinity and NaN in JSON. They would only confuse readers.
 */
export const describe = (error: Schema.SchemaError): string =>
  error.message.replaceAll(/(?:number \| )?"Infinity" \| "-Infinity" \| "NaN"/g, "number")

export const isRecord = (u: unknown): u is Record<string, unknown> => isObject(u) && !Array.isArray(u)

/** As JSON. Made once for each step, not once for each row. */
export const jsonCodecOf = (schema: StateSchema) =>
  Schema.toCodecJson(schema) as unknown as Schema.Codec<Tagged, unknown>

const makeDecode = <S extends TaggedState>(task: string, step: S) => {
  const decode = Schema.decodeUnknownEffect(jsonCodecOf(step.state))
  const onDecoded = {
    onFailure: (error: Schema.SchemaError) =>
      malformed(`${task}: step doesn't fit the schema of state "${step.tag}": ${describe(error)}`),
    onSuccess: (state: Tagged): Effect.Effect<Decoded<S>> => Effect.succeed({ step, state })
  }
  return (fields: object): Effect.Effect<Decoded<S>, DecodeError> => {
    // `_tag` is set twice, so that no field can replace it. In a literal, adding it after the spread would cost as much
    // as all the rest.
    const encoded = { _tag: step.tag, ...fields }
    encoded._tag = step.tag
    const decoded = decode(encoded)
    // Most schemas decode synchronously: then no effect is built.
    return Exit.isExit(decoded) && Exit.isSuccess(decoded)
      ? Exit.succeed({ step, state: decoded.value as Tagged })
      : Effect.matchEffect(decoded, onDecoded)
  }
}

/** Turns a former state into the step's state, by one function after the other. */
const makeMigrate = (task: string, step: TaggedState, from: ReadonlyArray<FormerDefinition>) => {
  const formers = new Map(from.map((former) => [former.tag, former]))
  const known = (value: unknown): value is Tagged =>
    isRecord(value) && (value["_tag"] === step.tag || formers.has(value["_tag"] as string))
  const next = ({ migrate, tag }: FormerDefinition, old: Tagged): Effect.Effect<Tagged, DecodeError> =>
    Effect.suspend(() => {
      const value = migrate(old)
      // A state may be an error, which is an Effect, too.
      const made = !known(value) && Effect.isEffect(value)
        ? Effect.scoped(value as Effect.Effect<unknown>)
        : Exit.succeed(value)
      return Effect.flatMap(made, (state) =>
        known(state)
          ? Effect.succeed(state)
          : malformed(`${task}: the former state "${tag}" became neither "${step.tag}" nor another former state of it`))
    })
  const migrate = (old: Tagged, left: number): Effect.Effect<Tagged, DecodeError> => {
    const former = formers.get(old._tag)
    if (former === undefined) return Effect.succeed(old)
    return left === 0
      ? malformed(`${task}: the former state "${old._tag}" goes round: it never becomes "${step.tag}"`)
      : Effect.flatMap(next(former, old), (state) => migrate(state, left - 1))
  }
  return (old: Tagged) => migrate(old, from.length)
}

/** A decoder for each former state of a step, by its tag. */
const makeFormerDecoders = <S extends TaggedState>(task: string, step: S) => {
  const { from = [] } = step
  const migrate = makeMigrate(task, step, from)
  return from.map((former) => {
    const decode = makeDecode(task, former)
    const decodeFormer = (fields: object): Effect.Effect<Decoded<S>, DecodeError> =>
      decode(fields).pipe(
        Effect.flatMap(({ state }) => migrate(state)),
        Effect.map((state) => ({ step, state, former: former.tag }))
      )
    return [former.tag, decodeFormer] as const
  })
}

/** How a value of a schema becomes text, and how mistakes in it are reported. */
interface Encoding<out E> {
  readonly schema: StateSchema
  readonly prefix: string
  readonly suffix: string
  readonly isTooLong: (text: string) => boolean
  readonly tooLong: string
  /** Makes an error of what is wrong. */
  readonly invalid: (what: string) => Effect.Effect<never, E>
}

/** Encodes the fields of a state or a signal, without its `_tag`. */
export const makeEncode = <E>({ invalid, prefix, schema, suffix, ...limit }: Encoding<E>) => {
  const encode = Schema.encodeUnknownEffect(jsonCodecOf(schema))
  const findExcess = searchOf(schema.ast)
  const unfit = (why: string) => invalid(`doesn't fit its schema, so nothing was stored: ${why}`)
  const toText = (encoded: unknown): Effect.Effect<string, E> => {
    if (!isRecord(encoded)) return invalid("must encode to an object")
    const { _tag, ...fields } = encoded
    const text = `${prefix}${JSON.stringify(fields)}${suffix}`
    return limit.isTooLong(text) ? invalid(`is ${limit.tooLong}. Nothing was stored`) : Exit.succeed(text)
  }
  // The schema of a class refuses a plain object of its shape, but TypeScript accepts one: so make the instance.
  const encodeMade = (value: Tagged) =>
    schema.makeEffect(value).pipe(
      Effect.mapError((issue) => new Schema.SchemaError(issue)),
      Effect.flatMap(encode),
      Effect.matchEffect({ onFailure: (error) => unfit(describe(error)), onSuccess: toText })
    )
  return (value: Tagged): Effect.Effect<string, E> => {
    const excess = findExcess?.(value)
    if (excess !== undefined) return unfit(`it has no field "${excess}"`)
    const encoded = encode(value)
    return Exit.isExit(encoded) && Exit.isSuccess(encoded)
      ? toText(encoded.value)
      : Effect.matchEffect(encoded, { onFailure: () => encodeMade(value), onSuccess: toText })
  }
}

const makeStateEncode = (task: string, { state, tag }: TaggedState) =>
  makeEncode({
    schema: state,
    prefix: `${JSON.stringify({ [task]: 0 }).slice(0, -2)}{${JSON.stringify(tag)}:`,
    suffix: "}}",
    isTooLong,
    tooLong,
    invalid: (what) => new TaskInvalidStateError({ task, state: tag, message: `${task}: the state "${tag}" ${what}` })
  })

export const makeCodec = <S extends TaggedState>(task: string, steps: ReadonlyArray<S>): Codec<S> => {
  const encoders = new Map(steps.map((step) => [step.tag, makeStateEncode(task, step)]))
  const decoders = new Map(steps.map((step) => [step.tag, makeDecode(task, step)]))
  for (const step of steps) {
    for (const [tag, decode] of makeFormerDecoders(task, step)) decoders.set(tag, decode)
  }
  const known = steps.map((step) => `"${step.tag}"`).join(", ")
  return {
    encode: (state) =>
      Effect.suspend(() => {
        // Callers in plain JavaScript may pass anything.
        const tag: unknown = state?._tag
        return encoders.get(tag as string)?.(state) ?? Effect.fail(
          new TaskInvalidStateError({
            task,
            state: String(tag),
            message: `${task} has no state "${String(tag)}": its states are ${known}`
          })
        )
      }),
    decode: ({ fields, tag }) =>
      decoders.get(tag)?.(fields) ??
        new DecodeError({ message: `${task} has no state "${tag}": its states are ${known}` })
  }
}
