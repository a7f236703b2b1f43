import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Latch, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Migrations, NextStep, Step, Task } from "effect-pg-task"
import { TaskTest } from "effect-pg-task/testing"
import { testDatabase } from "../support/database/Database.ts"

class Write extends Schema.TaggedClass<Write>()("Write", { text: Schema.String }) {}
class Done extends Schema.TaggedClass<Done>()("Done", {}) {}

const write = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`insert into note values (${text})`)

const notes = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) =>
    Effect.map(sql<{ text: string }>`select text from note order by text`, (rows) => rows.map(({ text }) => text))
)

const tables = Layer.effectDiscard(
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`create table note (text text primary key)`)
)

const Table = Layer.merge(Migrations.layer, tables).pipe(Layer.provideMerge(testDatabase))

const finished = Effect.succeed(NextStep.none)

/** One step, with this handler. */
const taskOf = <const Name extends string, E, R>(
  name: Name,
  handler: (state: Write) => Effect.Effect<NextStep.NextStep<never, E, R>, E, R>,
  transactional = false
) => Task.make(name, [Step.make(Write, { handler, transactional })])

const only = <A>(results: ReadonlyArray<A>): A => {
  assert.strictEqual(results.length, 1)
  return results[0]!
}

layer(Table)("TaskTest.rolledBack", (it) => {
  it.effect("leaves nothing behind, however the test ends", () =>
    Effect.gen(function*() {
      const begin = Effect.andThen(write("a"), write("b"))
      assert.strictEqual(yield* TaskTest.rolledBack(Effect.as(begin, 7)), 7)
      assert.strictEqual(yield* Effect.flip(TaskTest.rolledBack(Effect.andThen(begin, Effect.fail("no")))), "no")
      const defect = yield* Effect.exit(TaskTest.rolledBack(Effect.andThen(begin, Effect.die("bug"))))
      assert.deepStrictEqual(defect, Exit.die("bug"))
      const ready = yield* Latch.make()
      const fiber = yield* Effect.forkChild(
        TaskTest.rolledBack(begin.pipe(Effect.andThen(ready.open), Effect.andThen(Effect.never)))
      )
      yield* ready.await
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* notes, [])
    }))

  it.effect("may be nested", () =>
    Effect.gen(function*() {
      yield* TaskTest.rolledBack(Effect.gen(function*() {
        yield* write("outer")
        assert.deepStrictEqual(yield* TaskTest.rolledBack(Effect.andThen(write("inner"), notes)), ["inner", "outer"])
        assert.deepStrictEqual(yield* notes, ["outer"])
      }))
      assert.deepStrictEqual(yield* notes, [])
    }))

  it.effect("hides tests from each other", () =>
    Effect.gen(function*() {
      const Writer = taskOf("Writer", ({ text }) => Effect.andThen(write(text), finished))
      const test = (text: string) =>
        Effect.gen(function*() {
          yield* Writer.enqueue(new Write({ text }))
          assert.strictEqual(only(yield* TaskTest.runAll({ tasks: [Writer] }))._tag, "Finished")
          assert.deepStrictEqual(yield* notes, [text])
        }).pipe(TaskTest.rolledBack)
      yield* Effect.forEach(["a", "b", "c", "d"], test, { concurrency: 4 })
    }))
})

