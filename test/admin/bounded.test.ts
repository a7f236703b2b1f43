import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Activity, Admin } from "../../src/index.ts"
import { jobs, start, workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"
import { insertEach, readName } from "../support/cli/Greeter.ts"

/** Many rows, due one second after the other, of which every hundredth has another state. */
const insertMany = (count: number, columns = "", values = "") =>
  run(
    `insert into pg_task (step, wakeup_at${columns})
select case when n % 100 = 0 then '{"Greeter":{"SayHello":{}}}' else '{"Greeter":{"ReadName":{"filename":"' || n || '"}}}' end,
  now() - interval '1 hour' + n * interval '1 second'${values}
from generate_series(1, ${count}) n`
  )

workerTests("a page that looks at a bounded number of rows", (test) => {
  test(
    "goes on where it stopped, and misses nothing",
    Effect.gen(function*() {
      yield* insertMany(1000)
      const filter = { task: "Greeter", step: "SayHello", lookAt: 150, limit: 3 } as const
      const found: Array<string> = []
      let pages = 0
      let after: Admin.Cursor | undefined
      do {
        const page: Admin.Page = yield* Admin.list({ ...filter, after })
        found.push(...page.rows.map(({ id }) => id))
        after = page.next
        pages++
      } while (after !== undefined)
      const all = yield* Admin.list({ ...filter, lookAt: undefined, limit: 100 })
      assert.deepStrictEqual(found, all.rows.map(({ id }) => id))
      assert.strictEqual(found.length, 10)
      assert.isAtLeast(pages, 6)
    })
  )

  test(
    "leaves a transaction of its caller the settings that it had",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const settings = run(
        `select current_setting('jit') as jit, current_setting('enable_sort') as sort,
          current_setting('enable_bitmapscan') as bitmap`
      )
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* run("set local enable_sort = off")
        const before = yield* settings
        yield* Admin.list({ lookAt: 10 })
        yield* Activity.counts(10)
        assert.deepStrictEqual(yield* settings, before)
      }))
    })
  )

  for (const order of ["oldestFirst", "newestFirst"] as const) {
    test(
      `finds what a page without a bound finds, ${order}`,
      Effect.gen(function*() {
        yield* insertEach
        yield* run("insert into pg_task (step) values ('rubbish'), ('{\"Other\":{\"A\":{}}}')")
        const filters: ReadonlyArray<Admin.Filter> = [
          {},
          { task: null },
          { task: "Greeter" },
          { task: "Nobody" },
          { status: [] },
          ...Admin.Status.literals.map((status) => ({ status })),
          { status: ["parked", "ready"] },
          { text: "filename*park" },
          { error: "http*100%" },
          { errorLine: "HttpError: 100% of it" },
          { errorLine: "HttpError" },
          { olderThan: "1 hour" },
          { newerThan: "1 hour", task: "Greeter" }
        ]
        for (const filter of filters) {
          const bounded = yield* Admin.list({ ...filter, order, lookAt: 100 })
          const unbounded = yield* Admin.list({ ...filter, order })
          assert.deepStrictEqual(
            bounded.rows.map(({ id }) => id),
            unbounded.rows.map(({ id }) => id),
            JSON.stringify(filter)
          )
        }
      })
    )
  }

  test(
    "skips what is due when it looks for what is not",
    Effect.gen(function*() {
      yield* insertMany(300)
      yield* run("insert into pg_task (step, wakeup_at) values ($1, now() + interval '1 hour')", [readName("later")])
      const { rows } = yield* Admin.list({ task: "Greeter", status: "scheduled", lookAt: 10 })
      assert.strictEqual(rows.length, 1)
    })
  )

  test(
    "filters by a text and by the first line of an error, also to change",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      assert.strictEqual(yield* Admin.count({ text: "\"READY\"" }), 1)
      assert.strictEqual(yield* Admin.retry({ errorLine: "HttpError" }), 0)
      assert.strictEqual(yield* Admin.retry({ errorLine: "HttpError: 100% of it" }), 1)
      assert.strictEqual((yield* Admin.get(parked)).status, "ready")
    })
  )

  test(
    "counts the errors of some parked rows only",
    Effect.gen(function*() {
      yield* insertMany(50, ", error", ", 'Error: one' || e'\\n' || n")
      const [all] = yield* Admin.countErrors({ task: "Greeter", step: "ReadName" })
      const [some] = yield* Admin.countErrors({ task: "Greeter", step: "ReadName", lookAt: 10 })
      assert.deepStrictEqual([all!.count, some!.count, some!.error], [50, 10, "Error: one"])
      const everywhere = yield* Admin.countErrors({ lookAt: 100 })
      assert.deepStrictEqual(everywhere.map(({ count }) => count), [50])
    })
  )
})

workerTests("activity", (test) => {
  test(
    "counts as Admin does, up to a limit",
    Effect.gen(function*() {
      yield* insertEach
      yield* insertMany(200)
      yield* run("insert into pg_task (step) values ('rubbish')")
      const exact = yield* Activity.counts(10_000)
      const wanted = yield* Admin.counts()
      assert.deepStrictEqual(
        exact.map(({ atLeast, count, retrying, status, step, task }) => ({
          atLeast,
          count,
          retrying,
          status,
          step,
          task
        })),
        wanted.map(({ count, retrying, status, step, task }) => ({
          atLeast: false,
          count,
          retrying,
          status,
          step,
          task
        }))
      )
      const some = yield* Activity.counts(50)
      const ready = some.filter(({ status, task }) => task === "Greeter" && status === "ready")
      assert.isTrue(ready.every(({ atLeast }) => atLeast))
      assert.strictEqual(ready.reduce((sum, { count }) => sum + count, 0), 50)
      const scheduled = some.find(({ status }) => status === "scheduled")
      assert.deepStrictEqual([scheduled?.count, scheduled?.atLeast], [1, false])
    })
  )

  test(
    "knows the traffic, and the workers that listen",
    Effect.gen(function*() {
      const before = yield* Activity.traffic
      const listening = (yield* Activity.listeners).length
      yield* insertMany(10)
      yield* start({ tasks: [jobs(() => Effect.never)] })
      yield* eventually(Activity.listeners, (found) => found.length === listening + 1)
      yield* eventually(Activity.traffic, ({ inserted }) => inserted - before.inserted >= 10)
    })
  )
})
