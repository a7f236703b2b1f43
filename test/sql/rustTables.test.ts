import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger, Queue, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Migrations, NextStep, Step, Task } from "../../src/index.ts"
import { testDatabase } from "../support/database/Database.ts"
import { makeCrateTable, shape } from "../support/database/tableShape.ts"
import { start } from "../support/worker/Fixture.ts"
import { gone, parked, row, rows, run } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`

/** Rows in every state in which the crate leaves them. */
const crateRows: ReadonlyArray<readonly [id: string, step: string, rest: string]> = [
  [id(1), `{"Greeter":{"ReadName":{"filename":"ready"}}}`, "now() - interval '1 hour', 0, false, null"],
  [id(2), `{"Greeter":{"ReadName":{"filename":"scheduled"}}}`, "now() + interval '1 hour', 0, false, null"],
  [id(3), `{"Greeter":{"ReadName":{"filename":"retrying"}}}`, "now() + interval '1 second', 3, false, null"],
  [id(4), `{"Greeter":{"ReadName":{"filename":"running"}}}`, "now() - interval '1 hour', 1, true, null"],
  [id(5), `{"Greeter":{"ReadName":{"filename":"parked"}}}`, "now() - interval '1 hour', 6, false, 'No such file'"],
  [id(6), `{"Greeter":{"Done":null}}`, "now() - interval '1 hour', 0, false, null"],
  [id(7), `{"Other":{"Step":{}}}`, "now() - interval '1 hour', 0, false, null"],
  [id(8), `{"Greeter":{"ReadName":"ready"}}`, "now() - interval '1 hour', 0, false, null"],
  [id(9), `garbage`, "now() - interval '1 hour', 0, false, null"]
]

/** What version 1.0 of the crate makes of its table: leases. */
const withLeases: ReadonlyArray<string> = [
  "alter table pg_task add column locked_by uuid, add column lock_expires_at timestamptz",
  "update pg_task set locked_by = gen_random_uuid(), lock_expires_at = now() where is_running",
  `alter table pg_task add constraint pg_task_lease_state_check check ((locked_by is null and lock_expires_at is null)
    or (locked_by is not null and lock_expires_at is not null))`,
  "alter table pg_task drop column is_running",
  "drop index pg_task_wakeup_at_idx",
  "create index pg_task_locked_by_idx on pg_task (locked_by) where locked_by is not null and error is null",
  `create index pg_task_next_available_at_idx on pg_task (
    (case when locked_by is not null then greatest(wakeup_at, lock_expires_at) else wakeup_at end)
  ) where error is null`,
  "drop trigger pg_task_changed on pg_task",
  ...["insert", "delete"].map((event) =>
    `create trigger pg_task_changed_${event} after ${event} on pg_task
      for each row execute procedure pg_task_notify_on_change()`
  ),
  `create trigger pg_task_changed_update after update on pg_task for each row when (
    old.step is distinct from new.step or old.wakeup_at is distinct from new.wakeup_at
    or old.tried is distinct from new.tried or old.error is distinct from new.error
    or old.locked_by is distinct from new.locked_by
  ) execute procedure pg_task_notify_on_change()`,
  "update pg_task set lock_expires_at = now() + interval '1 hour' where locked_by is not null"
]

const columns = "id::text, step, wakeup_at::text, tried, is_running, error, created_at::text, updated_at::text"
const everything = run(`select ${columns} from pg_task order by id`)

/** A table of the crate, as it was before 1.0, with rows in it. */
const filled = Effect.gen(function*() {
  yield* run("drop table if exists pg_task, pg_task_migrations cascade")
  yield* run("drop function if exists pg_task_notify_on_change, pg_task_before_update_refresh_updated_at")
  yield* makeCrateTable
  for (const [id, step, rest] of crateRows) {
    yield* run(
      `insert into pg_task (wakeup_at, tried, is_running, error, id, step, created_at, updated_at)
      select ${rest}, $1::uuid, $2, now() - interval '2 days', now() - interval '1 day'`,
      [id, step]
    )
  }
  return yield* everything
})

/** The same, taken over, and what was in it before. */
const takenOver = Effect.tap(filled, () => Migrations.run)

/** The same after the crate's own migrations to 1.0, not yet taken over. */
const filledWithLeases = Effect.tap(filled, () => Effect.forEach(withLeases, (statement) => run(statement)))

/** What a client with another `search_path` does. */
const inPath = <A, E>(path: string, effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql.withTransaction(Effect.andThen(run(`set local search_path = ${path}`), effect))
  )

class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
class Done extends Schema.TaggedClass<Done>()("Done", {}) {}

/** Shows which states its steps ran on. */
const greeter = Effect.map(Queue.unbounded<string>(), (seen) => ({
  seen,
  Greeter: Task.make("Greeter", [
    Step.make(ReadName, {
      next: [Done],
      handler: ({ filename }) => Effect.as(Queue.offer(seen, filename), NextStep.now(new Done()))
    }),
    Step.make(Done, { handler: () => Effect.succeed(NextStep.none) })
  ])
}))

layer(Layer.merge(testDatabase, Logger.layer([])), { excludeTestServices: true })("a table of the Rust crate", (it) => {
  it.effect("keeps every row as it was, to the last column", () =>
    Effect.gen(function*() {
      const before = yield* takenOver
      assert.strictEqual(before.length, crateRows.length)
      assert.deepStrictEqual(yield* everything, before)
    }))

  it.effect("gets the name of each row's task, and gives a running row the time of a lease", () =>
    Effect.gen(function*() {
      yield* takenOver
      const found = yield* rows
      assert.deepStrictEqual(
        found.toSorted((a, b) => a.id.localeCompare(b.id)).map(({ id: own, status, task }) => [
          // Soon due: it may be by now.
          own === id(3) ? "soon" : status,
          task
        ]),
        [
          ["ready", "Greeter"],
          ["scheduled", "Greeter"],
          ["soon", "Greeter"],
          ["running", "Greeter"],
          ["parked", "Greeter"],
          ["ready", "Greeter"],
          ["ready", "Other"],
          ["ready", "Greeter"],
          ["ready", null]
        ]
      )
      for (const { crashes, id: own, leaseIn, token, transitions } of found) {
        assert.deepStrictEqual([crashes, token, transitions], [0, null, 0])
        if (own !== id(4)) assert.isNull(leaseIn)
        else assert.isTrue(leaseIn! > 0 && leaseIn! <= 30_000)
      }
    }))

  it.effect("loses the crate's triggers, functions and index", () =>
    Effect.gen(function*() {
      yield* takenOver
      const triggers = yield* run(
        "select tgname as name from pg_trigger where tgrelid = 'pg_task'::regclass and not tgisinternal order by 1"
      )
      const names = triggers.map(({ name }) => name)
      const ours = ["freed", "inserted", "moved", "named", "replaced", "touched"]
      assert.deepStrictEqual(names, ours.map((name) => `pg_task_${name}`))
      const left = yield* run(
        `select proname as name from pg_proc
        where proname in ('pg_task_notify_on_change', 'pg_task_before_update_refresh_updated_at') union all
        select indexname from pg_indexes where indexname = 'pg_task_wakeup_at_idx'`
      )
      assert.deepStrictEqual(left, [])
    }))

  it.effect("is left alone when another schema gets a table: what is its own has the same names", () =>
    Effect.gen(function*() {
      yield* filled
      const before = yield* shape
      yield* run("drop schema if exists app cascade")
      yield* run("create schema app")
      yield* inPath("app, public", Effect.andThen(run(Migrations.script), Migrations.run))
      assert.deepStrictEqual(yield* shape, before)
      assert.deepStrictEqual(yield* run("table app.pg_task"), [])
      // And the other way round: the one that is taken over is the first in the path.
      const app = yield* inPath("app, public", shape)
      yield* inPath("public, app", run(Migrations.script))
      assert.notDeepEqual(yield* shape, before)
      assert.deepStrictEqual(yield* inPath("app, public", shape), app)
      yield* run("drop schema app cascade")
    }))

  it.effect("keeps a function of the crate's that another table uses, too", () =>
    Effect.gen(function*() {
      yield* filled
      yield* run("create table other (like pg_task including all)")
      yield* run(
        "create trigger mine after insert on other for each row execute procedure pg_task_notify_on_change()"
      )
      yield* Migrations.run
      yield* run(`insert into other (step) values ('{}')`)
      const left = yield* run(
        `select tgname, proname from pg_trigger join pg_proc p on p.oid = tgfoid
        where proname in ('pg_task_notify_on_change', 'pg_task_before_update_refresh_updated_at')`
      )
      assert.deepStrictEqual(left, [{ tgname: "mine", proname: "pg_task_notify_on_change" }])
      yield* run("drop table other")
      yield* run("drop function pg_task_notify_on_change")
    }))

  it.effect("is worked on from there: each row goes on from its state", () =>
    Effect.gen(function*() {
      yield* takenOver
      const { Greeter, seen } = yield* greeter
      yield* start({ tasks: [Greeter] })
      assert.strictEqual(yield* within(Queue.take(seen), "the ready one"), "ready")
      yield* gone(id(1))
      yield* gone(id(6))
      assert.strictEqual(yield* within(Queue.take(seen), "the retried one"), "retrying")
      yield* gone(id(3))
      assert.include((yield* parked(id(8))).error, "must be an object or null")
      assert.include((yield* parked(id(9))).error, "step is not JSON")
      assert.deepInclude(yield* row(id(2)), { status: "scheduled", tried: 0 })
      assert.deepInclude(yield* row(id(5)), { status: "parked", tried: 6, error: "No such file" })
      assert.deepInclude(yield* row(id(7)), { status: "ready", tried: 0, error: null })
      assert.deepInclude(yield* row(id(4)), { status: "running", crashes: 0 })

      yield* run("update pg_task set error = null where id = $1::uuid", [id(5)])
      assert.strictEqual(yield* within(Queue.take(seen), "the parked one"), "parked")
      yield* run("update pg_task set wakeup_at = now() where id = $1::uuid", [id(2)])
      assert.strictEqual(yield* within(Queue.take(seen), "the waiting one"), "scheduled")
    }))

  it.effect("is worked on from there: a running row is taken over when its time is up", () =>
    Effect.gen(function*() {
      yield* takenOver
      const { Greeter, seen } = yield* greeter
      yield* run("delete from pg_task where not is_running")
      yield* run("update pg_task set lease_until = now()")
      yield* start({ tasks: [Greeter], lease: "1 second" })
      assert.strictEqual(yield* within(Queue.take(seen), "the running one"), "running")
      yield* gone(id(4))
    }))
})

layer(Layer.merge(testDatabase, Logger.layer([])), { excludeTestServices: true })(
  "a table of the crate's 1.0",
  (it) => {
    const others = "id::text, step, wakeup_at::text, tried, error, created_at::text, updated_at::text"
    const content = run(`select ${others} from pg_task order by id`)

    it.effect("keeps every row, and the leases of those that run", () =>
      Effect.gen(function*() {
        yield* filledWithLeases
        const before = yield* content
        const locks = yield* run(
          "select id, locked_by as token, lock_expires_at::text as until from pg_task order by id"
        )
        yield* Migrations.run
        assert.deepStrictEqual(yield* content, before)
        assert.deepStrictEqual(
          yield* run("select id, lease_token as token, lease_until::text as until from pg_task order by id"),
          locks
        )
        assert.deepStrictEqual(yield* run("select id from pg_task where is_running"), [{ id: id(4) }])
        assert.deepInclude(yield* row(id(4)), { status: "running", tried: 1, crashes: 0, transitions: 0 })
      }))

    it.effect("becomes the same as any other, and stays so", () =>
      Effect.gen(function*() {
        // Only the order of the columns is another.
        const sorted = Effect.map(shape, (made) => {
          const { columns, ...rest } = made as { readonly columns: ReadonlyArray<{ readonly name: string }> }
          return { ...rest, columns: columns.toSorted((a, b) => a.name.localeCompare(b.name)) }
        })
        yield* filledWithLeases
        yield* Migrations.run
        const made = yield* sorted
        yield* run(Migrations.script)
        assert.deepStrictEqual(yield* sorted, made)
        yield* run("drop table pg_task, pg_task_migrations cascade")
        yield* Migrations.run
        assert.deepStrictEqual(yield* sorted, made)
      }))

    it.effect("is worked on from there, and what runs is left alone until its lease is over", () =>
      Effect.gen(function*() {
        yield* filledWithLeases
        yield* run(Migrations.script)
        const { Greeter, seen } = yield* greeter
        yield* start({ tasks: [Greeter], lease: "1 second" })
        assert.strictEqual(yield* within(Queue.take(seen), "the ready one"), "ready")
        assert.strictEqual(yield* within(Queue.take(seen), "the retried one"), "retrying")
        yield* gone(id(1))
        yield* gone(id(3))
        assert.deepInclude(yield* row(id(4)), { status: "running", crashes: 0 })
        yield* run("update pg_task set lease_until = now() where id = $1::uuid", [id(4)])
        assert.strictEqual(yield* within(Queue.take(seen), "the running one"), "running")
        yield* gone(id(4))
        assert.deepInclude(yield* row(id(2)), { status: "scheduled", tried: 0 })
        assert.deepInclude(yield* row(id(5)), { status: "parked", tried: 6, error: "No such file" })
      }))
  }
)
