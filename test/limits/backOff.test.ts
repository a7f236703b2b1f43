/** Nobody starts for a while. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Limit, NextStep, Step, Task } from "../../src/index.ts"
import { Starts } from "../support/limits/Starts.ts"
import { atTheDoor, limitedRows, makeSyncs, resetLimits, Sync, sync, tenantLimit } from "../support/limits/Syncs.ts"
import { makeGate, start, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { empty, gone, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const endAll = run("update pg_task_limit set held_until = null")

/** All of these rows wait at the door. */
const allAtDoor = (count: number) =>
  eventually(
    limitedRows,
    (rows) => rows.filter(({ is_running, slot }) => slot === null && !is_running).length === count
  )

workerTests("a back-off", (test) => {
  for (
    const [what, key] of [["a whole limit", undefined], ["one of its keys", "a"]] as const
  ) {
    test(
      `of ${what} lets no task start, whatever it waits for: at the door, with a slot, in a worker's memory`,
      Effect.gen(function*() {
        yield* resetLimits
        const gate = yield* makeGate
        const Syncs = makeSyncs(({ name, tenant }) => gate.enter(`${tenant} ${name}`), 4)
        // Nobody else hears of it: they have all their slots, and no room for more.
        const url = yield* urlOfTest
        const logs = Logs.capture()
        const worker = yield* startWith(url, { tasks: [Syncs], concurrency: 1 }, { maxConnections: 4 }).pipe(
          Effect.provide(logs.layer)
        )
        yield* eventually(worker.health, (health) => health.listening)
        yield* Syncs.enqueueAll([1, 2, 3, 4, 5, 6].map((n) => sync("a", n)))
        const running = yield* gate.next
        const rows = yield* eventually(
          limitedRows,
          (rows) => rows.filter(({ slot }) => slot !== null && slot > 0).length === 4
        )
        yield* tenantLimit(4).backOff("1 hour", { key })
        yield* start({ tasks: [Syncs] })
        yield* Syncs.enqueue(sync("a", 7))
        // Notifications come in their order: the worker that answers this one has heard of the back-off.
        const { id } = rows.find(({ name }) => running === `a ${name}`)!
        yield* run("select pg_notify('pg_task_changed', 'cancel ' || $1::text)", [id])
        yield* logs.line("A notification says that this task was cancelled")
        yield* gate.open
        yield* allAtDoor(6)
        assert.strictEqual(yield* gate.unseen, 0)
        yield* gone(yield* makeSyncs(() => Effect.void).enqueue(sync("b", 1))).pipe(
          Effect.when(Effect.succeed(key !== undefined))
        )
        yield* endAll
        yield* empty
      })
    )
  }

  test(
    "is over when it is over, for all keys at once, and a shorter one does not end it",
    Effect.gen(function*() {
      yield* resetLimits
      const starts = new Starts()
      const Syncs = makeSyncs(starts.note, 1)
      yield* start({ tasks: [Syncs] })
      const startedAt = performance.now()
      yield* tenantLimit(1).backOff("700 millis")
      yield* tenantLimit(1).backOff("1 millis")
      yield* Syncs.enqueueAll([sync("a", 1), sync("b", 2), sync("c", 3)])
      yield* empty
      assert.sameMembers([...starts.names], ["1", "2", "3"])
      for (const { at } of starts.all) assert.isAtLeast(at - startedAt, 700)
    })
  )

  test(
    "of a step that fails stays, also if its transaction is rolled back",
    Effect.gen(function*() {
      yield* resetLimits
      const starts = new Starts()
      const Stripe = Limit.make("stripe", { rate: { limit: 1000, per: "1 second" } })
      let first = true
      const Charges = Task.make("Syncs", [
        Step.make(Sync, {
          limit: Stripe,
          transactional: true,
          retryLimit: 1,
          retryDelay: "1 millis",
          handler: Effect.fnUntraced(function*(sync) {
            yield* starts.note(sync)
            if (first) {
              first = false
              yield* Stripe.backOff("500 millis")
              return yield* Effect.fail("too many requests")
            }
            return NextStep.none
          })
        })
      ])
      yield* start({ tasks: [Charges], concurrency: 1 })
      yield* Charges.enqueueAll([sync("a", 1), sync("a", 2), sync("a", 3)])
      yield* empty
      assert.lengthOf(starts.names, 4)
      for (const { at } of starts.all.slice(1)) assert.isAtLeast(at - starts.all[0]!.at, 500)
    })
  )

  test(
    "of a limit that a table has no rows of yet waits for them",
    Effect.gen(function*() {
      yield* resetLimits
      const gate = yield* makeGate
      yield* tenantLimit(1).backOff("1 hour", { key: "a" })
      yield* atTheDoor("a", 3)
      yield* atTheDoor("b", 1)
      yield* start({ tasks: [makeSyncs(({ tenant }) => gate.enter(tenant), 1)] })
      assert.strictEqual(yield* gate.next, "b")
      yield* gate.open
      yield* allAtDoor(3)
      yield* endAll
      yield* empty
    })
  )
})
