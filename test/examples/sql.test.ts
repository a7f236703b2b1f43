import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeDatabase } from "../support/database/Database.ts"
import * as Script from "../support/process/Script.ts"

const sql = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { url } = yield* makeDatabase
    const script = yield* Script.run("examples/sql.ts", { args, env: { DATABASE_URL: url } })
    return { code: yield* script.exit, lines: script.lines() }
  })

describe("npm run sql", () => {
  it.effect("prints rows, and how many a statement changed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* sql("create table t (n int, at date)", "insert into t values (1, '2026-01-31'), (2, null)", "table t"),
        { code: 0, lines: ["CREATE", "INSERT 2", "n | at", "--+-----------", "1 | 2026-01-31", "2 |", "(2 rows)"] }
      )
    }))

  it.effect("says in one line what is wrong", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* sql("table nothing"), {
        code: 1,
        lines: ["error: relation \"nothing\" does not exist"]
      })
    }))
})
