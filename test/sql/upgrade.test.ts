/** Tables of earlier versions: what is released is never edited, and each of them becomes the table of today. */
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Layer, Queue } from "effect"
import * as fs from "node:fs"
import { Migrations, NextStep, Worker } from "../../src/index.ts"
import { client } from "../support/database/Database.ts"
import { ownDatabaseTest as test } from "../support/database/ownDatabase.ts"
import { shape } from "../support/database/tableShape.ts"
import { Job, jobs } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import { allMigrations } from "../support/database/migrations.ts"
import * as Logs from "../support/worker/Logs.ts"
import { gone, run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"

/** Versions of the table, by the commit that made them, and how many migrations they noted. */
const releases = [["07310b9", 2]] as const

const text = (release: string) =>
  fs.readFileSync(new URL(`../support/database/releases/${release}.sql`, import.meta.url), "utf8")

const job = (name: string) => `{"Jobs":{"Job":{"name":"${name}"}}}`

/** A row of each status: what is set beside `step`, which is made of the name. */
const statuses = {
  ready: "wakeup_at = now() - interval '1 minute'",
  scheduled: "wakeup_at = now() + interval '1 hour', transitions = 3",
  retrying: "wakeup_at = now() + interval '1 hour', tried = 2",
  running: "is_running = true, lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour', tried = 1",
  crashed: "wakeup_at = now() + interval '1 hour', deaths = 2",
  parked: "error = 'Refused: no', tried = 6, trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'"
}

const columns = (crashes: string) =>
  `id, step, task, wakeup_at::text, tried, is_running, error, created_at::text, updated_at::text, lease_token,
  lease_until::text, transitions, ${crashes} as crashes, trace`

const fill = Effect.gen(function*() {
  for (const [name, set] of Object.entries(statuses)) {
    yield* run("insert into pg_task (step) values ($1)", [job(name)])
    yield* run(`update pg_task set updated_at = now() - interval '1 day', ${set} where step = $1`, [job(name)])
  }
  yield* run(`insert into pg_task (step, wakeup_at) values ('garbage', now() + interval '1 hour')`)
  yield* run(
    `insert into pg_task (step, wakeup_at) values ('{ "Jobs": {"\\u004aob": {}} }', now() + interval '1 hour')`
  )
})

/** The table of a release, filled, and with its migrations noted. */
const make = (release: string, notes: number) =>
  Effect.gen(function*() {
    yield* run(text(release))
    yield* run(
      "create table pg_task_migrations (migration_id int primary key, created_at timestamptz not null default now(), name text not null)"
    )
    yield* run(
      "insert into pg_task_migrations (migration_id, name) select n, (array['table', 'triggers'])[n] from generate_series(1, $1::int) n",
      [notes]
    )
    yield* fill
    return yield* run(`select ${columns("deaths")} from pg_task order by id`)
  })

/** A worker that waits for the migrations, and what it has run. */
const startWorker = Effect.gen(function*() {
  const seen = yield* Queue.unbounded<string>()
  const logs = Logs.capture("Info")
  const Jobs = jobs(({ name }) => Effect.as(Queue.offer(seen, name), NextStep.none))
  const live = Worker.layer({ tasks: [Jobs] }).pipe(Layer.provide(Migrations.layer), Layer.provide(logs.layer))
  const starting = yield* Effect.forkScoped(Layer.build(live))
  return { Jobs, seen, logs, started: within(Fiber.join(starting), "the start") }
})

for (const [release, notes] of releases) {
  describe(`the table of ${release}`, () => {
    test("is still what the migrations of that time make", () =>
      Effect.gen(function*() {
        yield* run(text(release))
        const made = yield* shape
        yield* run("drop table pg_task")
        for (const migration of Object.values(Migrations.migrations).slice(0, notes)) yield* migration
        assert.deepStrictEqual(yield* shape, made)
      }))

    test("is upgraded below workers that wait for it, and keeps each row as it was", () =>
      Effect.gen(function*() {
        const before = yield* make(release, notes)
        // Somebody reads it, so that nobody can change it.
        const letGo = yield* holding("select count(*) from pg_task")
        const { Jobs, logs, seen, started } = yield* startWorker
        assert.include((yield* logs.line("wait for a lock on the table")).message, "select count(*) from pg_task")
        assert.deepStrictEqual(yield* run(`select ${columns("deaths")} from pg_task order by id`), before)
        yield* letGo
        yield* eventually(
          run("select max(migration_id)::int as id from pg_task_migrations"),
          ([row]) => row!["id"] === allMigrations.length
        )
        const after = yield* run(`select ${columns("crashes")} from pg_task order by id`)
        const ready = before.find(({ step }) => step === job("ready"))
        yield* started
        assert.strictEqual(yield* within(Queue.take(seen), "the ready one"), "ready")
        yield* gone(ready!["id"] as string)
        // The worker may have begun with that one.
        const others = (rows: ReadonlyArray<Record<string, unknown>>) => rows.filter(({ id }) => id !== ready!["id"])
        assert.deepStrictEqual(others(after), others(before))
        assert.lengthOf(logs.find("wait for a lock"), 1)
        yield* Jobs.enqueue(new Job({ name: "new" }))
        assert.strictEqual(yield* within(Queue.take(seen), "the new one"), "new")
      }))

    test("becomes the same as any other", () =>
      Effect.gen(function*() {
        yield* make(release, notes)
        assert.deepStrictEqual(yield* Migrations.run, allMigrations.slice(notes))
        const upgraded = yield* shape
        yield* run("drop table pg_task, pg_task_migrations cascade")
        yield* Migrations.run
        assert.deepStrictEqual(yield* shape, upgraded)
      }))
  })
}

describe("while another session holds the table,", () => {
  const ways = { "Migrations.run": Migrations.run, "Migrations.script": run(Migrations.script) }
  for (const [name, migrate] of Object.entries(ways)) {
    test(`${name} waits, without keeping others from it for long`, () =>
      Effect.gen(function*() {
        yield* run(text("07310b9"))
        const release = yield* holding("lock table pg_task in access share mode")
        const migrating = yield* Effect.forkScoped(migrate)
        const waiting = run("select 1 from pg_locks where relation = 'pg_task'::regclass and not granted")
        yield* eventually(waiting, (found) => found.length > 0)
        // This one queues up behind the migration, which does not get its lock: it must go first.
        yield* within(run(`insert into pg_task (step) values ('{"A":{"B":{}}}')`), "the insert", 30_000)
        assert.isUndefined(migrating.pollUnsafe())
        yield* release
        yield* within(Fiber.join(migrating), "the migrations")
        assert.deepStrictEqual(yield* run("select task, state, crashes from pg_task"), [
          { task: "A", state: "B", crashes: 0 }
        ])
      }))
  }

  test("all processes that start wait for the one that migrates, and none fails", ({ url }) =>
    Effect.gen(function*() {
      yield* make("07310b9", 2)
      const release = yield* holding("lock table pg_task in access share mode")
      const start = Effect.scoped(Effect.provide(Migrations.run, client(url, { maxConnections: 1 })))
      const starting = yield* Effect.forkScoped(Effect.all(Array.from({ length: 4 }, () => start), { concurrency: 4 }))
      const waiting = run("select 1 from pg_locks where relation = 'pg_task'::regclass and not granted")
      yield* eventually(waiting, (found) => found.length > 0)
      yield* release
      const applied = yield* within(Fiber.join(starting), "the migrations")
      assert.deepStrictEqual(applied.flat(), allMigrations.slice(2))
    }))
})
