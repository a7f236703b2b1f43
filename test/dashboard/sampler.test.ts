import { assert, it } from "@effect/vitest"
import { Effect, Exit, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeSamplerOf, type Sample } from "../../src/dashboard/sampler.ts"

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
