/** Between a state and the text of the `step` column: `{"Task":{"State":{…fields, without _tag}}}`. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isObject } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { Tagged } from "../NextStep.ts"
import { InvalidStateError } from "../TaskError.ts"
import type { StepDefinition } from "./definition.ts"
import { maxStep } from "./schema.ts"

/** A row's `step` can't be decoded. Its message becomes the row's error. */
export class DecodeError extends Data.TaggedError("DecodeError")<{ readonly message: string }> {}

/** A decoded row. */
export interface Decoded {
  readonly step: StepDefinition
  readonly state: Tagged
}

export interface Codec {
  readonly encode: (state: Tagged) => Effect.Effect<string, InvalidStateError>
  /** Takes the parsed `step`: see {@link readStep}. */
  readonly decode: (parsed: ParsedStep) => Effect.Effect<Decoded, DecodeError>
}

/** A `step` whose outer shape is right. */
export interface ParsedStep {
  readonly task: string
  readonly tag: string
  readonly fields: object
}

const malformed = (message: string) => new DecodeError({ message })

const tooLong = `longer than ${maxStep / 1_000_000} MB, the most that can be read again: `
  + "keep what is large elsewhere, and where it is in the state"

/** A character is three bytes at most. */
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

/** Reads the outer shape of a `step`, which is the same for every task. Null is one that is too long. */
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

/** What a `Schema.Number` takes besides numbers is how JSON has those that are none: no text that anybody should write. */
const describe = (error: Schema.SchemaError): string =>
  error.message.replaceAll(/(?:number \| )?"Infinity" \| "-Infinity" \| "NaN"/g, "number")

const isRecord = (u: unknown): u is Record<string, unknown> => isObject(u) && !Array.isArray(u)

/** The schema of a struct can be called, too, but nothing can be made of it with `new`. */
const isClass = (schema: Schema.Top): boolean => typeof schema === "function" && SchemaAST.isDeclaration(schema.ast)

/** A class's schema only takes its instances, though TypeScript lets plain objects of its shape pass. */
const hintFor = ({ state: schema, tag }: StepDefinition, state: Tagged): string =>
  isClass(schema) && !(state instanceof (schema as unknown as new() => unknown))
    ? ` (make it with \`new ${tag}({…})\`, it is an instance of another class or none)`
    : ""

/** The codecs of each step are made once, not once a row. */
const makeStepCodec = (task: string, step: StepDefinition) => {
  const schema = Schema.toCodecJson(step.state) as unknown as Schema.Codec<Tagged, unknown>
  const encode = Schema.encodeUnknownEffect(schema)
  const decode = Schema.decodeUnknownEffect(schema)
  const prefix = `${JSON.stringify({ [task]: 0 }).slice(0, -2)}{${JSON.stringify(step.tag)}:`
  const invalid = (message: string) => new InvalidStateError({ task, state: step.tag, message })
  const onDecoded = {
    onFailure: (error: Schema.SchemaError) =>
      malformed(`${task}: step doesn't fit the schema of state "${step.tag}": ${describe(error)}`),
    onSuccess: (state: Tagged): Effect.Effect<Decoded> => Effect.succeed({ step, state })
  }
  return {
    encode: (state: Tagged) =>
      Effect.matchEffect(encode(state), {
        onFailure: (error) =>
          invalid(
            `${task}: the state "${step.tag}" doesn't fit its schema, so nothing was stored: ${error.message}${
              hintFor(step, state)
            }`
          ),
        onSuccess: (encoded) => {
          if (!isRecord(encoded)) return invalid(`${task}: the state "${step.tag}" must encode to an object`)
          const { _tag, ...fields } = encoded
          const text = `${prefix}${JSON.stringify(fields)}}}`
          return isTooLong(text)
            ? invalid(`${task}: the state "${step.tag}" is ${tooLong}. Nothing was stored`)
            : Effect.succeed(text)
        }
      }),
    decode: (fields: object): Effect.Effect<Decoded, DecodeError> => {
      // Twice, so that fields can't replace it: added after the spread, it would cost as much as all the rest.
      const encoded = { _tag: step.tag, ...fields }
      encoded._tag = step.tag
      const decoded = decode(encoded)
      // Most schemas decode at once: then there is nothing to wait for, and no effect to build.
      return Exit.isExit(decoded) && Exit.isSuccess(decoded)
        ? Exit.succeed({ step, state: decoded.value as Tagged })
        : Effect.matchEffect(decoded, onDecoded)
    }
  }
}

export const makeCodec = (task: string, steps: ReadonlyArray<StepDefinition>): Codec => {
  const codecs = new Map(steps.map((step) => [step.tag, makeStepCodec(task, step)]))
  const known = steps.map((step) => `"${step.tag}"`).join(", ")
  return {
    encode: (state) => {
      // Callers in plain JavaScript may hand over anything.
      const tag: unknown = state?._tag
      return codecs.get(tag as string)?.encode(state) ?? Effect.fail(
        new InvalidStateError({
          task,
          state: String(tag),
          message: `${task} has no state "${String(tag)}": its states are ${known}`
        })
      )
    },
    decode: ({ fields, tag }) =>
      codecs.get(tag)?.decode(fields) ??
        new DecodeError({ message: `${task} has no state "${tag}": its states are ${known}` })
  }
}
