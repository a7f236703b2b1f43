/** The key of a plan: several plans share one, and each of them is a call of `enqueue` with it. */
import * as Schema from "effect/Schema"

export const PlanKey = Schema.Struct({
  key: Schema.String,
  onConflict: Schema.Literals(["keep", "fail", "replace", "debounce", "throttle"]),
  /** When it becomes due, in milliseconds after the call. */
  delay: Schema.Number,
  /** How long its producer rests after the call, in milliseconds. */
  rest: Schema.Number
})
export type PlanKey = typeof PlanKey.Type

/** Whether such a call gives the row another state, if there is one. */
export const replaces = ({ onConflict }: PlanKey): boolean => onConflict !== "keep" && onConflict !== "fail"
