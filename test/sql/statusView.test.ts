import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"

/** What makes a row of this status. Nothing but SQL writes most of these columns yet. */
const rows = {
  ready: "tried = 0",
  scheduled: "wakeup_at = now() + interval '1 hour', tried = 1, last_error = 'Timeout'",
  waiting: "wakeup_at = 'infinity', waits_for = array['Approved', 'Rejected']",
  limited: "limit_key = 'stripe', slots = 2, key = 'order-42'",
  running: "is_running = true, lease_token = gen_random_uuid(), lease_until = now() + interval '1 minute'",
  parked: "error = 'Refused: no', last_error = 'Timeout'",
  ended: "ended_at = now(), kept_until = now() + interval '1 hour'"
}

workerTests("the view pg_task_status", (test) => {
  test(
    "says of each row what it is, in one word",
    Effect.gen(function*() {
      for (const [name, set] of Object.entries(rows)) {
        const step = `{"Orders":{"${name}":{}}}`
        yield* run("insert into pg_task (step) values ($1)", [step])
        yield* run(`update pg_task set ${set} where step = $1`, [step])
      }
      const found = yield* run("select state, task, status, key, waits_for, error from pg_task_status")
      const row = { task: "Orders", key: null, waits_for: null, error: null }
      assert.sameDeepMembers([...found], [
        { ...row, state: "ready", status: "ready" },
        { ...row, state: "scheduled", status: "scheduled", error: "Timeout" },
        { ...row, state: "waiting", status: "waiting", waits_for: ["Approved", "Rejected"] },
        { ...row, state: "limited", status: "limited", key: "order-42" },
        { ...row, state: "running", status: "running" },
        { ...row, state: "parked", status: "parked", error: "Refused: no" },
        { ...row, state: "ended", status: "ended" }
      ])
      const due = yield* run(
        "select v.state from pg_task_status v join pg_task using (id) where v.due is distinct from pg_task.wakeup_at"
      )
      assert.deepStrictEqual(due, [{ state: "ended" }])
    })
  )
})
