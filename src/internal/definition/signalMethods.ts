/** The methods of a declaration that send signals. */
import * as Effect from "effect/Effect"
import type { Tagged } from "../../NextStep.ts"
import { TaskOptionsError } from "../../TaskError.ts"
import type { TaskId } from "../../TaskId.ts"
import { keyOf } from "../enqueue/key.ts"
import { dedupeOf, sendSignal, signalOrEnqueue, type SignalOptions } from "../enqueue/signal.ts"
import type { SignalTarget } from "../sql/signals.ts"
import type { Codec } from "./codec.ts"
import { makeSignalEncoder } from "./signalCodec.ts"
import type { StateSchema } from "./state.ts"

interface Declared {
  readonly name: string
  readonly signalsByTag: ReadonlyMap<string, StateSchema>
}

/** `encode` is for the states in which a task may begin. */
export const makeSignalMethods = ({ name, signalsByTag }: Declared, encode: Codec["encode"]) => {
  const encodeSignal = makeSignalEncoder(name, signalsByTag)
  const encodeWith = (signal: Tagged, options: SignalOptions | undefined) =>
    Effect.flatMap(
      dedupeOf(name, options),
      (dedupe) => Effect.map(encodeSignal(signal), (value) => ({ tag: signal._tag, value, dedupe }))
    )
  const send = (target: SignalTarget, signal: Tagged, options: SignalOptions | undefined) =>
    Effect.flatMap(encodeWith(signal, options), (encoded) => sendSignal(target, encoded))
  const check = (key: string) =>
    Effect.flatMap(keyOf(name, { key }), (found) =>
      found === undefined
        ? new TaskOptionsError({ task: name, message: `${name}: give the key of a task. Nothing was sent` })
        : Effect.succeed(found.key))
  return {
    signal: (id: TaskId, signal: Tagged, options?: SignalOptions) => send({ task: name, id }, signal, options),
    signalByKey: (key: string, signal: Tagged, options?: SignalOptions) =>
      Effect.flatMap(check(key), (key) => send({ task: name, key }, signal, options)),
    signalOrEnqueue: (key: string, signal: Tagged, state: Tagged, options?: SignalOptions) =>
      Effect.gen(function*() {
        const found = yield* check(key)
        const encoded = yield* encodeWith(signal, options)
        return yield* signalOrEnqueue({ task: name, key: found, step: yield* encode(state) }, encoded)
      })
  }
}
