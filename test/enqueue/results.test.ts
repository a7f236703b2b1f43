/** Waiting for the result of a task: whenever it ends, whoever ends it, and whatever breaks meanwhile. */
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Fiber, Latch, Queue, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Admin, NextStep, Step, Task, type TaskId } from "../../src/index.ts"
import { client } from "../support/database/Database.ts"
import { start, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import { empty, row, run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"

const Way = Schema.Literals(["end", "none", "fail"])

class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number, way: Way }) {}
class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}

const Adder = Task.declare("Adder", { states: [Add], final: [Sum] })
const add = (a: number, way: typeof Way.Type = "end") => new Add({ a, way })

/** The task, whose step waits for `gate` first. */
const makeAdder = (gate: Effect.Effect<unknown> = Effect.void, options: { readonly transactional?: boolean } = {}) =>
  Task.make(Adder, [
    Step.make(Add, {
      next: [Sum],
      ...options,
      handler: ({ a, way }): Effect.Effect<NextStep.NextStep<Sum>, string> =>
        Effect.andThen(
          gate,
          way === "fail"
            ? Effect.fail("no")
            : Effect.succeed(way === "none" ? NextStep.none : NextStep.now(new Sum({ sum: a + 1 })))
        )
    }),
    Step.final(Sum)
  ])

/** Waits in the background. */
const waiting = (id: TaskId.TaskId, options?: Task.AwaitOptions) =>
  Effect.tap(Effect.forkScoped(Adder.await(id, options)), () => watched(id))

const watched = (id: string) =>
  eventually(
    run<{ watched: boolean }>("select watched from pg_task where id = $1::uuid", [id]),
    ([row]) => row?.watched === true
  )

const joined = <A, E>(fiber: Fiber.Fiber<A, E>) => within(Fiber.join(fiber), "the result")

/** Ends a task by hand: nobody is notified of that. */
const endByHand = (id: string, sum: number) =>
  run(
    "update pg_task set step = $2, ended_at = now(), kept_until = now() + interval '1 hour' where id = $1::uuid",
    [id, `{"Adder":{"Sum":{"sum":${sum}}}}`]
  )

const listeners = run(
  `select pid from pg_stat_activity where datname = current_database() and query = 'LISTEN "pg_task_ended"'`
)

const killListeners = run(
  `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and query = 'LISTEN "pg_task_ended"'`
)

