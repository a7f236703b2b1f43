/** Tasks that wait for other tasks: each parent goes on exactly once, after all its children, whatever happens. */
import { assert } from "@effect/vitest"
import { Effect, Fiber, Latch, Queue, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Admin, NextStep, Step, Task } from "../../../src/index.ts"
import { findForgotten, wakeParents } from "../../../src/internal/sql/children.ts"
import { TaskTest } from "../../../src/testing/index.ts"
import { pgTask } from "../../support/cli/cli.ts"
import { start, workerTests } from "../../support/worker/Fixture.ts"
import { empty, insert, row, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const Way = Schema.Literals(["end", "none", "fail"])

class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number, way: Way }) {}
class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}
const Adder = Task.declare("Adder", { states: [Add], final: [Sum] })
const add = (a: number, way: typeof Way.Type = "end") => Adder.child(new Add({ a, way }))

const makeAdder = (gate: Effect.Effect<unknown> = Effect.void) =>
  Task.make(Adder, [
    Step.make(Add, {
      next: [Sum],
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

class Begin extends Schema.TaggedClass<Begin>()("Begin", {
  count: Schema.Number,
  way: Way,
  settled: Schema.Boolean
}) {}
class Gather extends Schema.TaggedClass<Gather>()("Gather", {
  title: Schema.String,
  all: Schema.Array(Task.child(Adder)),
  first: Schema.optional(Task.child(Adder)),
  named: Schema.Record(Schema.String, Task.child(Adder))
}) {}
class Settle extends Schema.TaggedClass<Settle>()("Settle", { all: Schema.Array(Task.child(Adder)) }) {}
class Stop extends Schema.TaggedClass<Stop>()("Stop", {}) {}
class Total extends Schema.TaggedClass<Total>()("Total", { total: Schema.Number }) {}
class Stopped extends Schema.TaggedClass<Stopped>()("Stopped", { seen: Schema.Array(Schema.String) }) {}

const Totals = Task.declare("Totals", {
  states: [Begin, Gather, Settle],
  entry: [Begin],
  final: [Total, Stopped],
  signals: [Stop]
})
const begin = (count: number, way: typeof Way.Type = "end", settled = false) => new Begin({ count, way, settled })

const makeTotals = (joined: (total: number) => void = () => undefined) =>
  Task.make(Totals, [
    Step.make(Begin, {
      next: [Gather, Settle],
      handler: ({ count, settled, way }) => {
        const all = Array.from({ length: count }, (_, n) => add(n, n === 0 ? way : "end"))
        return Effect.succeed(
          settled
            ? NextStep.now(new Settle({ all }))
            : NextStep.now(
              new Gather({
                title: "t",
                all,
                first: count > 1 ? add(100) : undefined,
                named: count > 1 ? { b: add(200) } : {}
              })
            )
        )
      }
    }),
    Step.wait(Gather, (on) => [
      on.children({
        next: [Total],
        handler: ({ title }, { all, first, named }) => {
          assert.strictEqual(title, "t")
          const sums = [...all, ...(first === undefined ? [] : [first]), ...Object.values(named)].map(({ sum }) => sum)
          const total = sums.reduce((sum, one) => sum + one, 0)
          joined(total)
          return Effect.succeed(NextStep.now(new Total({ total })))
        }
      }),
      on(Stop, { next: [Stopped], handler: () => Effect.succeed(NextStep.now(new Stopped({ seen: ["stop"] }))) })
    ]),
    Step.wait(Settle, (on) => [
      on.settled({
        next: [Stopped],
        handler: (_, { all }) =>
          Effect.succeed(NextStep.now(
            new Stopped({
              seen: all.map((one) =>
                one._tag === "Ended" ? `${one.state.sum}` : one._tag === "Parked" ? one.error : one._tag
              )
            })
          ))
      })
    ]),
    Step.final(Total),
    Step.final(Stopped)
  ])

const childrenOf = (id: string) => run<{ id: string }>("select id::text from pg_task where parent = $1::uuid", [id])

const waits = (id: string) =>
  eventually(run("select waits_for from pg_task where id = $1::uuid", [id]), ([found]) => found?.["waits_for"] !== null)

workerTests("a task with children", (test) => {
  for (const count of [0, 1, 2, 50]) {
    test(
      `goes on once when all of them have ended, with what they came to: ${count}`,
      Effect.gen(function*() {
        const totals: Array<number> = []
        yield* start({ tasks: [makeAdder(), makeTotals((total) => totals.push(total))], concurrency: 5 })
        const result = yield* within(Totals.execute(begin(count)), "the total")
        const expected = count * (count + 1) / 2 + (count > 1 ? 101 + 201 : 0)
        assert.deepStrictEqual(result, new Total({ total: expected }))
        assert.deepStrictEqual(totals, [expected])
      })
    )
  }

  test(
    "waits as a row at rest, and its children are rows that name it",
    Effect.gen(function*() {
      const gate = yield* Latch.make()
      yield* start({ tasks: [makeAdder(gate.await), makeTotals()] })
      const id = yield* Totals.enqueue(begin(3))
      yield* waits(id)
      const children = yield* childrenOf(id)
      assert.lengthOf(children, 5)
      assert.deepInclude(
        (yield* run("select waits_for, wakeup_at::text as due from pg_task where id = $1::uuid", [id]))[0],
        {
          waits_for: ["$children", "Stop"],
          due: "infinity"
        }
      )
      const { raw } = yield* Admin.get(id)
      for (const child of children) assert.include(raw, child.id)
      yield* gate.open
      assert.deepStrictEqual(yield* within(Totals.await(id), "the total"), new Total({ total: 6 + 302 }))
      // Both have ended: they still tell whose they were.
      assert.lengthOf(yield* childrenOf(id), 5)
    })
  )

  test(
    "lets go of those that are open when it ends, and keeps the others",
    Effect.gen(function*() {
      yield* start({ tasks: [makeTotals()] })
      const id = yield* Totals.enqueue(begin(1))
      yield* waits(id)
      const [open] = yield* childrenOf(id)
      const ended = yield* insert(`{"Adder":{"Sum":{"sum":1}}}`)
      yield* run(
        `update pg_task t set step = replace(t.step, '"all":[', '"all":["' || $2 || '",') where id = $1::uuid`,
        [id, ended]
      )
      yield* run("update pg_task set parent = $1::uuid, ended_at = now() where id = $2::uuid", [id, ended])
      yield* Totals.signal(id, new Stop())
      assert.deepStrictEqual(yield* within(Totals.await(id), "the end"), new Stopped({ seen: ["stop"] }))
      assert.deepStrictEqual(yield* childrenOf(id), [{ id: ended }])
      assert.deepInclude(yield* row(open!.id), { status: "ready" })
      // Their results outlive it, as long as they are kept.
      yield* Admin.cancel([id])
      assert.deepStrictEqual((yield* run("select id::text from pg_task order by created_at")).map(({ id }) => id), [
        open!.id,
        ended
      ])
    })
  )

  test(
    "goes on once whichever of the two last ones ends first, and whoever of them tells it",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const ended = (id: string) =>
        run(
          `update pg_task set step = '{"Adder":{"Sum":{"sum":1}}}', ended_at = now(),
          kept_until = now() + interval '1 hour' where id = $1::uuid`,
          [id]
        )
      yield* start({ tasks: [makeTotals()] })
      for (const told of [[0], [1], [0, 1], [1, 0], []]) {
        const id = yield* Totals.enqueue(begin(2, "end", true))
        yield* waits(id)
        const children = yield* childrenOf(id)
        assert.lengthOf(children, 2)
        // A look while one is open wakes nobody.
        yield* ended(children[0]!.id)
        yield* wakeParents(sql, [id])
        assert.deepInclude(yield* row(id), { status: "scheduled" })
        yield* ended(children[1]!.id)
        for (const _ of told) yield* wakeParents(sql, [id])
        // Suppressed by a crash of both: somebody looks, and finds this one.
        if (told.length === 0) {
          const found = yield* findForgotten(sql)
          assert.deepStrictEqual(found, [{ id }] as never)
          yield* wakeParents(sql, found.map(({ id }) => id))
        }
        const result = yield* within(Totals.await(id), "the result")
        assert.deepStrictEqual(result, new Stopped({ seen: ["1", "1"] }))
        assert.deepStrictEqual(yield* findForgotten(sql), [])
      }
    })
  )

  test(
    "is told while it is about to wait, and does not miss it",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* start({ tasks: [makeTotals()] })
      const id = yield* Totals.enqueue(begin(1, "end", true))
      yield* waits(id)
      const [child] = yield* childrenOf(id)
      // It looks at its children, and finds one open.
      yield* Effect.forEach(
        Array.from({ length: 3 }),
        () => run("update pg_task set wakeup_at = now() where waits_for is not null")
      )
      yield* run("delete from pg_task where id = $1::uuid", [child!.id])
      yield* wakeParents(sql, [id])
      assert.deepStrictEqual(yield* within(Totals.await(id), "the result"), new Stopped({ seen: ["Gone"] }))
    })
  )

  test(
    "fails if a child is gone, and can go on without it where it waits for what is settled",
    Effect.gen(function*() {
      yield* start({ tasks: [makeAdder(), makeTotals()] })
      const error = yield* Effect.flip(within(Totals.execute(begin(2, "none")), "the error"))
      assert.strictEqual(error._tag, "TaskParkedError")
      assert.match(error.message, /TaskChildGoneError: The child .* of task "Adder" is gone/)
      const settled = yield* within(Totals.execute(begin(2, "none", true)), "the result")
      assert.deepStrictEqual(settled, new Stopped({ seen: ["Gone", "2"] }))
    })
  )

  test(
    "waits for a parked child until somebody has repaired it, or goes on with its error",
    Effect.gen(function*() {
      yield* start({ tasks: [makeAdder(), makeTotals()] })
      const id = yield* Totals.enqueue(begin(2, "fail"))
      const [stuck] = (yield* eventually(Admin.list({ status: "parked" }), ({ rows }) => rows.length === 1)).rows
      yield* waits(id)
      yield* Admin.edit(Adder, stuck!.id, new Add({ a: 10, way: "end" }))
      yield* Admin.retry(stuck!.id)
      const result = yield* within(Totals.await(id), "the total")
      assert.deepStrictEqual(result, new Total({ total: 11 + 2 + 302 }))
      const settled = yield* within(Totals.execute(begin(2, "fail", true)), "the result")
      assert.deepStrictEqual(settled, new Stopped({ seen: ["no", "2"] }))
    })
  )

  test(
    "may stop to wait for them: they go on, and their results are kept as long as others are",
    Effect.gen(function*() {
      const gate = yield* Latch.make()
      yield* start({ tasks: [makeAdder(gate.await), makeTotals()] })
      const id = yield* Totals.enqueue(begin(2))
      yield* waits(id)
      yield* Totals.signal(id, new Stop())
      assert.deepStrictEqual(yield* within(Totals.await(id), "the result"), new Stopped({ seen: ["stop"] }))
      yield* gate.open
      yield* eventually(Admin.count({ task: "Adder", status: "ended" }), (count) => count === 4)
    })
  )

  test(
    "can't begin with them",
    Effect.gen(function*() {
      const Loose = Task.declare("Loose", { states: [Settle] })
      const error = yield* Effect.flip(Loose.enqueue(new Settle({ all: [add(1)] })))
      assert.strictEqual(error._tag, "TaskInvalidStateError")
      assert.include(error.message, "a task can't begin with children")
      yield* empty
    })
  )

  test(
    "runs with them in a test of its own",
    Effect.gen(function*() {
      yield* Totals.enqueue(begin(2))
      const results = yield* TaskTest.runAll({ tasks: [makeAdder(), makeTotals()] })
      const last = results.at(-1)!
      assert.deepInclude(last, { _tag: "Ended", task: "Totals" })
      yield* run("delete from pg_task")
    })
  )
})

