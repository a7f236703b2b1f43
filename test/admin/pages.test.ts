import { assert } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Admin } from "../../src/index.ts"
import { page, type PageOptions } from "../../src/internal/sql/page.ts"
import { nobody } from "../support/cli/Greeter.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"

const idsOf = (page: Admin.Page) => page.rows.map((row) => row.id)

workerTests("pages", (test) => {
  /** Rows that share their `wakeup_at`, as one statement's do. */
  const insertMany = (count: number) =>
    run(
      `insert into pg_task (step, error) select format('{"T%s":{"S":{}}}', n % 3), case when n % 5 = 0 then 'x' end
from generate_series(1, $1::int) n`,
      [count]
    )

  const readAll = (options: Admin.ListOptions) =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      let after: Admin.Cursor | undefined
      do {
        const page = yield* Admin.list({ ...options, after })
        seen.push(...idsOf(page))
        after = page.next
      } while (after !== undefined)
      return seen
    })

  for (const order of ["oldestFirst", "newestFirst"] as const) {
    test(
      `go on by key where many are due at once, ${order}`,
      Effect.gen(function*() {
        yield* insertMany(50)
        yield* insertMany(50)
        const seen = yield* readAll({ limit: 7, order })
        assert.strictEqual(seen.length, 100)
        assert.strictEqual(new Set(seen).size, 100)
        assert.deepStrictEqual(yield* readAll({ limit: 1000, order }), seen)
        assert.deepStrictEqual(
          (yield* readAll({ limit: 9, order, task: "T1" })).length,
          yield* Admin.count({ task: "T1" })
        )
      })
    )
  }

  test(
    "don't skip or repeat when rows before them go or come",
    Effect.gen(function*() {
      yield* insertMany(30)
      const all = yield* readAll({})
      const one = yield* Admin.list({ limit: 10 })
      yield* Admin.cancel(all.slice(0, 5))
      yield* run("insert into pg_task (step, wakeup_at) values ('{\"T\":{\"S\":{}}}', now() - interval '1 day')")
      assert.deepStrictEqual(idsOf(yield* Admin.list({ limit: 100, after: one.next })), all.slice(10) as never)
    })
  )

  test(
    "have a cursor that travels as text",
    Effect.gen(function*() {
      yield* insertMany(3)
      const { next } = yield* Admin.list({ limit: 2 })
      assert.strictEqual(yield* Schema.decodeUnknownEffect(Admin.Cursor)(`${next}`), next!)
      for (const broken of ["", "x", `${next}x`, `now()~${nobody}`]) {
        assert.isTrue(Result.isFailure(yield* Effect.result(Schema.decodeUnknownEffect(Admin.Cursor)(broken))))
      }
    })
  )

  test(
    "make a stream",
    Effect.gen(function*() {
      yield* insertMany(25)
      const rows = yield* Stream.runCollect(Admin.stream({ status: "ready", limit: 10 }))
      assert.strictEqual(rows.length, 20)
      assert.strictEqual(yield* Stream.runCount(Admin.stream({ status: "parked", limit: 5 })), 5)
    })
  )

  test(
    "come from the indexes",
    Effect.gen(function*() {
      yield* insertMany(5000)
      yield* run("analyze pg_task")
      const sql = yield* SqlClient.SqlClient
      const plan = (options: Partial<PageOptions>) =>
        Effect.gen(function*() {
          const explaining = { unsafe: (text: string, params: never) => sql.unsafe(`explain ${text}`, params) }
          const lines = yield* page(explaining as never, {
            limit: 10,
            newestFirst: false,
            after: undefined,
            ...options
          })
          return lines.map((line) => Object.values(line)[0]).join("\n")
        })
      assert.notInclude(yield* plan({}), "Seq Scan")
      assert.notInclude(yield* plan({ status: ["parked"], newestFirst: true }), "Seq Scan")
      const after = { position: "2000-01-01T00:00:00+00:00", id: nobody }
      assert.notInclude(yield* plan({ status: ["ready"], after }), "Seq Scan")
    })
  )
})
