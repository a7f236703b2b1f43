import { assert } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { Effect, Queue, Redacted, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { NextStep, Step, Task } from "../../src/index.ts"
import { client } from "../support/database/Database.ts"
import { makeGate, start, workerTests } from "../support/worker/Fixture.ts"
import { empty, listening, rowWhere, run } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}

/** A statement from a session of its own, with a client that knows nothing of us. */
const psql = <A extends object = Record<string, unknown>>(statement: string) =>
  Effect.flatMap(
    PgClient.PgClient,
    ({ config }) => Effect.provide(run<A>(statement), client(Redacted.value(config.url!), { maxConnections: 1 }))
  )

const insert = `insert into pg_task (step) values ('{"Greeter":{"ReadName":{"filename":"name.txt"}}}');`
const clear = `update pg_task set error = null where error is not null;`
/** As people type it who are in a hurry: it works, too, but rewrites every row. */
const clearAll = `update pg_task set error = null;`
const stop = `select pg_notify('pg_task_changed', 'stop_worker');`
const busy = `select exists(select 1 from pg_task where is_running = true);`

const pages = ["README.md", "docs/sql-reference.md", "docs/retries-and-errors.md", "docs/getting-started.md"].map(
  (page) => new URL(`../../${page}`, import.meta.url)
)

