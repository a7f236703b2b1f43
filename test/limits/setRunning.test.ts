/** How many tasks may be at work, where somebody on call has changed it. */
import { assert } from "@effect/vitest"
import { Effect, Latch } from "effect"
import { Admin, Limit, Limits, NextStep, Step, Task } from "../../src/index.ts"
import { atTheDoor, limitedRows, makeSyncs, resetLimits, Sync, sync, Work } from "../support/limits/Syncs.ts"
import { closed, makeGate, start, startApart, workerTests } from "../support/worker/Fixture.ts"
import { empty, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const acme = { limit: "tenant", key: "acme" } as const

/** The slots that rows of a key hold. */
const slotsOf = (tenant: string) =>
  Effect.map(
    limitedRows,
    (rows) => rows.filter(({ limit_key, slot }) => limit_key === `tenant:${tenant}` && slot !== null && slot > 0)
  )

/** How many slots keys have, and what was set for them alone. */
const numbers = Effect.map(
  Limits.list(),
  (all) => Object.fromEntries(all.map(({ itself, key, running }) => [key ?? "all", [running, itself.running]]))
)

workerTests("a number that somebody has set", (test) => {
  test(
    "lets more tasks begin at once, comes before what the code says, and is taken back",
    Effect.gen(function*() {
      yield* resetLimits
      const gate = yield* makeGate
      const makeWith = (running: number) => makeSyncs(({ name }) => gate.enter(name), running)
      yield* atTheDoor("acme", 9)
      const old = yield* startApart({ tasks: [makeWith(1)] })
      assert.strictEqual(yield* gate.next, "1")
      yield* Limits.setRunning(acme, 3)
      assert.sameMembers([yield* gate.next, yield* gate.next], ["2", "3"])
      assert.deepStrictEqual(yield* numbers, { acme: [3, 3] })
      // It ends its steps, and takes no more. The new build says another number.
      yield* Effect.forkScoped(closed(old))
      yield* eventually(old.worker.health, ({ alive }) => !alive)
      yield* start({ tasks: [makeWith(2)] })
      yield* eventually(run<{ slots: number }>("select slots from pg_task_limit"), ([limit]) => limit?.slots === 2)
      yield* Limits.setRunning(acme, 4)
      assert.strictEqual(yield* gate.next, "4")
      const holders = yield* slotsOf("acme")
      assert.deepStrictEqual(holders.map(({ slot }) => slot), [1, 2, 3, 4])
      // What the code says stays in the rows: their workers find nothing to say anew.
      assert.deepStrictEqual(holders.map(({ slots }) => slots), [1, 1, 1, 2])
      assert.isTrue(yield* Limits.resetRunning(acme))
      assert.isFalse(yield* Limits.resetRunning(acme))
      assert.deepStrictEqual(yield* numbers, { acme: [2, null] })
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* empty
    })
  )

  test(
    "that is lower interrupts nobody, and lets nobody begin until fewer are at work",
    Effect.gen(function*() {
      yield* resetLimits
      const gates = new Map<string, Latch.Latch>()
      const gate = yield* makeGate
      yield* gate.open
      const Syncs = makeSyncs(({ name }) => {
        const latch = Latch.makeUnsafe()
        gates.set(name, latch)
        return Effect.andThen(gate.enter(name), latch.await)
      }, 3)
      yield* start({ tasks: [Syncs] })
      yield* Syncs.enqueueAll([1, 2, 3, 4, 5].map((n) => sync("acme", n)))
      const begun = [yield* gate.next, yield* gate.next, yield* gate.next]
      yield* Limits.setRunning(acme, 1)
      for (const left of [2, 1]) {
        gates.get(begun.shift()!)!.openUnsafe()
        yield* eventually(slotsOf("acme"), (holders) => holders.length === left)
      }
      assert.strictEqual(yield* gate.unseen, 0)
      gates.get(begun.shift()!)!.openUnsafe()
      const fourth = yield* gate.next
      assert.lengthOf(yield* slotsOf("acme"), 1)
      yield* Limits.resetRunning(acme)
      const fifth = yield* gate.next
      for (const name of [fourth, fifth]) gates.get(name)!.openUnsafe()
      yield* empty
    })
  )

  test(
    "of a whole limit is that of each of its keys, but for those with one of their own",
    Effect.gen(function*() {
      yield* resetLimits
      yield* Admin.setRunning({ limit: "tenant" }, 2)
      yield* Admin.setRunning(acme, 1)
      assert.deepStrictEqual(yield* numbers, { all: [2, 2], acme: [1, 1] })
      const work = new Work()
      const Syncs = makeSyncs((sync) => work.during(sync, Effect.sleep(1)), 5)
      yield* start({ tasks: [Syncs] })
      yield* Syncs.enqueueAll(Array.from({ length: 60 }, (_, n) => sync(n % 2 === 0 ? "acme" : "umbrella", n)))
      yield* empty
      assert.deepStrictEqual(Object.fromEntries(work.most), { acme: 1, umbrella: 2 })
      assert.isTrue(yield* Admin.resetRunning({ limit: "tenant" }))
      assert.deepStrictEqual(yield* numbers, { acme: [1, 1] })
      yield* resetLimits
    })
  )

  test(
    "holds beside a rate, also where the code has no number",
    Effect.gen(function*() {
      yield* resetLimits
      const work = new Work()
      const Rated = Limit.make("rated", { rate: { limit: 1000, per: "1 second" } })
      const Calls = Task.make("Calls", [
        Step.make(Sync, {
          limit: Rated,
          handler: (sync) => Effect.as(work.during(sync, Effect.sleep(1)), NextStep.none)
        })
      ])
      yield* Limits.setRunning({ limit: Rated }, 2)
      yield* start({ tasks: [Calls] })
      yield* Calls.enqueueAll(Array.from({ length: 12 }, (_, n) => sync("all", n)))
      yield* empty
      assert.isAtMost(work.most.get("all")!, 2)
      assert.lengthOf(work.begun, 12)
    })
  )

  test(
    "is a whole number of 1 to 10,000: another one is refused, and nothing is changed",
    Effect.gen(function*() {
      yield* resetLimits
      for (const number of [0, -1, 1.5, 10_001, NaN, Infinity, "2" as never, undefined as never]) {
        const error = yield* Effect.flip(Limits.setRunning(acme, number))
        assert.strictEqual(error._tag, "TaskLimitError")
        assert.strictEqual(
          error.message,
          `The limit tenant:acme can't have ${number} tasks at work: give a whole number of 1 to 10000. Nothing was changed`
        )
      }
      assert.lengthOf(yield* run("select 1 from pg_task_limit"), 0)
    })
  )
})
