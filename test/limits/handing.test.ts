/** Slots go back and are handed on by what frees them, and not only by those who look for free ones from time to time. */
import { assert } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { NextStep, Step, Task } from "../../src/index.ts"
import {
  atTheDoor,
  foreignHolder,
  holder,
  makeGated,
  resetLimits,
  Sync,
  sync,
  tenantLimit
} from "../support/limits/Syncs.ts"
import { makePacedClock } from "../support/worker/Clocks.ts"
import { makeGate, start, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { empty, run } from "../support/worker/Table.ts"

/** Another worker looks for free slots all the time, it seems: nobody else does. */
const nobodyLooks = holding(
  "select pg_advisory_xact_lock(71609258::int8 << 32 | 'pg_task'::regclass::oid::int8)"
)

workerTests("a slot that nobody looks for", (test) => {
  const hands = [
    ["parked", "error = 'by hand'", { limit_key: "tenant:a", slot: 0 }],
    ["moved into the future", "wakeup_at = now() + interval '1 hour'", { limit_key: "tenant:a", slot: 0 }],
    ["given another state", `step = '{"Others":{"Other":{}}}'`, { limit_key: null, slot: null }]
  ] as const
  for (const [what, change, expected] of hands) {
    test(
      `goes back with the statement by which its row is ${what}, without any worker`,
      Effect.gen(function*() {
        yield* holder("a", "holder")
        yield* run(`update pg_task set ${change}`)
        assert.deepStrictEqual(yield* run("select limit_key, slot from pg_task"), [expected])
      })
    )
  }

  test(
    "is handed on when an attempt has ended",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      const release = yield* nobodyLooks
      yield* start({ tasks: [Syncs] })
      yield* Syncs.enqueueAll([sync("a", 1), sync("a", 2), sync("a", 3)])
      const begun = [yield* gate.next]
      yield* gate.open
      begun.push(yield* gate.next, yield* gate.next)
      assert.deepStrictEqual(begun, ["1", "2", "3"])
      yield* empty
      yield* release
    })
  )

  test(
    "is handed on when it was taken back from a row that no worker takes",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      const release = yield* nobodyLooks
      yield* foreignHolder("a")
      yield* atTheDoor("a", 1)
      yield* start({ tasks: [Syncs] })
      assert.strictEqual(yield* gate.next, "1")
      yield* gate.open
      yield* release
    })
  )

  test(
    "is used though the answer that handed it on was lost, and the worker polls rarely",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      yield* startWith(network.url, { tasks: [Syncs], lease: "5 minutes", pollInterval: "1 hour" }).pipe(
        // Makes the time after which an answer counts as lost short.
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.1))
      )
      yield* Syncs.enqueueAll([sync("a", 1), sync("a", 2)])
      assert.strictEqual(yield* gate.next, "1")
      const sent = yield* network.loseAnswer("pg_task_grant")
      yield* gate.open
      yield* sent
      assert.strictEqual(yield* gate.next, "2")
      yield* empty
    })
  )

  test(
    "goes to the one that has waited for longer, though the next try of its row is due at once",
    Effect.gen(function*() {
      const begun: Array<string> = []
      const Failing = Task.make("Syncs", [
        Step.make(Sync, {
          limit: tenantLimit(1).by(({ tenant }) => tenant),
          retryLimit: 1,
          retryDelay: 0,
          handler: ({ name }) =>
            Effect.suspend(() => {
              begun.push(name)
              return name === "fails" && begun.length === 1 ? Effect.fail("so it is") : Effect.succeed(NextStep.none)
            })
        })
      ])
      yield* Failing.enqueueAll([sync("a", "fails"), sync("a", "works")])
      yield* start({ tasks: [Failing] })
      yield* empty
      assert.deepStrictEqual(begun, ["fails", "works", "fails"])
    })
  )
})

workerTests("the number of a key that nobody has noted", (test) => {
  test(
    "is the one that its rows say, also where no code has the limit any more",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Unlimited = Task.make("Syncs", [
        Step.make(Sync, { handler: ({ name }) => Effect.as(gate.enter(name), NextStep.none) })
      ])
      yield* resetLimits
      yield* atTheDoor("a", 3, 2)
      yield* start({ tasks: [Unlimited] })
      assert.deepStrictEqual(new Set([yield* gate.next, yield* gate.next]), new Set(["1", "2"]))
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* empty
    })
  )
})