workerTests("a task that is cancelled", (test) => {
  test(
    "takes its children with it, unless they are to stay, and its parent learns of it",
    Effect.gen(function*() {
      yield* start({ tasks: [makeTotals()] })
      const [first, second, third] = [
        yield* Totals.enqueue(begin(3)),
        yield* Totals.enqueue(begin(3)),
        yield* Totals.enqueue(begin(1, "end", true))
      ]
      for (const id of [first, second, third]) yield* waits(id)
      assert.strictEqual(yield* Admin.cancel(first), 6)
      assert.lengthOf(yield* childrenOf(first), 0)
      assert.strictEqual(yield* Admin.cancel(second, { children: false }), 1)
      assert.lengthOf(yield* childrenOf(second), 5)
      const { rows: [only] } = yield* Admin.list({ parent: third })
      assert.strictEqual(only!.parent, third)
      assert.strictEqual(yield* Admin.cancel(only!.id), 1)
      assert.deepStrictEqual(yield* within(Totals.await(third), "the result"), new Stopped({ seen: ["Gone"] }))
    })
  )

  test(
    "while it spawns children takes them with it, too",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [parent] = yield* run<{ id: string }>(
        `insert into pg_task (step, is_running, wakeup_at) values ('{"Totals":{"Begin":{}}}', true, now()) returning id::text`
      )
      const spawned = yield* Latch.make()
      const commit = yield* Latch.make()
      const spawning = yield* Effect.forkScoped(sql.withTransaction(Effect.gen(function*() {
        yield* run(`insert into pg_task (step, parent) values ('{"Adder":{"Add":{}}}', $1::uuid)`, [parent!.id])
        yield* run("update pg_task set waits_for = '{$children}', is_running = false where id = $1::uuid", [parent!.id])
        yield* spawned.open
        yield* commit.await
      })))
      yield* spawned.await
      const cancelling = yield* Effect.forkScoped(Admin.cancel(parent!.id))
      yield* eventually(
        run("select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"),
        (found) => found.length > 0
      )
      yield* commit.open
      yield* Fiber.join(spawning)
      assert.strictEqual(yield* within(Fiber.join(cancelling), "the end of it"), 2)
      yield* empty
    })
  )
})

