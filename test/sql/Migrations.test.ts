import { NodeServices } from "@effect/platform-node"
import { PgClient, PgMigrator } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue, Redacted } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { execFileSync, spawnSync } from "node:child_process"
import { Migrations } from "../../src/index.ts"
import { client, makeDatabase } from "../support/database/Database.ts"
import { ownDatabaseTest as test, type Services } from "../support/database/ownDatabase.ts"
import { allMigrations } from "../support/database/migrations.ts"
import { makeCrateTable, shape } from "../support/database/tableShape.ts"
import { run } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

const runText = run(Migrations.script)

describe("a fresh database", () => {
  test("gets the table, once", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Migrations.run, allMigrations)
      const before = yield* shape
      assert.deepStrictEqual(yield* Migrations.run, [])
      assert.deepStrictEqual(yield* shape, before)
    }))

  test("gets the crate's eight columns, all with defaults but `step`, and ours", () =>
    Effect.gen(function*() {
      yield* Migrations.run
      const columns = yield* run(
        `select concat_ws(' ', column_name, data_type, case is_nullable when 'NO' then 'not null' end, column_default)
          as text from information_schema.columns where table_name = 'pg_task' order by ordinal_position`
      )
      assert.deepStrictEqual(columns.map(({ text }) => text), [
        "id uuid not null gen_random_uuid()",
        "step text not null",
        "wakeup_at timestamp with time zone not null now()",
        "tried integer not null 0",
        "is_running boolean not null false",
        "error text",
        "created_at timestamp with time zone not null clock_timestamp()",
        "updated_at timestamp with time zone not null now()",
        "lease_token uuid",
        "lease_until timestamp with time zone",
        "transitions integer not null 0",
        "crashes integer not null 0",
        "trace text",
        "task text",
        "state text",
        "last_error text",
        "key text",
        "pending jsonb",
        "parent uuid",
        "waits_for ARRAY",
        "wait_until timestamp with time zone",
        "inbox jsonb",
        "wakes integer not null 0",
        "watched boolean not null false",
        "ended_at timestamp with time zone",
        "kept_until timestamp with time zone",
        "limit_key text",
        "slot integer",
        "slots integer"
      ])
    }))

  test("gets a table in which a row needs a step, and no more", () =>
    Effect.gen(function*() {
      yield* Migrations.run
      yield* run(`insert into pg_task (step) values ('{"Greeter":{"ReadName":{"filename":"name.txt"}}}')`)
      const [row] = yield* run(
        "select task, tried, is_running, error, wakeup_at <= now() as due, created_at between updated_at and clock_timestamp() as fresh from pg_task"
      )
      assert.deepStrictEqual(row, {
        task: "Greeter",
        tried: 0,
        is_running: false,
        error: null,
        due: true,
        fresh: true
      })
    }))
})

describe("every way", () => {
  const ways: Record<string, Effect.Effect<unknown, unknown, Services>> = {
    "Migrations.run": Migrations.run,
    "Migrations.layer": Effect.scoped(Layer.build(Migrations.layer)),
    "Migrations.script": runText,
    "Migrations.script in another transaction": Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql.withTransaction(Effect.andThen(runText, run("create table mine (id int)")))
    ),
    "Migrations.loader with Effect's PgMigrator": PgMigrator.run({
      loader: Migrations.loader,
      table: Migrations.table
    }).pipe(Effect.provide(NodeServices.layer)),
    "Migrations.migrations among one's own": Migrator.make({})({
      loader: Migrator.fromRecord({
        "1_mine": Effect.asVoid(run("create table mine (id int)")),
        // Others of one's own may stand between them.
        ...Object.fromEntries(
          Object.values(Migrations.migrations).map((migration, index) => [`${2 + 5 * index}_pg_task`, migration])
        )
      })
    }),
    "a take-over": Effect.andThen(makeCrateTable, Migrations.run)
  }

  for (const [name, way] of Object.entries(ways)) {
    test(`makes the same table, and may come before and after the others: ${name}`, () =>
      Effect.gen(function*() {
        yield* way
        const made = yield* shape
        yield* runText
        assert.deepStrictEqual(yield* shape, made)
        yield* Migrations.run
        assert.deepStrictEqual(yield* shape, made)
        yield* run("drop table pg_task, pg_task_migrations cascade")
        yield* Migrations.run
        assert.deepStrictEqual(yield* shape, made)
      }))
  }

  const psql = "psql"
  const hasPsql = spawnSync(psql, ["--version"]).status === 0

  it.live.skipIf(!hasPsql)("makes the same table: Migrations.script with psql, twice", () =>
    Effect.gen(function*() {
      const { url } = yield* makeDatabase
      const open = new URL(url)
      open.password = ""
      const args = [open.href, "-v", "ON_ERROR_STOP=1", "-q", "-f", "-"]
      // Other users of the machine can see arguments, but not the environment.
      const env = { ...process.env, PGPASSWORD: decodeURIComponent(new URL(url).password) }
      for (let n = 0; n < 2; n++) execFileSync(psql, args, { env, input: Migrations.script, stdio: "pipe" })
      const made = yield* Effect.provide(shape, client(url))
      const { url: other } = yield* makeDatabase
      assert.deepStrictEqual(yield* Effect.provide(Effect.andThen(Migrations.run, shape), client(other)), made)
    }))
})

