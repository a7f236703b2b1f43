import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { DateTime, Effect, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { rows, run } from "../support/worker/Table.ts"

class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
const SayHello = Schema.TaggedStruct("SayHello", { name: Schema.String.check(Schema.isMinLength(1)) })

const readName = Step.make(ReadName, {
  next: [SayHello],
  handler: ({ filename }) => Effect.succeed(NextStep.now(SayHello.make({ name: filename })))
})
const sayHello = Step.make(SayHello, { handler: () => Effect.succeed(NextStep.none) })
const Greeter = Task.make("Greeter", [readName, sayHello])

const name = (filename: string) => new ReadName({ filename })
const nobody = { _tag: "SayHello", name: "" } as const
const textOf = (filename: string) => `{"Greeter":{"ReadName":{"filename":"${filename}"}}}`

/** Counts the insert statements from here on. */
const countInserts = Effect.gen(function*() {
  yield* run("create table if not exists inserted (at timestamptz default clock_timestamp())")
  yield* run("truncate inserted")
  yield* run(
    `create or replace function count_insert() returns trigger language plpgsql
      as 'begin insert into inserted default values; return null; end'`
  )
  yield* run(
    `create or replace trigger counted after insert on pg_task for each statement execute function count_insert()`
  )
  return Effect.map(run("table inserted"), (found) => found.length)
})

workerTests("enqueueAll", (test) => {
  test(
    "stores all with one statement, and returns their ids in order",
    Effect.gen(function*() {
      const statements = yield* countInserts
      const states = Array.from(
        { length: 1000 },
        (_, n) => n % 2 === 0 ? name(`${n}`) : SayHello.make({ name: `${n}` })
      )
      const ids = yield* Greeter.enqueueAll(states)
      const byId = new Map((yield* rows).map((stored) => [stored.id, stored.step]))
      assert.strictEqual(byId.size, 1000)
      assert.deepStrictEqual(
        ids.map((id) => byId.get(id)),
        states.map(({ _tag, ...fields }) => JSON.stringify({ Greeter: { [_tag]: fields } }))
      )
      assert.strictEqual(yield* statements, 1)
    })
  )

  test(
    "sends nothing for no states",
    Effect.gen(function*() {
      const statements = yield* countInserts
      assert.deepStrictEqual(yield* Greeter.enqueueAll([]), [])
      assert.deepStrictEqual(yield* Greeter.enqueueAll(new Set<ReadName>()), [])
      assert.strictEqual(yield* statements, 0)
    })
  )

  test(
    "takes all that can be iterated over, and may be run again",
    Effect.gen(function*() {
      const generated = Greeter.enqueueAll((function*() {
        yield name("a")
        yield name("b")
      })())
      assert.strictEqual((yield* generated).length, 2)
      assert.strictEqual((yield* generated).length, 2)
      assert.strictEqual((yield* Greeter.enqueueAll(new Set([name("c")]))).length, 1)
      const steps = (yield* rows).map(({ step }) => step).toSorted()
      assert.deepStrictEqual(steps, ["a", "a", "b", "b", "c"].map(textOf))
    })
  )

  test(
    "stores none if one doesn't fit its schema",
    Effect.gen(function*() {
      const error = yield* Effect.flip(Greeter.enqueueAll([name("a"), nobody, name("b")]))
      assert.deepInclude(error, { _tag: "TaskInvalidStateError", task: "Greeter", state: "SayHello" })
      assert.deepStrictEqual(yield* rows, [])
    })
  )

  test(
    "stores ten thousand at once",
    Effect.gen(function*() {
      const ids = yield* Greeter.enqueueAll(Array.from({ length: 10_000 }, (_, n) => name(`${n}`)))
      assert.strictEqual(new Set(ids).size, 10_000)
      assert.deepStrictEqual(yield* run("select count(*)::int as n from pg_task"), [{ n: 10_000 }])
    })
  )
})

workerTests("a transaction", (test) => {
  const enqueueEach = Effect.all([
    Greeter.enqueue(name("a")),
    Greeter.delay(name("b"), "1 day"),
    Greeter.schedule(name("c"), DateTime.makeUnsafe("2030-01-01T00:00:00Z")),
    Effect.map(Greeter.enqueueAll([name("d")]), ([id]) => id!)
  ])

  test(
    "stores the tasks enqueued in it when it commits, not before",
    Effect.gen(function*() {
      const { config } = yield* PgClient.PgClient
      const sql = yield* SqlClient.SqlClient
      const { ids, outside } = yield* sql.withTransaction(
        Effect.gen(function*() {
          const ids = yield* enqueueEach
          assert.strictEqual((yield* rows).length, 4)
          return { ids, outside: yield* Effect.provide(rows, PgClient.layer({ ...config, maxConnections: 1 })) }
        })
      )
      assert.deepStrictEqual(outside, [])
      assert.deepStrictEqual((yield* rows).map(({ id }) => id).toSorted(), ids.toSorted())
    })
  )

  test(
    "stores none of them when it fails",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* Effect.flip(sql.withTransaction(Effect.andThen(enqueueEach, Effect.fail("no"))))
      yield* Effect.exit(sql.withTransaction(Effect.andThen(enqueueEach, Effect.die("no"))))
      assert.deepStrictEqual(yield* rows, [])
    })
  )

  test(
    "goes on after a part of it that failed",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* Greeter.enqueue(name("kept"))
        yield* Effect.flip(sql.withTransaction(Effect.andThen(enqueueEach, Effect.fail("no"))))
        assert.isTrue(Result.isFailure(yield* Effect.result(Greeter.enqueue(nobody))))
      }))
      assert.deepStrictEqual((yield* rows).map(({ step }) => step), [textOf("kept")])
    })
  )
})
