/** Between a signal and the JSON of its fields, without `_tag`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Tagged } from "../../NextStep.ts"
import { TaskInvalidSignalError } from "../../TaskError.ts"
import { type DecodeError, describe, isRecord, jsonCodecOf, makeEncode, malformed } from "./codec.ts"
import type { StateSchema } from "./state.ts"

/** In bytes: see `maxInboxBytes` in sql/signals.ts, which counts other signals, too. */
const maxSignal = 1_000_000

/** What `jsonb` can't hold: NUL, and half of a surrogate pair. `JSON.stringify` writes other characters as they are. */
const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/

const makeSignalEncode = (task: string, schema: StateSchema, tag: string) => {
  const invalid = (what: string) =>
    new TaskInvalidSignalError({ task, signal: tag, message: `${task}: the signal "${tag}" ${what}` })
  const encode = makeEncode({
    schema,
    prefix: "",
    suffix: "",
    isTooLong: (text) => Buffer.byteLength(text) > maxSignal,
    tooLong: `longer than ${maxSignal / 1_000_000} MB: keep large data elsewhere, and send a reference to it`,
    invalid
  })
  return (signal: Tagged) =>
    Effect.tap(encode(signal), (text) =>
      unstorable.test(text)
        ? invalid("holds a character that Postgres can't store as JSON: NUL, or half of a surrogate pair")
        : Effect.void)
}

/** Encodes the fields of a task's signals as JSON. `signals` are their schemas by tag. */
export const makeSignalEncoder = (
  task: string,
  signals: ReadonlyMap<string, StateSchema>
): (signal: Tagged) => Effect.Effect<string, TaskInvalidSignalError> => {
  const encoders = new Map([...signals].map(([tag, schema]) => [tag, makeSignalEncode(task, schema, tag)]))
  const known = [...signals.keys()].map((tag) => `"${tag}"`).join(", ")
  return (signal) =>
    Effect.suspend(() => {
      const tag: unknown = signal?._tag
      return encoders.get(tag as string)?.(signal) ?? Effect.fail(
        new TaskInvalidSignalError({
          task,
          signal: String(tag),
          message: `no state of ${task} waits for the signal "${String(tag)}": ${
            known === "" ? "its states wait for no signals" : `its signals are ${known}`
          }`
        })
      )
    })
}

/** Decodes the fields of a signal. Its schema may need services to do so. */
export const makeSignalDecode = (schema: StateSchema, tag: string) => {
  const decode = Schema.decodeUnknownEffect(jsonCodecOf(schema))
  return (value: unknown): Effect.Effect<Tagged, DecodeError> => {
    const fields = value ?? {}
    if (!isRecord(fields)) return malformed(`the fields of the signal "${tag}" must be an object`)
    return Effect.mapError(
      decode({ ...fields, _tag: tag }),
      (error) => malformed(`the signal "${tag}" doesn't fit its schema: ${describe(error)}`)
    )
  }
}
