import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { start, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { notes, prepareNotes } from "../support/worker/Notes.ts"
import { Approved, AwaitApproval, makeOrders, Pack, Place, Rejected } from "../support/worker/Orders.ts"
import { gone, run } from "../support/worker/Table.ts"
import { waitRow } from "../support/worker/Waits.ts"

const Orders = makeOrders()
const ada = new Approved({ by: "ada" })

workerTests("signals by key", (test) => {
  test(
    "reach the task that has the key, and no other",
    Effect.gen(function*() {
      const { id } = yield* Orders.enqueue(new Place({ order: "1" }), { key: "order-1" })
      yield* Orders.signalByKey("order-1", ada)
      assert.strictEqual((yield* waitRow(id))?.inbox?.signals.length, 1)
      const error = yield* Effect.flip(Orders.signalByKey("order-2", ada))
      assert.strictEqual(error._tag, "TaskNotFoundError")
      assert.strictEqual((yield* Effect.flip(Orders.signalByKey("", ada)))._tag, "TaskOptionsError")
    })
  )

  test(
    "or store the task together with the signal, once, also when many come at the same time",
    Effect.gen(function*() {
      const sent = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, n) => new Approved({ by: `${n}` })),
        (signal) => Orders.signalOrEnqueue("order-1", signal, new Place({ order: "1" })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(sent.filter(({ created }) => created).length, 1)
      const found = yield* run<{ id: string }>("select id from pg_task")
      assert.strictEqual(found.length, 1)
      assert.strictEqual((yield* waitRow(found[0]!.id))?.inbox?.signals.length, 10)
    })
  )

  test(
    "or begin anew where the task has ended",
    Effect.gen(function*() {
      const { id } = yield* Orders.enqueue(new Place({ order: "1" }), { key: "order-1" })
      yield* run("update pg_task set ended_at = now(), kept_until = now() + interval '1 hour'")
      assert.deepStrictEqual(yield* Orders.signalOrEnqueue("order-1", ada, new Place({ order: "2" })), {
        created: true
      })
      const [row] = yield* run<{ id: string; n: number }>(
        "select id, jsonb_array_length(inbox -> 'signals') as n from pg_task where key = 'order-1'"
      )
      assert.notStrictEqual(row?.id, id)
      assert.strictEqual(row?.n, 1)
    })
  )
})

workerTests("signals that are never taken", (test) => {
  test(
    "are named by the log and by a metric; those that are taken, are not",
    Effect.gen(function*() {
      yield* prepareNotes
      const logs = Logs.capture("Info")
      const id = yield* Orders.enqueue(new AwaitApproval({ order: "1" }))
      yield* Orders.signal(id, new Rejected({ why: "no" }))
      const other = yield* Orders.enqueue(new AwaitApproval({ order: "2" }))
      for (const why of ["a", "b", "c"]) yield* Orders.signal(other, new Rejected({ why }))
      yield* Effect.provide(start({ tasks: [Orders] }), logs.layer)
      yield* gone(id)
      yield* gone(other)
      yield* logs.line("without having taken 2 of the signals")
      assert.strictEqual(logs.find("without having taken").length, 1)
      assert.deepStrictEqual(yield* notes, ["rejected 1: no", "rejected 2: a"])
    })
  )

  test(
    "come too late for a state that another one has replaced: the task waits for nothing any more",
    Effect.gen(function*() {
      yield* prepareNotes
      yield* run(
        `insert into pg_task (step, key, waits_for, wait_until, wakeup_at) values ($1, 'order-1', '{Approved,Rejected}',
        now() + interval '1 hour', now() + interval '1 hour')`,
        [JSON.stringify({ Orders: { AwaitApproval: { order: "1" } } })]
      )
      const packed = new Pack({ order: "2", by: "bob" })
      const { id } = yield* Orders.enqueue(packed, { key: "order-1", onConflict: "replace" })
      const [found] = yield* run("select waits_for, wait_until, wakeup_at <= now() as due from pg_task")
      assert.deepStrictEqual(found, { waits_for: null, wait_until: null, due: true })
      yield* Orders.signalByKey("order-1", ada)
      yield* start({ tasks: [Orders] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 2 for bob"])
    })
  )
})
