// How a step is retried: RETRY_LIMIT and RETRY_DELAY, or a schedule that takes the handler's errors.
import { Context, Data, Effect, Schedule, Schema } from "effect"
import { NextStep, Step } from "effect-pg-task"

class Draft extends Schema.TaggedClass<Draft>()("Draft", {}) {}
class Timeout extends Data.TaggedError("Timeout")<{ readonly after: number }> {}
class Refused extends Data.TaggedError("Refused") {}

const handler = () => Effect.succeed(NextStep.none)

export const scheduleAndLimit = Step.make(Draft, {
  retry: Schedule.spaced("1 minute"),
  // error: give either `retry`, or `retryLimit` and `retryDelay`
  retryLimit: 5,
  handler
})

export const scheduleAndDelay = Step.make(Draft, {
  // error: give either `retry`, or `retryLimit` and `retryDelay`
  retryDelay: "1 minute",
  retry: Schedule.spaced("1 minute"),
  handler
})

const onTimeout = Schedule.spaced("1 minute").pipe(Schedule.setInputType<Timeout>())

export const otherError = Step.make(Draft, {
  // error: this schedule takes no "Refused", with which the handler may fail: widen its input
  retry: onTimeout,
  handler: () => Effect.fail(new Refused())
})

export const oneOfItsErrors = Step.make(Draft, {
  // error: this schedule takes no "Refused", with which the handler may fail: widen its input
  retry: onTimeout,
  handler: Effect.fnUntraced(function*() {
    yield* Effect.fail(new Timeout({ after: 5 }))
    return yield* Effect.fail(new Refused())
  })
})

export const errorOfItsCommit = Step.make(Draft, {
  // error: this schedule takes no "Refused", with which the handler may fail: widen its input
  retry: onTimeout,
  handler: () => Effect.succeed(NextStep.noneWith({ commit: Effect.fail(new Refused()) }))
})

export const failingSchedule = Step.make(Draft, {
  // error: this schedule may fail with "CronParseError": handle that before
  retry: Schedule.cron("0 4 * * *"),
  handler
})

class Weather extends Context.Service<Weather, boolean>()("Weather") {}

export const scheduleThatNeeds = Step.make(Draft, {
  // error: this schedule needs services: provide them before
  retry: Schedule.spaced("1 minute").pipe(Schedule.while(() => Weather)),
  handler
})

export const duration = Step.make(Draft, {
  // error: Type 'string' is not assignable to type 'Schedule<unknown, never, never, never>'
  retry: "1 minute",
  handler
})

export const text = Step.make(Draft, {
  // error: Type 'string' is not assignable to type 'number'
  retryLimit: "5",
  // error: Type '"soon"' is not assignable to type 'Input | undefined'
  retryDelay: "soon",
  handler
})
