/** A row that comes into a waiting state, or waits again, while something comes that its attempt has not seen. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { TaskId } from "../../src/index.ts"
import { wakeParents } from "../../src/internal/sql/children.ts"
import { storeOutcomes } from "../../src/internal/sql/outcome.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"

const token = "00000000-0000-4000-8000-000000000001"

workerTests("a row whose children end while its attempt finds one open", (test) => {
  for (
    const [what, wakes, due] of [["is due at once", 0, true], ["rests if the attempt has seen it", 1, false]] as const
  ) {
    test(
      what,
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const [inserted] = yield* run<{ id: TaskId.TaskId }>(
          `insert into pg_task (step, is_running, lease_token, lease_until)
          values ('{"Parent":{"Gather":{"children":[]}}}', true, $1::uuid, now() + interval '1 hour') returning id`,
          [token]
        )
        const { id } = inserted!
        // It runs: so this only says that something came.
        yield* wakeParents(sql, [id])
        const change = { id, token, n: 0, kind: "Waiting", waited: true, waits: ["$children"], wakes } as const
        yield* storeOutcomes(sql, { ends: [], changes: [change] }, { lease: 30_000 })
        assert.deepStrictEqual(yield* run("select wakes, wakeup_at <= now() as due, is_running from pg_task"), [
          { wakes: 1, due, is_running: false }
        ])
      })
    )
  }
})
