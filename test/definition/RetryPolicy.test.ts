import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { RetryPolicy } from "../../src/index.ts"

/** The first `count` delays in milliseconds, each computed by itself from the stored count. Null: no retry. */
const delays = <E>(
  schedule: Schedule.Schedule<unknown, E>,
  options: { readonly count: number; readonly error: E }
): Effect.Effect<ReadonlyArray<number | null>> =>
  Effect.forEach(
    Array.from({ length: options.count }, (_, tried) => tried),
    (tried) =>
      Effect.map(RetryPolicy.nextDelay(schedule, { tried, error: options.error }), (delay) =>
        Option.getOrNull(Option.map(delay, Duration.toMillis)))
  )

const inOrder = (schedule: Schedule.Schedule<unknown>, count: number) => delays(schedule, { count, error: "any" })

describe("RETRY_LIMIT and RETRY_DELAY", () => {
  it.effect("are 0 and 1 second by default", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inOrder(RetryPolicy.make({}), 2), [null, null])
      assert.deepStrictEqual(yield* inOrder(RetryPolicy.make({ limit: 1 }), 3), [1000, null, null])
      assert.strictEqual(RetryPolicy.defaultLimit, 0)
      assert.strictEqual(Duration.toMillis(RetryPolicy.defaultDelay), 1000)
    }))

  it("are refused when they make no sense", () => {
    for (const limit of [-1, 1.5, NaN]) {
      assert.throws(() => RetryPolicy.make({ limit }), `\`limit\` must be a whole number of 0 or more, not ${limit}`)
    }
    for (const delay of ["soon" as "1 second", -5]) {
      assert.throws(() => RetryPolicy.make({ delay }), "`delay` must be a duration of 0 or more")
    }
  })

  it.effect("give so many retries, after the same delay each", () =>
    Effect.gen(function*() {
      const policy = RetryPolicy.make({ limit: 5, delay: "2 minutes" })
      assert.deepStrictEqual(yield* inOrder(policy, 7), [120_000, 120_000, 120_000, 120_000, 120_000, null, null])
    }))

  it.effect("may have no end, and cost nothing after millions of tries", () =>
    Effect.gen(function*() {
      const policy = RetryPolicy.make({ limit: Infinity, delay: "1 second" })
      const delay = yield* RetryPolicy.nextDelay(policy, { tried: 2_000_000_000, error: "any" })
      assert.deepStrictEqual(Option.map(delay, Duration.toMillis), Option.some(1000))
    }))

  it.effect("are a schedule like any other, that can be built upon", () =>
    Effect.gen(function*() {
      const policy = RetryPolicy.make({ limit: 3, delay: "1 second" })
      const doubled = Schedule.modifyDelay(policy, ({ duration }) => Effect.succeed(Duration.times(duration, 2)))
      assert.deepStrictEqual(yield* inOrder(doubled, 4), [2000, 2000, 2000, null])
      const thenRarely = Schedule.concat(policy, Schedule.spaced("1 hour"))
      assert.deepStrictEqual(yield* inOrder(thenRarely, 5), [1000, 1000, 1000, 3_600_000, 3_600_000])
    }))
})

describe("the next delay", () => {
  it.effect("follows an exponential schedule", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inOrder(Schedule.exponential("100 millis"), 5), [100, 200, 400, 800, 1600])
      assert.deepStrictEqual(yield* inOrder(Schedule.exponential("1 second", 3), 4), [1000, 3000, 9000, 27_000])
    }))

  it.effect("follows a fibonacci schedule", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inOrder(Schedule.fibonacci("1 second"), 6), [1000, 1000, 2000, 3000, 5000, 8000])
    }))

  it.effect("is capped where the schedule is", () =>
    Effect.gen(function*() {
      const capped = Schedule.min([Schedule.exponential("10 seconds"), Schedule.spaced("1 minute")])
      assert.deepStrictEqual(yield* inOrder(capped, 5), [10_000, 20_000, 40_000, 60_000, 60_000])
    }))

  it.effect("ends with the number of times", () =>
    Effect.gen(function*() {
      const limited = Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 }))
      assert.deepStrictEqual(yield* inOrder(limited, 5), [1000, 2000, 4000, null, null])
    }))

  it.effect("ends with the time that the delays have taken", () =>
    Effect.gen(function*() {
      const limited = Schedule.spaced("20 minutes").pipe(Schedule.upTo({ duration: "1 hour" }))
      const hour = [1_200_000, 1_200_000, 1_200_000, 1_200_000]
      assert.deepStrictEqual(yield* inOrder(limited, 6), [...hour, null, null])
      yield* TestClock.adjust("30 days")
      assert.deepStrictEqual(yield* inOrder(limited, 6), [...hour, null, null])
    }))

  it.effect("is near, but not at, the schedule's when it is jittered", () =>
    Effect.gen(function*() {
      const jittered = yield* inOrder(Schedule.jittered(Schedule.exponential("1 second")), 8)
      for (const [index, delay] of jittered.entries()) {
        assert.isAtLeast(delay!, 800 * 2 ** index)
        assert.isAtMost(delay!, 1200 * 2 ** index)
      }
      assert.notDeepEqual(jittered, yield* inOrder(Schedule.exponential("1 second"), 8))
    }))

  it.effect("stays a delay when it grows beyond all bounds", () =>
    Effect.gen(function*() {
      const delay = yield* RetryPolicy.nextDelay(Schedule.exponential("1 second"), { tried: 5000, error: "any" })
      assert.deepStrictEqual(Option.map(delay, Duration.toMillis), Option.some(Infinity))
    }))

  it.effect("depends on the error", () =>
    Effect.gen(function*() {
      type Failure = { readonly _tag: "Timeout" } | { readonly _tag: "Refused" }
      const onlyTimeouts = Schedule.spaced("5 seconds").pipe(
        Schedule.setInputType<Failure>(),
        Schedule.while(({ input }) => input._tag === "Timeout"),
        Schedule.upTo({ times: 2 })
      )
      assert.deepStrictEqual(yield* delays(onlyTimeouts, { count: 3, error: { _tag: "Timeout" } }), [5000, 5000, null])
      assert.deepStrictEqual(yield* delays(onlyTimeouts, { count: 3, error: { _tag: "Refused" } }), [null, null, null])
    }))

  it.effect("may be what the error asks for", () =>
    Effect.gen(function*() {
      const asTold = Schedule.forever.pipe(
        Schedule.setInputType<{ readonly retryAfter: Duration.Duration }>(),
        Schedule.modifyDelay(({ input }) => Effect.succeed(input.retryAfter))
      )
      const error = { retryAfter: Duration.seconds(17) }
      assert.deepStrictEqual(yield* delays(asTold, { count: 2, error }), [17_000, 17_000])
    }))

  it.effect("leads a schedule that looks at the clock to its next moment from now on, however often it has failed", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2030-05-05T22:30:00Z"))
      const day = 86_400_000
      const midnight = Schedule.fromStep(
        Effect.succeed((now: number, _: unknown) =>
          Effect.succeed<[number, Duration.Duration]>([now, Duration.millis(day - now % day)])
        )
      )
      assert.deepStrictEqual(yield* inOrder(midnight, 3), [5_400_000, 5_400_000, 5_400_000])
    }))

  it.effect("is the first one for a count that somebody set below 0", () =>
    Effect.gen(function*() {
      const delay = yield* RetryPolicy.nextDelay(Schedule.exponential("1 second"), { tried: -3, error: "any" })
      assert.deepStrictEqual(Option.map(delay, Duration.toMillis), Option.some(1000))
    }))
})
