/** What the library's own statements meet in a step's transaction is no failure of the step, however often it happens. */
import { assert } from "@effect/vitest"
import { Effect, Latch } from "effect"
import { NextStep, Step, Task } from "../../src/index.ts"
import { Begin, childrenOf, gathers, makeParent, Parent } from "../support/worker/Family.ts"
import { Job, start, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import * as Logs from "../support/worker/Logs.ts"
import { Approved, AwaitApproval, makeOrders } from "../support/worker/Orders.ts"
import { gone, parked, row, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const Orders = makeOrders()

/** A transactional step that fails for good when it fails once. */
const jobs = <E, R>(act: Effect.Effect<unknown, E, R>) =>
  Task.make("Jobs", [
    Step.make(Job, {
      transactional: true,
      retryLimit: 0,
      handler: () => Effect.as(Effect.andThen(Effect.orDie(run("set local lock_timeout = '20ms'")), act), NextStep.none)
    })
  ])

workerTests("a transactional step", (test) => {
  test(
    "that signals a task whose row others hold is run again until it can, and has not failed",
    Effect.gen(function*() {
      const order = yield* Orders.enqueue(new AwaitApproval({ order: "1" }))
      let runs = 0
      const Jobs = jobs(Effect.andThen(Effect.sync(() => runs++), Orders.signal(order, new Approved({ by: "ada" }))))
      const release = yield* holding(`select from pg_task where id = '${order}' for update`)
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      // More often than contention of the step's own statements may happen.
      yield* eventually(Effect.sync(() => runs), (runs) => runs > 6)
      assert.deepInclude(yield* row(id), { status: "running", tried: 0, error: null })
      yield* release
      yield* gone(id)
      const [found] = yield* run("select jsonb_array_length(inbox -> 'signals') as count from pg_task")
      assert.deepStrictEqual(found, { count: 1 })
    })
  )

  test(
    "that stores a task with its first signal is run again until it knows who has the key",
    Effect.gen(function*() {
      let runs = 0
      const Jobs = jobs(
        Effect.andThen(
          Effect.sync(() => runs++),
          Orders.signalOrEnqueue("k", new Approved({ by: "ada" }), new AwaitApproval({ order: "1" }))
        )
      )
      const release = yield* holding(
        `insert into pg_task (step, key) values ('{"Orders":{"AwaitApproval":{"order":"other"}}}', 'k')`
      )
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* eventually(Effect.sync(() => runs), (runs) => runs > 6)
      assert.deepInclude(yield* row(id), { status: "running", tried: 0, error: null })
      yield* release
      yield* gone(id)
    })
  )

  test(
    "whose own statement meets a lock fails after four more tries",
    Effect.gen(function*() {
      yield* run("create table if not exists thing (id int)")
      let runs = 0
      const Jobs = jobs(Effect.andThen(Effect.sync(() => runs++), run("insert into thing values (1)")))
      const release = yield* holding("lock table thing")
      yield* start({ tasks: [Jobs] })
      yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.strictEqual(runs, 5)
      yield* release
    })
  )
})

workerTests("a step with children", (test) => {
  test(
    "has not failed while they can't be stored",
    Effect.gen(function*() {
      const url = yield* urlOfTest
      const name = new URL(url).pathname.slice(1)
      const began = yield* Latch.make()
      const locked = yield* Latch.make()
      const logs = Logs.capture("Info")
      yield* run(`alter database ${name} set lock_timeout = '20ms'`)
      yield* startWith(url, { tasks: [makeParent(Effect.andThen(began.open, locked.await))] }).pipe(
        Effect.provide(logs.layer)
      )
      const id = yield* Parent.enqueue(new Begin({ names: ["a", "b"] }))
      yield* began.await
      // Rows may be locked, and none may be written.
      const release = yield* holding("lock table pg_task in share mode")
      yield* locked.open
      yield* logs.line("can't be stored yet")
      assert.deepInclude(yield* row(id), { status: "running", tried: 0, error: null })
      yield* release
      yield* run(`alter database ${name} reset lock_timeout`)
      yield* gathers(id)
      assert.lengthOf(yield* childrenOf(id), 2)
      assert.deepInclude(yield* row(id), { tried: 0, error: null })
    })
  )
})
