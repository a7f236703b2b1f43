/** Signals without the declaration of the task that they go to. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { isObject } from "effect/Predicate"
import * as SqlClient from "effect/sql/SqlClient"
import { TaskInvalidSignalError } from "../../TaskError.ts"
import type { DeclarationDefinition } from "../definition/declaration.ts"
import { makeSignalDecode } from "../definition/signalCodec.ts"
import { dedupeOf, sendSignal, type SignalOptions } from "../enqueue/signal.ts"
import { toTableError } from "../sql/errors.ts"
import { listInbox } from "../sql/signals.ts"
import { checkId, notFound } from "./target.ts"

const invalid = (task: string, signal: string, message: string) => new TaskInvalidSignalError({ task, signal, message })

const parseFields = (task: string, signal: string, fields: string) =>
  Effect.suspend(() => {
    const bad = (why: string) => invalid(task, signal, `The fields of the signal "${signal}" ${why}`)
    try {
      const parsed: unknown = JSON.parse(fields)
      return isObject(parsed) && !Array.isArray(parsed) ? Effect.succeed(parsed) : bad("must be a JSON object")
    } catch (error) {
      return bad(`are not JSON: ${(error as Error).message}`)
    }
  })

/** Sends a signal whose fields are JSON. Only their shape is checked. */
export const signalRaw = Effect.fn("Admin.signal")(
  function*(given: string, signal: string, fields = "{}", options?: SignalOptions) {
    const id = yield* checkId(given)
    if (signal === "" || signal.startsWith("$")) {
      return yield* invalid("", signal, `"${signal}" is no signal: give the tag of one`)
    }
    yield* parseFields("", signal, fields)
    const dedupe = yield* dedupeOf("", options)
    yield* sendSignal({ task: undefined, id }, { tag: signal, value: fields, dedupe })
  }
)

/** Decodes the fields of a signal by the schema of the task. */
export const decodeSignal = Effect.fnUntraced(
  function*({ name, signalsByTag }: DeclarationDefinition, signal: string, fields: string) {
    const schema = signalsByTag.get(signal)
    if (schema === undefined) {
      const known = [...signalsByTag.keys()].map((tag) => `"${tag}"`).join(", ")
      return yield* invalid(
        name,
        signal,
        `no state of ${name} waits for the signal "${signal}": ${known === "" ? "it has none" : `it has ${known}`}`
      )
    }
    const parsed = yield* parseFields(name, signal, fields)
    return yield* Effect.mapError(
      makeSignalDecode(schema, signal)(parsed),
      ({ message }) => invalid(name, signal, `${name}: ${message}`)
    )
  }
)

/** A signal that a task has got, and has not taken. */
export interface InboxSignal {
  /** Its `_tag`. Null if somebody has written something else into the row. */
  readonly signal: string | null
  /** Its fields, as JSON. */
  readonly fields: string
  readonly sentAt: DateTime.Utc | null
  /** The key by which duplicates are known. */
  readonly dedupe: string | null
}

/** The signals that a task has not taken. */
export const inbox = Effect.fn("Admin.inbox")(function*(given: string) {
  const id = yield* checkId(given)
  const [row] = yield* listInbox(yield* SqlClient.SqlClient, id)
  if (row === undefined) return yield* notFound(id)
  return row.signals.map(({ at, dedupe, fields, signal }) => ({
    signal,
    fields: fields ?? "{}",
    sentAt: at === null ? null : DateTime.makeUnsafe(at),
    dedupe
  }))
}, Effect.catchTag("SqlError", toTableError))
