/** When a new task becomes due, from the options that callers give. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isObject } from "effect/Predicate"
import { TaskOptionsError } from "../../TaskError.ts"
import type { Due } from "../sql/insert.ts"
import { toTimestamp } from "../sql/time.ts"

/** `Task.EnqueueOptions`. Callers in plain JavaScript may give both. */
export interface DueOptions {
  readonly delay?: Duration.Input | undefined
  readonly at?: DateTime.DateTime | undefined
}

const atOnce = Effect.succeed<Due>({ delay: 0, at: null })

const refuse = (task: string, mistake: string) =>
  new TaskOptionsError({ task, message: `${task}: ${mistake}. Nothing was stored` })

/** Due this long from now. A negative duration is due at once. */
export const dueAfter = (task: string, delay: Duration.Input): Effect.Effect<Due, TaskOptionsError> =>
  Option.match(Duration.fromInput(delay), {
    onNone: () => refuse(task, `\`delay\` must be a duration, such as "5 minutes"`),
    onSome: (duration) => Effect.succeed({ delay: Duration.toMillis(duration), at: null })
  })

/** Due at this moment. One in the past is due at once. */
export const dueAt = (task: string, at: DateTime.DateTime): Effect.Effect<Due, TaskOptionsError> =>
  DateTime.isDateTime(at)
    ? Effect.succeed({ delay: 0, at: toTimestamp(at) })
    : refuse(task, "`at` must be a DateTime of Effect, such as DateTime.makeUnsafe(\"2030-01-01T09:00:00Z\")")

export const dueOf = (task: string, options: DueOptions | undefined): Effect.Effect<Due, TaskOptionsError> => {
  if (options === undefined) return atOnce
  if (!isObject(options)) return refuse(task, "the options must be an object, such as { delay: \"5 minutes\" }")
  const { at, delay }: DueOptions = options
  if (at !== undefined && delay !== undefined) return refuse(task, "give either `delay` or `at`")
  return at !== undefined ? dueAt(task, at) : delay !== undefined ? dueAfter(task, delay) : atOnce
}
