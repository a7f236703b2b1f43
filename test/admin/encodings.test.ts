import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"
import { Admin, Migrations } from "../../src/index.ts"
import { client, makeDatabase } from "../support/database/Database.ts"
import { run } from "../support/worker/Table.ts"

/** A database of this encoding, in the place of one of the usual kind. */
const recoded = (name: string, encoding: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`drop database ${sql(name)}`.raw
    yield* sql.unsafe(
      `create database "${name}" template template0 encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`
    )
  }).pipe(Effect.provide(client(inject("databaseUrl"), { maxConnections: 1 })))

const steps = ["Plain", "\\u20ac", "caf\\u00e9", "say \\\"hi\\\"", "a\\\\u20ac"]

for (const encoding of ["UTF8", "LATIN1", "SQL_ASCII"]) {
  it.live(`tags of any spelling can be looked at in a database in ${encoding}`, () =>
    Effect.gen(function*() {
      const { name, url } = yield* makeDatabase
      yield* recoded(name, encoding)
      yield* Effect.gen(function*() {
        yield* Migrations.run
        for (const tag of steps) yield* run("insert into pg_task (step) values ($1)", [`{"Task":{"${tag}":{}}}`])
        const expected = {
          UTF8: ["Plain", "€", "café", "say \"hi\"", "a\\u20ac"],
          // What the database can't hold keeps its escapes.
          LATIN1: ["Plain", "\\u20ac", "café", "say \"hi\"", "a\\\\u20ac"],
          SQL_ASCII: ["Plain", "\\u20ac", "caf\\u00e9", "say \"hi\"", "a\\\\u20ac"]
        }[encoding]!
        const { rows } = yield* Admin.list()
        assert.sameMembers(rows.map((row) => row.step!), expected)
        const counts = yield* Admin.counts()
        assert.sameMembers(counts.map((count) => count.step!), expected)
        for (const step of expected) assert.strictEqual(yield* Admin.count({ step }), 1)
      }).pipe(Effect.provide(client(url)))
    }))
}
