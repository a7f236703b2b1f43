/** Migrations where programs start: with the rights of a worker, and with a database that isn't there yet. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer } from "effect"
import { Migrations, NextStep, type TaskError, Worker } from "../../src/index.ts"
import { client } from "../support/database/Database.ts"
import { ownDatabaseTest as test } from "../support/database/ownDatabase.ts"
import { clientOf, role } from "../support/database/roles.ts"
import { Job, jobs } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { gone, listening, run } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

/** A role with the documented grants, and what runs as this role. */
const worker = Effect.gen(function*() {
  const name = yield* role
  yield* run(`grant select, insert, update, delete on pg_task to ${name}`)
  const provide = Effect.provide(yield* Layer.build(yield* clientOf(name)))
  return { name, provide }
})

const refusal = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.strictEqual(error._tag, "TaskTableError")
    const tableError = error as unknown as TaskError.TaskTableError
    assert.strictEqual(tableError.reason, "PermissionDenied")
    return tableError.message
  })

const Jobs = jobs(() => Effect.succeed(NextStep.none))

describe("a role with the documented grants", () => {
  const ways = { "Migrations.run": Migrations.run, "Migrations.script": run(Migrations.script) }
  for (const [way, migrate] of Object.entries(ways)) {
    test(`starts where the table was made by another role, with ${way}`, () =>
      Effect.gen(function*() {
        yield* migrate
        const { provide } = yield* worker
        assert.deepStrictEqual(yield* provide(Migrations.run), [])
        const live = Worker.layer({ tasks: [Jobs] }).pipe(Layer.provide(Migrations.layer))
        yield* provide(Layer.build(live))
        yield* provide(Effect.flatMap(Jobs.enqueue(new Job({ name: "a" })), gone))
      }))
  }

  test("may call each function that its statements, or those of people, call", () =>
    Effect.gen(function*() {
      yield* run("alter default privileges revoke execute on functions from public")
      yield* run(Migrations.script)
      const closed = yield* run(
        `select proname from pg_proc where proname like 'pg\\_task\\_%' and prorettype <> 'trigger'::regtype
          and not has_function_privilege('public', oid, 'execute')`
      )
      assert.deepStrictEqual(closed, [])
    }))

  test("starts also if it may make tables, but doesn't own this one", () =>
    Effect.gen(function*() {
      yield* run(Migrations.script)
      const { name, provide } = yield* worker
      yield* run(`grant create on schema public to ${name}`)
      assert.deepStrictEqual(yield* provide(Migrations.run), [])
    }))

  test("is told who can do what, for every part that is missing", () =>
    Effect.gen(function*() {
      yield* run(Migrations.script)
      const { name, provide } = yield* worker
      const parts = yield* run<{ drop: string }>(
        `select format('alter table pg_task drop column %I cascade', attname) as drop from pg_attribute
          where attrelid = 'pg_task'::regclass and attnum > 8 and not attisdropped
        union all select format('drop index %s', indexrelid::regclass) from pg_index
          where indrelid = 'pg_task'::regclass and not indisprimary
        union all select format('drop trigger %I on pg_task', tgname) from pg_trigger where tgrelid = 'pg_task'::regclass`
      )
      assert.isAtLeast(parts.length, 12)
      const [owner] = yield* run<{ name: string }>("select current_user::text as name")
      for (const { drop } of parts) {
        yield* run(drop)
        const message = yield* refusal(provide(Migrations.run))
        assert.include(message, `can't be brought up to date by role "${name}"`, drop)
        assert.include(message, `run the migrations as its owner "${owner!.name}"`)
        yield* run("drop table pg_task cascade")
        yield* run(Migrations.script)
        yield* run(`grant select, insert, update, delete on pg_task to ${name}`)
      }
      assert.deepStrictEqual(yield* provide(Migrations.run), [])
    }))

  test("waits for nobody: it takes no lock", ({ url }) =>
    Effect.gen(function*() {
      yield* Migrations.run
      const locking = Effect.andThen(run("begin"), run("lock table pg_task, pg_task_migrations in row exclusive mode"))
      yield* Effect.provide(locking, yield* Layer.build(client(url, { maxConnections: 1 })))
      assert.deepStrictEqual(yield* within(Migrations.run, "the look"), [])
      const { provide } = yield* worker
      assert.deepStrictEqual(yield* within(provide(Migrations.run), "the look"), [])
    }))
})

describe("a role that may make no table", () => {
  test("is told what to grant, and may do it then", () =>
    Effect.gen(function*() {
      yield* run("revoke create on schema public from public")
      const name = yield* role
      const provide = Effect.provide(yield* clientOf(name))
      const grant = `grant create on schema "public" to "${name}"`
      assert.include(yield* refusal(provide(Migrations.run)), grant)
      yield* run(grant)
      assert.lengthOf(yield* provide(Migrations.run), Object.keys(Migrations.migrations).length)
      assert.deepStrictEqual(yield* provide(Migrations.run), [])
    }))

  test("is told so, where it may use no schema at all", () =>
    Effect.gen(function*() {
      yield* run("revoke all on schema public from public")
      const name = yield* role
      const message = yield* refusal(Effect.provide(Migrations.run, yield* clientOf(name)))
      assert.include(message, "grant usage, create on schema")
    }))
})

describe("a database that isn't there yet", () => {
  test("is waited for by a worker's layers, and they say so once", ({ url }) =>
    Effect.gen(function*() {
      const network = yield* makeNetwork(url)
      const logs = Logs.capture("Info")
      const live = Worker.layer({ tasks: [Jobs] }).pipe(
        Layer.provide(Migrations.layer),
        Layer.provide(client(network.url)),
        Layer.provide(logs.layer)
      )
      const starting = yield* Effect.forkScoped(Layer.build(live))
      yield* logs.line("wait for the database: ")
      yield* network.mend
      yield* within(Fiber.join(starting), "the start")
      yield* listening(1)
      assert.deepStrictEqual(
        logs.lines().map(({ level, message }) => `${level} ${message}`),
        [
          `Warn The migrations of pg_task wait for the database: ${/: (.*)$/.exec(logs.lines()[0]!.message)![1]}`,
          "Info Database back",
          "Info Worker started"
        ]
      )
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
    }))

  test("is a failure of Migrations.run, and of a layer whose migrations can't be applied", ({ url }) =>
    Effect.gen(function*() {
      const network = yield* makeNetwork(url)
      const error = yield* Effect.flip(Effect.provide(Migrations.run, client(network.url)))
      assert.strictEqual(error._tag, "SqlError")
      yield* run("create view pg_task as select 1 as id")
      const exit = yield* within(Effect.exit(Effect.scoped(Layer.build(Migrations.layer))), "its failure")
      assert.isTrue(Exit.isFailure(exit))
    }))
})
