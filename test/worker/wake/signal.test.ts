/** What wakes the parts of a worker. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Scheduler } from "effect"
import { Signal } from "../../../src/internal/worker/signal.ts"

/** So many turns of Node's loop later. */
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe("a signal", () => {
  it.live("is not lost where it comes while the wait for it ends", () =>
    Effect.gen(function*() {
      const lost: Array<string> = []
      // A fiber that has done much lets others go on, between any two of its operations.
      for (const ops of [3, 4, 5, 6, 7, 8]) {
        for (let after = 0; after < 12; after++) {
          const signal = new Signal()
          const first = Effect.runPromise(Effect.provideService(signal.wait(0), Scheduler.MaxOpsBeforeYield, ops))
          const set = turns(after).then(() => signal.set())
          const told = yield* Effect.promise(() => first)
          yield* Effect.promise(() => set)
          if (!told && !(yield* signal.wait(0))) lost.push(`${after} turns, ${ops} operations each`)
        }
      }
      assert.deepStrictEqual(lost, [])
    }))

  it.live("is kept where nobody waits, and several as one", () =>
    Effect.gen(function*() {
      const signal = new Signal()
      signal.set()
      signal.set()
      assert.deepStrictEqual([yield* signal.wait(), yield* signal.wait(0)], [true, false])
    }))
})
