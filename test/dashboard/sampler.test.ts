import { assert, it } from "@effect/vitest"
import { Duration, Effect, Exit, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Activity, type TaskError } from "../../src/index.ts"
import { plotOf } from "../../src/dashboard/numbers.ts"
import { makeSamplerOf, makeTake, type Sample } from "../../src/dashboard/sampler.ts"

const sample: Sample = { at: 0, took: 100, counts: [], rates: undefined, history: [] }

it.effect("takes one sample for all viewers, and rests twenty times as long as it took", () =>
  Effect.gen(function*() {
    let taken = 0
    const sampler = yield* makeSamplerOf(Effect.sync(() => {
      taken++
      return sample
    }))
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(taken, 0)
    const scope = yield* Scope.make()
    let seen = 0
    for (let viewer = 0; viewer < 50; viewer++) {
      const looks = yield* Scope.provide(sampler.looks, scope)
      yield* Effect.forkIn(Stream.runForEach(looks, () => Effect.sync(() => seen++)), scope)
    }
    yield* TestClock.adjust("10 seconds")
    // One at the beginning, and one after each two seconds.
    assert.strictEqual(taken, 6)
    assert.isAtLeast(seen, 50 * 5)
    yield* Scope.close(scope, Exit.void)
    yield* TestClock.adjust("5 seconds")
    const before = taken
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(taken, before)
    // Somebody looks again.
    assert.deepStrictEqual(yield* sampler.look, sample)
    assert.strictEqual(taken, before + 1)
  }))

it.effect("counts no further where counting is dear, and further again where it is cheap", () =>
  Effect.gen(function*() {
    const limits: Array<number> = []
    let cost = 400
    const some = new Activity.BoundedCount({
      task: "A",
      step: "B",
      status: "ready",
      count: 1,
      retrying: 0,
      oldest: Duration.zero,
      atLeast: true
    })
    const take = makeTake({
      counts: (limit) => {
        limits.push(limit)
        return Effect.as(Effect.sleep(cost), [some])
      },
      traffic: Effect.succeed({ inserted: 0, updated: 0, deleted: 0 })
    })
    yield* makeSamplerOf(take).pipe(
      Effect.flatMap(({ looks }) => looks),
      Effect.flatMap(Stream.runDrain),
      Effect.forkScoped
    )
    yield* TestClock.adjust("18 seconds")
    assert.deepStrictEqual(limits, [5000, 2500, 1250])
    cost = 10
    yield* TestClock.adjust("12 seconds")
    assert.deepStrictEqual(limits.slice(3, 6), [1000, 4000, 16_000])
  }))

it.effect("rests for twenty times as long after a failure, too, but for a minute at most", () =>
  Effect.gen(function*() {
    const times: Array<number> = []
    let cost: Duration.Input = "500 millis"
    const failed = { _tag: "TaskTableError", message: "no table" } as unknown as TaskError.TaskTableError
    const take = Effect.clockWith((clock) => {
      times.push(clock.currentTimeMillisUnsafe())
      return Effect.andThen(Effect.sleep(cost), Effect.fail(failed))
    })
    const { look, looks } = yield* makeSamplerOf(take)
    yield* Effect.forkScoped(Effect.flatMap(looks, Stream.runDrain))
    yield* TestClock.adjust("10 seconds")
    assert.strictEqual(yield* look, "no table")
    cost = "1 hour"
    yield* TestClock.adjust("3 minutes")
    // The second takes ten seconds, until it is given up.
    assert.deepStrictEqual(times, [0, 10_500, 80_500, 150_500])
  }))

it("a plot is no longer than can be seen", () => {
  const history = Array.from({ length: 600 }, (_, index) => ({
    at: index * 1000,
    ready: new Map([["A", index % 7]]),
    running: new Map(),
    parked: new Map(),
    rates: undefined
  }))
  const path = plotOf(history, ({ ready }) => ready.get("A"))
  assert.isBelow(path.length, 1000)
  assert.match(path, /^M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)+$/)
  assert.strictEqual(plotOf([], () => 1), "")
})