workerTests("pg-task", (test) => {
  test(
    "shows the children of a task, and lists them",
    Effect.gen(function*() {
      yield* start({ tasks: [makeTotals()] })
      const id = yield* Totals.enqueue(begin(3))
      yield* waits(id)
      const shown = (yield* pgTask(["show", id])).out
      assert.match(shown, /children +5 ready\n(.*\n)*waits for +its children, Stop\n/)
      // Nobody can send what stands for its children.
      assert.match(shown, new RegExp(`signal ${id.slice(0, 8)} Stop '{…}'`))
      assert.notInclude(shown, "--status parked")
      const { rows } = yield* Admin.list({ parent: id })
      assert.include((yield* pgTask(["show", rows[0]!.id])).out, `parent        ${id}`)
      const listed = yield* pgTask(["list", "--parent", id, "--json"])
      assert.lengthOf(JSON.parse(listed.out).tasks, 5)
      yield* run("update pg_task set error = 'no' where id = $1::uuid", [rows[0]!.id])
      const parked = `list --parent ${id.slice(0, 8)} --status parked`
      assert.include((yield* pgTask(["show", id])).out, parked)
      assert.lengthOf(JSON.parse((yield* pgTask([...parked.split(" "), "--json"])).out).tasks, 1)
      assert.deepInclude(yield* pgTask(["list", "--parent", "ffffffff"]), { code: 1, out: "" })
      // Of one that is gone, too.
      yield* run("delete from pg_task where id = $1::uuid", [id])
      assert.lengthOf(JSON.parse((yield* pgTask(["list", "--parent", id, "--json"])).out).tasks, 5)
      yield* run("delete from pg_task")
    })
  )
})

workerTests("children whose parent's move is not stored", (test) => {
  test(
    "are not there either",
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<string>()
      const gate = yield* Latch.make()
      const Held = Task.make("Held", [
        Step.make(Begin, {
          next: [Settle],
          handler: () =>
            Effect.andThen(
              Effect.andThen(Queue.offer(seen, "here"), gate.await),
              Effect.succeed(NextStep.now(new Settle({ all: [add(1), add(2)] })))
            )
        }),
        Step.wait(Settle, (on) => [on.settled({ handler: () => Effect.succeed(NextStep.none) })])
      ])
      yield* start({ tasks: [Held] })
      const id = yield* Held.enqueue(begin(1))
      yield* within(Queue.take(seen), "the step")
      yield* run("update pg_task set lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour'")
      yield* gate.open
      const other = yield* Held.enqueue(begin(1))
      yield* within(Queue.take(seen), "the other step")
      yield* waits(other)
      assert.lengthOf(yield* childrenOf(id), 0)
      assert.lengthOf(yield* childrenOf(other), 2)
    })
  )
})
