import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { client, makeDatabase, testDatabase } from "./database/Database.ts"

const currentDatabase = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ name: string }>`select current_database() as name`
  return row!.name
})

const exists = (name: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    return (yield* sql`select 1 from pg_database where datname = ${name}`).length === 1
  })

layer(testDatabase)("the database of a test file", (it) => {
  it.effect("is its own", () =>
    Effect.gen(function*() {
      assert.match(yield* currentDatabase, /^test_[0-9a-f]{16}$/)
    }))

  it.effect("is dropped at the end, whoever is connected", () =>
    Effect.gen(function*() {
      const { name, url } = yield* Effect.scoped(
        Effect.gen(function*() {
          const database = yield* makeDatabase
          assert.isTrue(yield* exists(database.name))
          return database
        })
      )
      assert.isFalse(yield* exists(name))
      assert.include(url, name)
    }))
})

describe("a database for child processes", () => {
  it.effect("is where its url leads", () =>
    Effect.gen(function*() {
      const { name, url } = yield* makeDatabase
      assert.strictEqual(yield* currentDatabase.pipe(Effect.provide(client(url))), name)
    }))
})
