/** No index knows what changes when a row is claimed, or moves on at once: both updates are heap-only. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { claim, everything } from "../../src/internal/sql/claim.ts"
import { type RowChange, storeOutcomes } from "../../src/internal/sql/outcome.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const count = 2000
const lease = 30_000

const updates = run<{ all: number; heapOnly: number }>(
  `select n_tup_upd::float8 as "all", n_tup_hot_upd::float8 as "heapOnly" from pg_stat_user_tables
  where relname = 'pg_task'`
)

/** Waits until nobody looks at an older state of the table: an analysis of a catalog does, and may begin at any time. */
const noSnapshots = eventually(
  run(
    `select pid, query from pg_stat_activity where (datname = current_database() or datname is null)
    and backend_xmin is not null and pid <> pg_backend_pid()`
  ),
  (others) => others.length === 0
)

workerTests("of the updates,", (test) => {
  // The longer a state is, the less its pages have room for: what is left free is a part of them.
  for (const length of [10, 100, 300, 700]) {
    test(
      `all claims and each \`NextStep.now\` are heap-only, in a full table, with states of ${length} characters`,
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        // The snapshot of an analysis would keep old versions, too.
        yield* run("alter table pg_task set (autovacuum_enabled = off)")
        yield* run("select pg_stat_reset_single_table_counters('pg_task'::regclass)")
        yield* run(
          `insert into pg_task (step)
          select format('{"Jobs":{"Job":{"name":"%s"}}}', repeat('x', $2::int)) from generate_series(1, $1::int)`,
          [count, length]
        )
        const token = crypto.randomUUID()
        const options = { tasks: [{ name: "Jobs", states: ["Job"] }], limit: 100, bytes: 1e9, token, lease }
        const claims = yield* Effect.forEach(Array.from({ length: count / 100 }), () => claim(sql, options, everything))
        const rows = claims.flatMap((found) => found.rows)
        assert.lengthOf(rows, count)
        const [claimed] = yield* eventually(updates, ([row]) => row!.all >= count)
        assert.deepStrictEqual(claimed, { all: count, heapOnly: count })
        const first = rows[0]!
        const move = (n: number): RowChange => ({ kind: "Continued", id: first.id, token, n, step: first.step! })
        for (let n = 0; n < 50; n++) {
          yield* storeOutcomes(sql, { ends: [], changes: [move(n)] }, { lease, isAsync: false })
          // Usually the next update of the page does it. But it does not see at once that the transactions of other
          // databases don't need the old versions.
          yield* noSnapshots
          yield* run("vacuum pg_task")
        }
        const [found] = yield* eventually(updates, ([row]) => row!.all >= count + 50)
        assert.deepStrictEqual(found, { all: count + 50, heapOnly: count + 50 })
      })
    )
  }
})
