/** Between a state and the text of the `step` column: `{"Task":{"State":{…fields, without _tag}}}`. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { isObject } from "effect/Predicate"
import * as Schema from "effect/Schema"
import { InvalidStateError } from "../TaskError.ts"
import type { StepDefinition } from "./definition.ts"
import type { Tagged } from "./types.ts"

/** A row's `step` can't be decoded. Its message becomes the row's error. */
export class DecodeError extends Data.TaggedError("DecodeError")<{ readonly message: string }> {}

/** A decoded row. */
export interface Decoded {
  readonly step: StepDefinition
  readonly state: Tagged
}

export interface Codec {
  readonly encode: (state: Tagged) => Effect.Effect<string, InvalidStateError>
  /** Takes the parsed `step`: see {@link parseStep}. */
  readonly decode: (parsed: ParsedStep) => Effect.Effect<Decoded, DecodeError>
}

/** A `step` whose outer shape is right. */
export interface ParsedStep {
  readonly task: string
  readonly tag: string
  readonly fields: object
}

const parseJson = (text: string) =>
  Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: (error) => new DecodeError({ message: `step is not JSON: ${(error as Error).message}` })
  })

/** The only key of an object and its value, or undefined for anything else. */
const onlyEntry = (value: unknown): readonly [string, unknown] | undefined => {
  if (!isObject(value) || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  return entries.length === 1 ? entries[0] : undefined
}

/** Reads the outer shape of a `step`, which is the same for every task. */
export const parseStep = (text: string): Effect.Effect<ParsedStep, DecodeError> =>
  Effect.flatMap(parseJson(text), (json) => {
    const task = onlyEntry(json)
    const state = task && onlyEntry(task[1])
    if (state === undefined) {
      return new DecodeError({ message: `step must have the shape {"Task":{"State":{…}}}` })
    }
    const fields = state[1] ?? {}
    return typeof fields === "object" && !Array.isArray(fields)
      ? Effect.succeed({ task: task![0], tag: state[0], fields })
      : new DecodeError({ message: `the fields of state "${state[0]}" must be an object or null` })
  })

const isRecord = (u: unknown): u is Record<string, unknown> => isObject(u) && !Array.isArray(u)

/** A class's schema only takes its instances, though TypeScript lets plain objects of its shape pass. */
const hintFor = ({ state: schema, tag }: StepDefinition, state: Tagged): string =>
  typeof schema === "function" && !(state instanceof (schema as unknown as new() => unknown))
    ? ` (make it with \`new ${tag}({…})\`, it is an instance of another class or none)`
    : ""

/** The codecs of each step are made once, not once a row. */
const makeStepCodec = (task: string, step: StepDefinition) => {
  const schema = Schema.toCodecJson(step.state) as unknown as Schema.Codec<Tagged, unknown>
  const encode = Schema.encodeUnknownEffect(schema)
  const decode = Schema.decodeUnknownEffect(schema)
  const prefix = `${JSON.stringify({ [task]: 0 }).slice(0, -2)}{${JSON.stringify(step.tag)}:`
  const invalid = (message: string) => new InvalidStateError({ task, state: step.tag, message })
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
          return Effect.succeed(`${prefix}${JSON.stringify(fields)}}}`)
        }
      }),
    decode: (fields: object) =>
      Effect.matchEffect(decode({ ...fields, _tag: step.tag }), {
        onFailure: (error) =>
          new DecodeError({ message: `${task}: step doesn't fit the schema of state "${step.tag}": ${error.message}` }),
        onSuccess: (state) => Effect.succeed({ step, state })
      })
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
