import type { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Schema, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { isSqlError } from "effect/sql/SqlError"
import { Migrations, NextStep, Step, Task, TaskError, Worker } from "../../src/index.ts"
import { client, makeDatabase } from "../support/database/Database.ts"
import { clientOf, role } from "../support/database/roles.ts"
import { run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

class Job extends Schema.TaggedClass<Job>()("Job", {}) {}
const Jobs = Task.make("Jobs", [Step.make(Job, { handler: () => Effect.succeed(NextStep.none) })])

type Attempt = Effect.Effect<unknown, TaskError.EnqueueError | TaskError.WorkerError, SqlClient.SqlClient>

/** Everything that needs the table. */
const attempts: Record<string, Attempt> = {
  enqueue: Jobs.enqueue(new Job()),
  delay: Jobs.delay(new Job(), "1 day"),
  enqueueAll: Jobs.enqueueAll([new Job()]),
  "Worker.layer": Effect.scoped(Layer.build(Worker.layer({ tasks: [Jobs] }))),
  "Worker.run": Worker.run({ tasks: [Jobs] })
}

const fails = Effect.fnUntraced(
  function*(attempt: Attempt, reason: TaskError.TaskTableError["reason"], message: RegExp) {
    const error = yield* Effect.flip(attempt)
    assert.instanceOf(error, TaskError.TaskTableError)
    assert.strictEqual(error.reason, reason)
    assert.match(error.message, message)
    assert.isTrue(isSqlError(error.cause))
  }
)

/** Tests everything that needs the table in one database. */
const describeEach = (
  title: string,
  test: (attempt: Attempt) => Effect.Effect<void, unknown, PgClient.PgClient | SqlClient.SqlClient | Scope.Scope>
) =>
  describe(title, () => {
    for (const [name, attempt] of Object.entries(attempts)) {
      it.live(name, () =>
        Effect.flatMap(makeDatabase, ({ url }) =>
          Effect.provide(Effect.scoped(test(attempt)), client(url))).pipe(
            Effect.provide(Logger.layer([]))
          ))
    }
  })

describeEach("a missing table: fails, and says what to do", (attempt) =>
  fails(
    attempt,
    "Missing",
    /^pg_task can't be used: relation "pg_task" does not exist\. To fix it: run Migrations\.run \(or provide Migrations\.layer\) on this database first/
  ))

describeEach("an outdated table: fails, and says what to do", (attempt) =>
  Effect.gen(function*() {
    yield* Migrations.run
    yield* run("alter table pg_task drop column trace")
    yield* fails(attempt, "Outdated", /column .*trace.* does not exist\. To fix it: .*run Migrations\.run\.$/)
  }))

/** Ends when a worker listens: `Worker.run` works then, and has no end of its own. */
const started = eventually(
  run("select from pg_stat_activity where datname = current_database() and query ilike 'listen%'"),
  (found) => found.length > 0
)

describeEach("a role that may not use the table: fails, and says what to do", (attempt) =>
  Effect.gen(function*() {
    yield* Migrations.run
    yield* fails(attempt, "PermissionDenied", /permission denied.*To fix it: grant .* on pg_task to this role\.$/).pipe(
      Effect.provide(yield* clientOf(yield* role))
    )
  }))

describeEach("a role that may do what the error asks for: works", (attempt) =>
  Effect.gen(function*() {
    yield* Migrations.run
    const name = yield* role
    yield* run(`grant select, insert, update, delete on pg_task to ${name}`)
    yield* Effect.raceFirst(attempt, started).pipe(Effect.provide(yield* clientOf(name)))
  }))

describeEach("a role that may no longer log in: fails, and says what to do", (attempt) =>
  Effect.gen(function*() {
    yield* Migrations.run
    const name = yield* role
    yield* run(`grant all on pg_task to ${name}`)
    const connected = yield* Layer.build(yield* clientOf(name))
    yield* Effect.provide(Jobs.enqueue(new Job()), connected)
    yield* run(`alter role ${name} nologin`)
    yield* run("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [name])
    // The pool first finds out that its connection is gone.
    const again = Effect.retry(attempt, { while: isSqlError })
    yield* fails(again, "LoginRefused", /not permitted to log in\. To fix it: check the user/).pipe(
      Effect.provide(connected)
    )
  }))

describe("an error", () => {
  const errors: Record<string, Schema.Codec<unknown, unknown>> = {
    TaskDefinitionError: TaskError.TaskDefinitionError,
    TaskInvalidStateError: TaskError.TaskInvalidStateError,
    TaskTableError: TaskError.TaskTableError
  }
  const samples = [
    new TaskError.TaskDefinitionError({ message: "m" }),
    new TaskError.TaskInvalidStateError({ task: "T", state: "S", message: "m" }),
    new TaskError.TaskTableError({ reason: "Missing", message: "m", cause: new Error("c") })
  ]
  for (const error of samples) {
    it.effect(`${error._tag} is an Error with a tag, and can be sent elsewhere`, () =>
      Effect.gen(function*() {
        assert.instanceOf(error, Error)
        assert.strictEqual(error.message, "m")
        const schema = Schema.toCodecJson(errors[error._tag]!)
        const text = JSON.stringify(yield* Schema.encodeUnknownEffect(schema)(error))
        const back = yield* Schema.decodeUnknownEffect(schema)(JSON.parse(text))
        assert.instanceOf(back, error.constructor as new() => unknown)
        assert.propertyVal(back, "message", "m")
      }))
  }
})
