/** What both ways to send a signal do to a row, whoever has it. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { TaskId } from "../../src/index.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { Approved, makeOrders } from "../support/worker/Orders.ts"
import { run } from "../support/worker/Table.ts"

const Orders = makeOrders()

const insert = (running: boolean) =>
  Effect.map(
    run<{ id: TaskId.TaskId }>(
      `insert into pg_task (step, waits_for, wakeup_at, is_running, lease_token, lease_until)
      select $1::text, '{Approved}'::text[], now() + interval '1 hour', $2::bool,
        case when $2::bool then gen_random_uuid() end, case when $2::bool then now() + interval '1 hour' end
      returning id`,
      [JSON.stringify({ Orders: { AwaitApproval: { order: "1" } } }), running]
    ),
    (rows) => rows[0]!.id
  )

const found = Effect.map(
  run<{ wakes: number; due: boolean; signals: number }>(
    "select wakes, wakeup_at <= now() as due, jsonb_array_length(inbox -> 'signals') as signals from pg_task"
  ),
  (rows) => rows[0]!
)

const senders = {
  "Task.signal": (id: TaskId.TaskId, dedupe: string) => Orders.signal(id, new Approved({ by: "ada" }), { dedupe }),
  pg_task_signal: (id: TaskId.TaskId, dedupe: string) =>
    run(`select pg_task_signal($1, 'Approved', '{"by":"ada"}', $2)`, [id, dedupe])
}

for (const [name, send] of Object.entries(senders)) {
  workerTests(`a signal by ${name}`, (test) => {
    test(
      "is no duplicate of what came before the last 100 with a key",
      Effect.gen(function*() {
        const id = yield* insert(false)
        for (let n = 0; n <= 100; n++) yield* send(id, `k${n}`)
        assert.strictEqual((yield* found).signals, 101)
        // The first one was forgotten when the last one came. The second one is forgotten now.
        yield* send(id, "k0")
        assert.strictEqual((yield* found).signals, 102)
        yield* send(id, "k2")
        assert.strictEqual((yield* found).signals, 102)
        yield* send(id, "k1")
        assert.strictEqual((yield* found).signals, 103)
      })
    )

    test(
      "tells a row that runs, and does not move its time; one that waits is due",
      Effect.gen(function*() {
        yield* send(yield* insert(true), "a")
        assert.deepStrictEqual(yield* found, { wakes: 1, due: false, signals: 1 })
        yield* run("delete from pg_task")
        yield* send(yield* insert(false), "a")
        assert.deepStrictEqual(yield* found, { wakes: 1, due: true, signals: 1 })
      })
    )
  })
}
