/** The look of an idle worker: how often Postgres plans it. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { look } from "../../src/internal/sql/look.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"

/** Postgres compares five plans for the values at hand with one for any values. */
const custom = 5

workerTests("the look of an idle worker", (test) => {
  for (const count of [1, 3]) {
    test(
      `is planned once, not for each look: a worker of ${count} task${count === 1 ? "" : "s"}`,
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const tasks = Array.from({ length: count }, (_, n) => ({ name: `Task ${n}`, states: ["One", "Other"] }))
        const outlook = { tasks, start: undefined, horizon: 11_000 }
        yield* sql.withTransaction(Effect.gen(function*() {
          for (let n = 0; n < 20; n++) {
            yield* look(sql, { outlook, leases: undefined, chores: undefined, notification: undefined })
          }
          assert.deepStrictEqual(
            yield* run(
              `select generic_plans::int, custom_plans::int from pg_prepared_statements
              where statement like '%as skipped%' and statement not like '%pg_prepared_statements%'
              order by prepare_time desc limit 1`
            ),
            [{ generic_plans: 20 - custom, custom_plans: custom }]
          )
        }))
      })
    )
  }
})
