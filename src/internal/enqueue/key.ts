/** The key of a new task, from the options that callers give. */
import * as Effect from "effect/Effect"
import { isObject } from "effect/Predicate"
import { TaskOptionsError } from "../../TaskError.ts"
import type { OnConflict } from "../sql/keys.ts"

/** `Task.KeyOptions`. Callers in plain JavaScript may give anything. */
export interface KeyOptions {
  readonly key?: string | undefined
  readonly onConflict?: OnConflict | undefined
}

/** A key, and what happens if a row has it. */
export interface Key {
  readonly key: string
  readonly onConflict: OnConflict
}

/** In UTF-16 units. With the task's name, more would not fit into an entry of Postgres's index. */
const maxKeyLength = 500

const conflicts: ReadonlyArray<unknown> = ["keep", "fail", "replace", "debounce", "throttle"] satisfies ReadonlyArray<
  OnConflict
>

/** Postgres can't store NUL or half a surrogate pair in a text. */
const unstorable = /[\0\uD800-\uDFFF]/u

const refuse = (task: string, mistake: string) =>
  new TaskOptionsError({ task, message: `${task}: ${mistake}. Nothing was stored` })

const isKey = (key: unknown): key is string =>
  typeof key === "string" && key.length > 0 && key.length <= maxKeyLength && !unstorable.test(key)

const badKey = (task: string) =>
  refuse(task, `a \`key\` must be a text of 1 to ${maxKeyLength} characters, without NUL or half surrogate pairs`)

const conflictOf = (
  task: string,
  { key, onConflict }: { readonly key?: unknown; readonly onConflict?: OnConflict | undefined }
): Effect.Effect<OnConflict, TaskOptionsError> => {
  if (onConflict === undefined) return Effect.succeed("keep")
  if (!conflicts.includes(onConflict)) {
    return refuse(task, `\`onConflict\` must be one of ${conflicts.map((one) => `"${String(one)}"`).join(", ")}`)
  }
  return key === undefined ? refuse(task, "`onConflict` needs a `key`") : Effect.succeed(onConflict)
}

/** The key in the options of one task, if there is one. */
export const keyOf = (
  task: string,
  options: KeyOptions | undefined
): Effect.Effect<Key | undefined, TaskOptionsError> => {
  if (options === undefined) return Effect.undefined
  if (!isObject(options)) return refuse(task, "the options must be an object, such as { key: \"customer-42\" }")
  const { key }: KeyOptions = options
  return Effect.flatMap(conflictOf(task, options), (onConflict) => {
    if (key === undefined) return Effect.undefined
    return isKey(key) ? Effect.succeed({ key, onConflict }) : badKey(task)
  })
}

/** The keys of many tasks, made of their states. */
export interface Keys {
  readonly keys: ReadonlyArray<string>
  readonly onConflict: OnConflict
}

/** `Task.EnqueueAllOptions`, as far as it is about keys. */
export interface KeysOptions<S> {
  readonly key?: ((state: S) => string) | undefined
  readonly onConflict?: OnConflict | undefined
}

/** The keys of many tasks, if they have keys. */
export const keysOf = <S>(
  task: string,
  options: KeysOptions<S> = {},
  states: ReadonlyArray<S>
): Effect.Effect<Keys | undefined, TaskOptionsError> =>
  Effect.flatMap(conflictOf(task, options), (onConflict) => {
    if (!("key" in options)) return Effect.undefined
    const { key } = options
    if (typeof key !== "function") return refuse(task, "`key` must be a function that makes a key of a state")
    const keys = states.map((state): unknown => key(state))
    return keys.every(isKey) ? Effect.succeed({ keys, onConflict }) : badKey(task)
  })
