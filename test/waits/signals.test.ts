import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { notes, prepareNotes } from "../support/worker/Notes.ts"
import { Approved, AwaitApproval, makeOrders, Place, type WaitRow } from "../support/worker/Orders.ts"
import { gone, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const waitRow = (id: string) =>
  Effect.map(
    run<WaitRow>(
      `select t.id, t.state, s.status, t.waits_for, t.wait_until, t.inbox, t.wakes, t.error
      from pg_task t join pg_task_status s using (id) where t.id = $1`,
      [id]
    ),
    (rows) => rows[0]
  )

/** Waits until the row waits. */
const waiting = (id: string) => eventually(waitRow(id), (found) => found?.status === "waiting")

workerTests("signals", (test) => {
  test(
    "a row waits, says for what and until when, and goes on with the signal",
    Effect.gen(function*() {
      yield* prepareNotes
      const Orders = makeOrders()
      yield* start({ tasks: [Orders] })
      const id = yield* Orders.enqueue(new Place({ order: "1" }))
      const found = yield* waiting(id)
      assert.deepStrictEqual(found?.waits_for, ["Approved", "Rejected"])
      const hour = (found!.wait_until!.getTime() - Date.now()) / 3_600_000
      assert.isTrue(hour > 0.9 && hour < 1.1)
      yield* Orders.signal(id, new Approved({ by: "ada" }))
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for ada"])
    })
  )

  test(
    "a signal that comes early is kept until its state is reached",
    Effect.gen(function*() {
      yield* prepareNotes
      const Orders = makeOrders()
      const id = yield* Orders.enqueue(new Place({ order: "1" }))
      yield* Orders.signal(id, new Approved({ by: "ada" }))
      yield* start({ tasks: [Orders] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for ada"])
    })
  )

  test(
    "times out",
    Effect.gen(function*() {
      yield* prepareNotes
      const Orders = makeOrders(undefined, { timeout: "50 millis" })
      yield* start({ tasks: [Orders] })
      const id = yield* Orders.enqueue(new AwaitApproval({ order: "1" }))
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["timed out 1"])
    })
  )
})