describe("a transaction that has stored tasks", () => {
  const ways: Record<string, Effect.Effect<unknown, unknown, Services>> = {
    "Migrations.run": Migrations.run,
    "Migrations.script": runText
  }
  for (const [name, migrate] of Object.entries(ways)) {
    test(`may apply the migrations again, by ${name}: its notification is not lost`, () =>
      Effect.gen(function*() {
        yield* runText
        const sql = yield* PgClient.PgClient
        const heard = yield* sql.listen("pg_task_changed")
        yield* sql.withTransaction(Effect.andThen(run(`insert into pg_task (step) values ('{"A":{"B":{}}}')`), migrate))
        assert.strictEqual((yield* within(Queue.take(heard), "the notification")).payload, "")
        assert.deepStrictEqual(yield* run("select task from pg_task"), [{ task: "A" }])
      }))
  }
})

describe("many at once", () => {
  const migrateApart = (url: string, way: Effect.Effect<unknown, unknown, Services>) =>
    Effect.scoped(Effect.provide(way, client(url, { maxConnections: 1 })))

  for (const [name, before] of Object.entries({ fresh: Effect.void, "of the Rust crate": makeCrateTable })) {
    test(`apply it once, and none of them fails: a database ${name}`, ({ url }) =>
      Effect.gen(function*() {
        yield* before
        const mixed = Array.from({ length: 12 }, (_, n) => [Migrations.run, runText][n % 2]!)
        yield* Effect.forEach(mixed, (way) => migrateApart(url, way), { concurrency: "unbounded" })
        const made = yield* shape
        assert.deepStrictEqual(
          yield* run("select migration_id, name from pg_task_migrations order by 1"),
          allMigrations.map(([migration_id, name]) => ({ migration_id, name }))
        )
        yield* run("drop table pg_task, pg_task_migrations cascade")
        yield* Migrations.run
        assert.deepStrictEqual(yield* shape, made)
      }))
  }
})

describe("a failed migration", () => {
  test("leaves everything as it was: Migrations.script", () =>
    Effect.gen(function*() {
      yield* makeCrateTable
      yield* run("alter table pg_task add column trace int")
      yield* run("alter table pg_task add column crashes text")
      const before = yield* shape
      yield* Effect.flip(runText)
      assert.deepStrictEqual(yield* shape, before)
    }))

  test("leaves everything as it was", () =>
    Effect.gen(function*() {
      yield* run("create view pg_task as select 1 as id")
      const error = yield* Effect.flip(Migrations.run)
      assert.strictEqual(error._tag, "MigrationError")
      assert.deepStrictEqual(yield* run("table pg_task_migrations"), [])
      yield* run("drop view pg_task")
      assert.deepStrictEqual(yield* Migrations.run, allMigrations)
    }))
})

describe("a schema of its own", () => {
  test("is where the search path leads", ({ url }) =>
    Effect.gen(function*() {
      yield* run("create schema jobs")
      const inJobs = PgClient.layer({ url: Redacted.make(url), startupParameters: { search_path: "jobs" } })
      yield* Effect.provide(Migrations.run, inJobs)
      const found = yield* run(
        "select distinct schemaname as schema from pg_tables where tablename like 'pg\\_task%'"
      )
      assert.deepStrictEqual(found, [{ schema: "jobs" }])
      // Its triggers work for sessions whose path leads elsewhere, too.
      yield* run(`insert into jobs.pg_task (step) values ('{"A":{"B":{}}}')`)
      yield* run("update jobs.pg_task set error = 'e'")
      yield* run("update jobs.pg_task set error = null")
    }))
})