workerTests("a result", (test) => {
  test(
    "comes to those who began to wait before the task ran, while it ran, and after it had ended",
    Effect.gen(function*() {
      const gate = yield* Latch.make()
      const id = yield* Adder.enqueue(add(1))
      const before = yield* waiting(id)
      yield* start({ tasks: [makeAdder(gate.await)] })
      yield* eventually(row(id), (found) => found?.status === "running")
      const meanwhile = yield* waiting(id)
      yield* gate.open
      for (const fiber of [before, meanwhile]) assert.deepStrictEqual(yield* joined(fiber), new Sum({ sum: 2 }))
      assert.deepStrictEqual(yield* Adder.await(id), new Sum({ sum: 2 }))
      assert.deepStrictEqual(yield* Adder.peek(id), new Sum({ sum: 2 }))
    })
  )

  for (const transactional of [false, true]) {
    test(
      `of \`execute\`: each caller gets its own, stored ${transactional ? "in a transaction" : "by the writer"}`,
      Effect.gen(function*() {
        yield* start({ tasks: [makeAdder(Effect.void, { transactional })] })
        const numbers = Array.from({ length: 50 }, (_, n) => n)
        const sums = yield* within(
          Effect.forEach(numbers, (n) => Adder.execute(add(n)), { concurrency: "unbounded" }),
          "the results"
        )
        assert.deepStrictEqual(sums.map(({ sum }) => sum), numbers.map((n) => n + 1))
        for (const n of [1, 2]) {
          assert.deepStrictEqual(yield* within(Adder.execute(add(n)), "a result"), new Sum({ sum: n + 1 }))
        }
      })
    )
  }

  test(
    "of a task that ends without a final state, or is cancelled, is an error for all who wait",
    Effect.gen(function*() {
      const id = yield* Adder.enqueue(add(1), { delay: "1 hour" })
      const cancelled = yield* waiting(id)
      yield* Admin.cancel(id)
      assert.strictEqual((yield* Effect.flip(joined(cancelled)))._tag, "TaskNotFoundError")
      const byHand = yield* Adder.enqueue(add(1), { delay: "1 hour" })
      const deleted = yield* waiting(byHand)
      yield* run("delete from pg_task")
      assert.strictEqual((yield* Effect.flip(joined(deleted)))._tag, "TaskNotFoundError")
      yield* start({ tasks: [makeAdder()] })
      assert.strictEqual((yield* Effect.flip(Adder.execute(add(1, "none"))))._tag, "TaskNotFoundError")
      assert.strictEqual((yield* Effect.flip(Adder.await(id)))._tag, "TaskNotFoundError")
      assert.strictEqual((yield* Effect.flip(Adder.peek(id)))._tag, "TaskNotFoundError")
    })
  )

  test(
    "of a task that is parked is an error with its reason, or comes once somebody has retried it",
    Effect.gen(function*() {
      yield* start({ tasks: [makeAdder()] })
      const error = yield* Effect.flip(within(Adder.execute(add(1, "fail")), "the error"))
      assert.deepInclude(error, { _tag: "TaskParkedError", task: "Adder", error: "no" })
      const [stuck] = (yield* Admin.list({ status: "parked" })).rows
      const id = stuck!.id
      const patient = yield* waiting(id, { onParked: "wait" })
      assert.strictEqual((yield* Effect.flip(Adder.await(id)))._tag, "TaskParkedError")
      yield* Admin.edit(Adder, id, add(5))
      yield* Admin.retry(id)
      assert.deepStrictEqual(yield* joined(patient), new Sum({ sum: 6 }))
    })
  )

  test(
    "whose time is over while somebody waits is an error, as it is for all who come later",
    Effect.gen(function*() {
      const id = yield* Adder.enqueue(add(1), { delay: "1 hour" })
      const fiber = yield* waiting(id)
      yield* run("update pg_task set ended_at = now(), kept_until = now() - interval '1 second'")
      assert.strictEqual((yield* Effect.flip(joined(fiber)))._tag, "TaskNotFoundError")
      assert.strictEqual((yield* Effect.flip(Adder.await(id)))._tag, "TaskNotFoundError")
    })
  )

  test(
    "can't be waited for within a transaction, and nothing is stored there",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const id = yield* Adder.enqueue(add(1), { delay: "1 hour" })
      const executed = yield* Effect.flip(sql.withTransaction(Adder.execute(add(1))))
      const awaited = yield* Effect.flip(sql.withTransaction(Adder.await(id)))
      for (const error of [executed, awaited]) {
        assert.deepInclude(error, { _tag: "TaskTransactionError", task: "Adder" })
      }
      assert.strictEqual(yield* Admin.count({ task: "Adder" }), 1)
      assert.deepStrictEqual(yield* sql.withTransaction(Adder.peek(id)), add(1))
    })
  )

  test(
    "of another task, or of what is no id, is refused at once",
    Effect.gen(function*() {
      const Other = Task.declare("Other", { states: [Add], final: [Sum] })
      const id = yield* Adder.enqueue(add(1), { delay: "1 hour" })
      for (const effect of [Other.await(id), Other.peek(id)]) {
        const error = yield* Effect.flip(within(effect, "the error"))
        assert.deepInclude(error, { _tag: "TaskInvalidStateError", message: `This is a task "Adder", not "Other"` })
      }
      for (const effect of [Adder.await("nonsense" as never), Adder.peek("nonsense" as never)]) {
        assert.deepInclude(yield* Effect.flip(effect), { _tag: "TaskIdError", id: "nonsense" })
      }
      assert.deepStrictEqual(yield* Adder.peek(id), add(1))
    })
  )

  test(
    "leaves nobody waiting: who is interrupted is forgotten, and the connection that listened is given back",
    Effect.gen(function*() {
      const id = yield* Adder.enqueue(add(1), { delay: "1 hour" })
      const fiber = yield* waiting(id)
      yield* eventually(listeners, (found) => found.length === 1)
      yield* Fiber.interrupt(fiber)
      yield* eventually(listeners, (found) => found.length === 0)
    })
  )
})

workerTests("a notification of an end", (test) => {
  test(
    "is sent for tasks that somebody waits for: finished, ended or parked, and for no others",
    Effect.gen(function*() {
      const pg = yield* PgClient.PgClient
      const notifications = yield* pg.listen("pg_task_ended")
      const ids = new Map<string, string>()
      for (const way of Way.literals) {
        ids.set(yield* Adder.enqueue(add(1, way)), way)
        yield* Adder.enqueue(add(2, way))
      }
      yield* run("update pg_task set watched = true where id = any($1::uuid[])", [[...ids.keys()]])
      yield* start({ tasks: [makeAdder()] })
      const seen: Array<string> = []
      while (seen.length < ids.size) {
        const { payload } = yield* within(Queue.take(notifications), "a notification")
        if (!payload.startsWith("probe ")) seen.push(...payload.split(" "))
      }
      assert.sameMembers(seen, [...ids.keys()])
      assert.strictEqual(yield* Queue.size(notifications), 0)
    })
  )

  test(
    "comes for a task that is watched only while it runs",
    Effect.gen(function*() {
      const pg = yield* PgClient.PgClient
      const notifications = yield* pg.listen("pg_task_ended")
      const gate = yield* Latch.make()
      const id = yield* Adder.enqueue(add(1))
      yield* start({ tasks: [makeAdder(gate.await)] })
      yield* eventually(row(id), (found) => found?.status === "running")
      yield* run("update pg_task set watched = true")
      yield* gate.open
      assert.strictEqual((yield* within(Queue.take(notifications), "a notification")).payload, id)
    })
  )
})

