/** No slot is lost, whatever becomes of the row that holds it. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Admin, NextStep, Step, Task } from "../../src/index.ts"
import {
  alive,
  atTheDoor,
  dead,
  foreignHolder,
  holder,
  makeGated,
  makeSyncs,
  Sync,
  sync,
  tenantLimit,
  untilAtDoor,
  Work
} from "../support/limits/Syncs.ts"
import { makeGate, start, workerTests } from "../support/worker/Fixture.ts"
import { empty, gone, parked, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

/** Two rows wait for the slot that another one holds, which a worker of ours can't run. */
const occupied = Effect.fnUntraced(function*(more: string) {
  const [row] = yield* holder("a", "holder", more)
  yield* atTheDoor("a", 2)
  return row!.id
})

workerTests("the slot of a row", (test) => {
  test(
    "stays its own when its worker crashes: it runs again, and then the others do",
    Effect.gen(function*() {
      const work = new Work()
      const Syncs = makeSyncs((sync) => work.during(sync, Effect.sleep(1)), 1)
      yield* occupied(dead)
      yield* start({ tasks: [Syncs], lease: "100 millis" })
      yield* empty
      assert.deepStrictEqual(work.begun, ["holder", "1", "2"])
      assert.deepStrictEqual(Object.fromEntries(work.most), { a: 1 })
    })
  )

  test(
    "goes back when its worker has crashed too often, and it is parked",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      const id = yield* occupied(dead)
      yield* start({ tasks: [Syncs], lease: "100 millis", maxCrashes: 1 })
      assert.strictEqual(yield* gate.next, "1")
      assert.include((yield* parked(id)).error!, "crashed")
      yield* gate.open
    })
  )

  const hands: ReadonlyArray<readonly [string, string]> = [
    ["deleted", "delete from pg_task where slot = 1"],
    ["parked", "update pg_task set error = 'by hand' where slot = 1"],
    ["moved into the future", "update pg_task set wakeup_at = now() + interval '1 hour' where slot = 1"],
    ["given another state", `update pg_task set step = '{"Others":{"Other":{}}}' where slot = 1`]
  ]
  for (const [what, statement] of hands) {
    test(
      `goes to the next one when it is ${what} by hand`,
      Effect.gen(function*() {
        const { gate, Syncs } = yield* makeGated()
        yield* occupied(alive)
        yield* start({ tasks: [Syncs] })
        yield* run(
          "update pg_task set is_running = false, lease_token = null, task = 'Nobodys', step = '{\"Nobodys\":{\"X\":{}}}', slot = 1, slots = 1, limit_key = 'tenant:a', transitions = 1 where slot = 1"
        )
        assert.strictEqual(yield* gate.unseen, 0)
        yield* run(statement)
        assert.strictEqual(yield* gate.next, "1")
        yield* gate.open
      })
    )
  }

  test(
    "goes to the next one when it is deleted while it runs, also by Admin.cancel",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      const id = yield* occupied(alive)
      yield* start({ tasks: [Syncs] })
      yield* Admin.cancel(id)
      assert.strictEqual(yield* gate.next, "1")
      yield* gate.open
      yield* empty
    })
  )

  test(
    "goes back when a state that is due later takes its place while it runs",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      yield* start({ tasks: [Syncs] })
      yield* Syncs.enqueue(sync("a", "old"), { key: "k" })
      assert.strictEqual(yield* gate.next, "old")
      yield* Syncs.enqueue(sync("a", "new"), { key: "k", onConflict: "replace", delay: "1 hour" })
      yield* gate.open
      const ended = run("select limit_key, slot, slots from pg_task where not is_running")
      const found = yield* eventually(ended, (rows) => rows.length > 0)
      assert.deepStrictEqual(found, [{ limit_key: null, slot: null, slots: null }])
      yield* run("delete from pg_task")
    })
  )

  test(
    "goes to the next one when its step parks it; cleared, it waits for its turn",
    Effect.gen(function*() {
      const gate = yield* makeGate
      let fails = true
      const Syncs = Task.make("Syncs", [
        Step.make(Sync, {
          limit: tenantLimit(1).by(({ tenant }) => tenant),
          handler: ({ name }) =>
            name === "fails" && fails ? Effect.fail("so it is") : Effect.as(gate.enter(name), NextStep.none)
        })
      ])
      yield* start({ tasks: [Syncs] })
      const id = yield* Syncs.enqueue(sync("a", "fails"))
      yield* parked(id)
      yield* Syncs.enqueue(sync("a", "works"))
      assert.strictEqual(yield* gate.next, "works")
      fails = false
      yield* run("update pg_task set error = null where error is not null")
      yield* untilAtDoor("fails")
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* gone(id)
    })
  )

  test(
    "whose limit no code has any more goes on to the next one, until all are done",
    Effect.gen(function*() {
      const begun: Array<string> = []
      const Unlimited = Task.make("Syncs", [
        Step.make(Sync, {
          handler: ({ name }) => Effect.as(Effect.sync(() => begun.push(name)), NextStep.none)
        })
      ])
      yield* atTheDoor("a", 20)
      yield* start({ tasks: [Unlimited] })
      yield* empty
      assert.deepStrictEqual(begun, Array.from({ length: 20 }, (_, n) => String(n + 1)))
    })
  )

  test(
    "that no worker takes goes to another one after a while",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      yield* foreignHolder("a")
      yield* atTheDoor("a", 1)
      yield* start({ tasks: [Syncs] })
      assert.strictEqual(yield* gate.next, "1")
      const [foreign] = yield* run("select limit_key, slot from pg_task where task = 'Foreign'")
      assert.deepStrictEqual(foreign, { limit_key: null, slot: null })
      yield* gate.open
    })
  )

  test(
    "is left with a row that is given back when its worker stops",
    Effect.gen(function*() {
      const work = new Work()
      const Syncs = makeSyncs((sync) => work.during(sync, Effect.sleep(5)), 1)
      yield* Syncs.enqueueAll(Array.from({ length: 40 }, (_, n) => sync("ab"[n % 2]!, n)))
      for (let n = 0; n < 5; n++) {
        yield* Effect.scoped(Effect.andThen(start({ tasks: [Syncs] }), Effect.sleep(20)))
      }
      yield* start({ tasks: [Syncs] })
      yield* empty
      assert.deepStrictEqual(Object.fromEntries(work.most), { a: 1, b: 1 })
      assert.deepStrictEqual(work.begun.length, new Set(work.begun).size)
    })
  )
})