/** The statements in the section of a page. */
const statementsIn = (page: string, heading: string) =>
  Effect.map(
    Effect.promise(() => readFile(new URL(`../../docs/${page}.md`, import.meta.url), "utf8")),
    (text) => {
      const section = text.split(/^## /m).find((section) => section.startsWith(`${heading}\n`))!
      return [...section.matchAll(/```sql\n([^`]*)```/g)].flatMap(([, block]) => block!.split(/;\n/)).map((one) =>
        one.trim()
      ).filter((one) => one !== "")
    }
  )

/** A row of each status but `running`. */
const insertEach = run(
  `insert into pg_task (step, wakeup_at, error, waits_for, ended_at, kept_until, limit_key) values
  ('{"A":{"Ready":{}}}', now() - interval '1 minute', null, null, null, null, null),
  ('{"A":{"Limited":{}}}', now() - interval '2 minutes', null, null, null, null, 'stripe'),
  ('{"A":{"Scheduled":{}}}', now() + interval '1 hour', null, null, null, null, null),
  ('{"A":{"Waiting":{}}}', now() + interval '2 hours', null, '{B}', null, null, null),
  ('{"A":{"Endless":{}}}', 'infinity', null, '{B}', null, null, null),
  ('{"A":{"Parked":{}}}', now() - interval '1 day', 'broken', null, null, null, null),
  ('{"A":{"Ended":{}}}', now() - interval '1 day', null, null, now(), 'infinity', null)`
)

/** A parked row, and two that wait. */
const insertMany = run(
  `insert into pg_task (step, error, wakeup_at, created_at)
  select '{"Greeter":{"SayHello":{"name":"' || n || '"}}}', case when n = 1 then 'broken' end,
    now() + interval '1 hour', now() + n * interval '1 second' from generate_series(1, 3) n`
)

const clearsAll = (statement: string) =>
  Effect.gen(function*() {
    const seen = yield* Queue.unbounded<string>()
    const Greeter = Task.make("Greeter", [
      Step.make(SayHello, { handler: ({ name }) => Effect.as(Queue.offer(seen, name), NextStep.none) })
    ])
    const states = ["a", "b", "c"].map((name) => new SayHello({ name }))
    yield* Greeter.enqueueAll(states)
    yield* run("update pg_task set error = 'broken', tried = 6")
    const later = yield* Greeter.delay(new SayHello({ name: "later" }), "1 hour")
    yield* start({ tasks: [Greeter], pollInterval: "1 hour" })
    yield* listening(1)
    yield* psql(statement)
    assert.deepStrictEqual((yield* within(Queue.takeN(seen, 3), "all three")).sort(), ["a", "b", "c"])
    assert.deepInclude(yield* rowWhere(later, () => true), { status: "scheduled", tried: 0 })
  })

workerTests("the SQL that people type", (test) => {
  test(
    "works on live workers, at once: insert, clear the error, ask who is busy, stop",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const files = new Map<string, string>()
      const said = yield* Queue.unbounded<string>()
      const Greeter = Task.make("Greeter", [
        Step.make(ReadName, {
          next: [SayHello],
          handler: ({ filename }) => {
            const name = files.get(filename)
            return name === undefined
              ? Effect.fail(`no ${filename}`)
              : Effect.succeed(NextStep.now(new SayHello({ name })))
          }
        }),
        Step.make(SayHello, {
          handler: ({ name }) => Effect.as(Effect.andThen(gate.enter(name), Queue.offer(said, name)), NextStep.none)
        })
      ])
      const options = { tasks: [Greeter], pollInterval: "1 hour" } as const
      const workers = [yield* start(options), yield* start(options)]
      yield* listening(2)

      yield* psql(insert)
      const [inserted] = yield* run<{ id: string }>("select id::text from pg_task")
      const failed = yield* rowWhere(inserted!.id, ({ status }) => status === "parked")
      assert.deepInclude(failed, { task: "Greeter", error: "no name.txt", tried: 1 })
      assert.deepStrictEqual(yield* psql(busy), [{ exists: false }])

      files.set("name.txt", "Fedor")
      yield* psql(clear)
      assert.strictEqual(yield* gate.next, "Fedor")
      assert.deepStrictEqual(yield* psql(busy), [{ exists: true }])

      yield* psql(stop)
      yield* gate.open
      for (const worker of workers) yield* within(worker.stopped, "the end of a worker")
      assert.strictEqual(yield* within(Queue.take(said), "the greeting"), "Fedor")
      yield* empty
      assert.deepStrictEqual(yield* psql(busy), [{ exists: false }])
    })
  )

  for (const [form, statement] of Object.entries({ "as documented": clear, "without its `where`": clearAll })) {
    test(
      `clears all errors at once, ${form}`,
      clearsAll(statement)
    )
  }

  test(
    "is the one that the documentation shows, and touches only what has an error",
    Effect.gen(function*() {
      const shown = yield* Effect.promise(() => Promise.all(pages.map((page) => readFile(page, "utf8"))))
      for (const [n, text] of shown.entries()) {
        assert.include(text, "update pg_task set error = null where error is not null", pages[n]!.pathname)
        assert.notMatch(text, /set error = null(?! where|, )/, pages[n]!.pathname)
      }
      const places = run("select error, ctid::text as place from pg_task order by created_at, id")
      yield* insertMany
      const before = yield* places
      yield* psql(clear)
      const after = yield* places
      assert.deepStrictEqual(after.map((row) => row["error"]), [null, null, null])
      assert.notDeepEqual(after[0], before[0])
      assert.deepStrictEqual(after.slice(1), before.slice(1))
    })
  )

  test(
    "to see what comes next, and what is behind, takes no result for a task that waits",
    Effect.gen(function*() {
      yield* insertEach
      const [counts, fails, runs, next, ...more] = yield* statementsIn("sql-reference", "Look")
      assert.deepStrictEqual(more, [])
      const found = yield* psql(counts!)
      assert.deepStrictEqual(
        Object.fromEntries(
          found.map(({ behind, count, state, status }) => [state, [status, Number(count), behind !== null]])
        ),
        {
          Ended: ["ended", 1, false],
          Endless: ["waiting", 1, false],
          Limited: ["limited", 1, true],
          Parked: ["parked", 1, false],
          Ready: ["ready", 1, true],
          Scheduled: ["scheduled", 1, false],
          Waiting: ["waiting", 1, false]
        }
      )
      assert.strictEqual((yield* psql(fails!)).length, 1)
      assert.deepStrictEqual(yield* psql(runs!), [])
      assert.deepStrictEqual((yield* psql(next!)).map(({ status }) => status), ["ready", "scheduled", "waiting"])
      const [behind] = yield* statementsIn("operations", "Tasks are behind")
      assert.deepStrictEqual((yield* psql(behind!)).map(({ status }) => status), ["limited", "ready"])
    })
  )
})