workerTests("a result that nobody is notified of", (test) => {
  test(
    "is found all the same: its worker crashed after its commit",
    Effect.gen(function*() {
      const id = yield* Adder.enqueue(add(1), { delay: "1 hour" })
      const fiber = yield* waiting(id)
      yield* endByHand(id, 7)
      assert.deepStrictEqual(yield* joined(fiber), new Sum({ sum: 7 }))
    })
  )

  test(
    "is found when the connection that listens is cut, and notifications come again afterwards",
    Effect.gen(function*() {
      const gate = yield* Latch.make()
      const id = yield* Adder.enqueue(add(1))
      const fiber = yield* waiting(id)
      yield* eventually(listeners, (found) => found.length === 1)
      const [before] = yield* listeners
      yield* killListeners
      yield* start({ tasks: [makeAdder(gate.await)] })
      yield* gate.open
      assert.deepStrictEqual(yield* joined(fiber), new Sum({ sum: 2 }))
      const other = yield* Adder.enqueue(add(1), { delay: "1 hour" })
      yield* waiting(other)
      // The one that was cut may still be there.
      yield* eventually(listeners, (found) => found.length === 1 && found[0]!["pid"] !== before!["pid"])
    })
  )

  test(
    "is found on a client with one connection, which can't listen",
    Effect.gen(function*() {
      const url = yield* urlOfTest
      yield* start({ tasks: [makeAdder()] })
      const result = yield* Adder.execute(add(1)).pipe(
        Effect.provide(client(url, { maxConnections: 1 })),
        (effect) => within(effect, "the result")
      )
      assert.deepStrictEqual(result, new Sum({ sum: 2 }))
    })
  )

  test(
    "is found if the transaction that ends the task held the row when somebody began to wait",
    Effect.gen(function*() {
      const id = yield* Adder.enqueue(add(1), { delay: "1 hour" })
      const letGo = yield* holding(
        `update pg_task set step = '{"Adder":{"Sum":{"sum":9}}}', ended_at = now(),
        kept_until = now() + interval '1 hour' where id = '${id}'`
      )
      const fiber = yield* Effect.forkScoped(Adder.await(id))
      yield* eventually(listeners, (found) => found.length === 1)
      yield* letGo
      assert.deepStrictEqual(yield* joined(fiber), new Sum({ sum: 9 }))
    })
  )
})

workerTests("a thousand who execute with one key", (test) => {
  test(
    "share one run, and its result for as long as it is kept",
    Effect.gen(function*() {
      const runs: Array<number> = []
      yield* start({ tasks: [makeAdder(Effect.sync(() => runs.push(1)))] })
      const callers = Array.from({ length: 1000 }, () => Adder.execute(add(1), { key: "one" }))
      const results = yield* within(Effect.all(callers, { concurrency: "unbounded" }), "the results")
      assert.deepStrictEqual(new Set(results.map(({ sum }) => sum)), new Set([2]))
      assert.deepStrictEqual(yield* within(Adder.execute(add(5), { key: "one" }), "the result"), new Sum({ sum: 2 }))
      assert.lengthOf(runs, 1)
      assert.deepStrictEqual(yield* within(Adder.execute(add(5), { key: "two" }), "another"), new Sum({ sum: 6 }))
    })
  )
})

workerTests("ten thousand who wait", (test) => {
  test(
    "share two connections, and all get their results",
    Effect.gen(function*() {
      const url = yield* urlOfTest
      const count = 10_000
      const gate = yield* Latch.make()
      const all = Effect.gen(function*() {
        const ids = yield* Adder.enqueueAll(Array.from({ length: count }, (_, n) => add(n)))
        const waiting = yield* Effect.forEach(ids, (id) => Effect.forkScoped(Adder.await(id)))
        yield* eventually(run("select 1 from pg_task where not watched limit 1"), (found) => found.length === 0)
        const connections = yield* run(
          "select pid from pg_stat_activity where datname = current_database() and application_name = 'waiters'"
        )
        assert.isAtMost(connections.length, 2)
        yield* gate.open
        return yield* within(Effect.forEach(waiting, (fiber) => Fiber.join(fiber)), "the results")
      }).pipe(Effect.scoped, Effect.provide(client(url, { maxConnections: 2, applicationName: "waiters" })))
      yield* start({ tasks: [makeAdder(gate.await)], concurrency: 100 })
      const results = yield* all
      assert.deepStrictEqual(results.map(({ sum }) => sum), Array.from({ length: count }, (_, n) => n + 1))
      yield* run("delete from pg_task")
      yield* empty
    })
  )
})