layer(Table)("a step in a transaction", (it) => {
  it.effect("that fails because a statement failed is undone and reported", () =>
    Effect.gen(function*() {
      yield* write("taken")
      const Writer = taskOf("Writer", ({ text }) =>
        write("first").pipe(Effect.andThen(write(text)), Effect.andThen(finished)))
      yield* Writer.enqueue(new Write({ text: "taken" }))
      const result = only(yield* TaskTest.runAll({ tasks: [Writer] }))
      assert(result._tag === "Parked")
      assert.include(result.error, "duplicate key")
      assert.strictEqual(only(yield* TaskTest.enqueued(Writer)).status, "parked")
      assert.deepStrictEqual(yield* notes, ["taken"])
    }).pipe(TaskTest.rolledBack))

  it.effect("that fails otherwise keeps what it wrote, as in production", () =>
    Effect.gen(function*() {
      const Writer = taskOf("Writer", ({ text }) => Effect.andThen(write(text), Effect.fail("no")))
      yield* Writer.enqueue(new Write({ text: "kept" }))
      assert.strictEqual(only(yield* TaskTest.runAll({ tasks: [Writer] }))._tag, "Parked")
      assert.deepStrictEqual(yield* notes, ["kept"])
    }).pipe(TaskTest.rolledBack))

  it.effect("is undone when it fails and is transactional", () =>
    Effect.gen(function*() {
      const Writer = taskOf("Writer", ({ text }) => Effect.andThen(write(text), Effect.fail("no")), true)
      yield* Writer.enqueue(new Write({ text: "undone" }))
      assert.strictEqual(only(yield* TaskTest.runAll({ tasks: [Writer] }))._tag, "Parked")
      assert.deepStrictEqual(yield* notes, [])
    }).pipe(TaskTest.rolledBack))

  it.effect("stores its commit with its transition", () =>
    Effect.gen(function*() {
      const Writer = Task.make("Writer", [
        Step.make(Write, {
          next: [Done],
          handler: ({ text }) => Effect.succeed(NextStep.now(new Done(), { commit: write(text) }))
        }),
        Step.make(Done, { handler: () => finished })
      ])
      yield* Writer.enqueue(new Write({ text: "committed" }))
      const results = yield* TaskTest.runAll({ tasks: [Writer] })
      assert.deepStrictEqual(results.map(({ _tag }) => _tag), ["Continued", "Finished"])
      assert.deepStrictEqual(yield* notes, ["committed"])
    }).pipe(TaskTest.rolledBack))

  it.effect("may recover from a failed statement behind a savepoint", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* write("taken")
      const Writer = taskOf("Writer", ({ text }) =>
        Effect.andThen(Effect.ignore(sql.withTransaction(write(text))), finished))
      yield* Writer.enqueue(new Write({ text: "taken" }))
      assert.strictEqual(only(yield* TaskTest.runAll({ tasks: [Writer] }))._tag, "Finished")
    }).pipe(TaskTest.rolledBack))

  it.effect("may not without one, and the test says so", () =>
    Effect.gen(function*() {
      yield* write("taken")
      const Writer = taskOf("Writer", ({ text }) => Effect.andThen(Effect.ignore(write(text)), finished))
      const id = yield* Writer.enqueue(new Write({ text: "taken" }))
      const error = yield* Effect.flip(TaskTest.runStep({ tasks: [Writer] }))
      assert(error._tag === "TaskTestError")
      assert.strictEqual(error.reason, "TransactionAborted")
      assert.include(error.message, `Step "Write" of task "Writer" went on after a statement of it had failed`)
      assert.deepInclude(only(yield* TaskTest.enqueued(Writer)), { id, status: "ready", tried: 0 })
    }).pipe(TaskTest.rolledBack))

  it.effect("may do so outside of a transaction", () =>
    Effect.gen(function*() {
      yield* write("taken")
      const Writer = taskOf("Writer", ({ text }) => Effect.andThen(Effect.ignore(write(text)), finished))
      yield* Writer.enqueue(new Write({ text: "taken" }))
      const result = Option.getOrThrow(yield* TaskTest.runStep({ tasks: [Writer] }))
      assert.strictEqual(result._tag, "Finished")
    }))

  it.effect("leaves the lock timeout of the test as it was", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const lockTimeout = Effect.map(sql<{ value: string }>`select current_setting('lock_timeout') as value`, (rows) =>
        only(rows).value)
      const Writer = taskOf("Writer", () =>
        finished)
      const Transactional = taskOf("Transactional", () => finished, true)
      for (const value of ["0", "7s"]) {
        yield* sql`select set_config('lock_timeout', ${value}, true)`
        yield* Writer.enqueue(new Write({ text: "" }))
        yield* Transactional.enqueue(new Write({ text: "" }))
        assert.strictEqual((yield* TaskTest.runAll({ tasks: [Writer, Transactional] })).length, 2)
        assert.strictEqual(yield* lockTimeout, value)
      }
    }).pipe(TaskTest.rolledBack))

  it.effect("sees what it enqueues, and runs it", () =>
    Effect.gen(function*() {
      const Child = taskOf("Child", () => finished)
      const Parent = taskOf("Parent", ({ text }) =>
        Effect.andThen(
          Effect.orDie(Child.enqueueAll(["1", "2"].map((n) => new Write({ text: text + n })))),
          finished
        ), true)
      yield* Parent.enqueue(new Write({ text: "child " }))
      yield* TaskTest.runStep({ tasks: [Parent] })
      const states = Effect.map(TaskTest.enqueued(Child), (rows) => rows.map(({ state }) => state.text))
      assert.deepStrictEqual(yield* states, ["child 1", "child 2"])
      assert.strictEqual((yield* TaskTest.runAll({ tasks: [Parent, Child] })).length, 2)
      assert.deepStrictEqual(yield* states, [])
    }).pipe(TaskTest.rolledBack))
})
