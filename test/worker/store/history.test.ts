import { assert } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { Admin, NextStep, Step, Task } from "../../../src/index.ts"
import { nobody } from "../../support/cli/Greeter.ts"
import { closed, makeGate, start, startApart, workerTests } from "../../support/worker/Fixture.ts"
import { holding } from "../../support/worker/Locks.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { gone, orphan, parked, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

class First extends Schema.TaggedClass<First>()("First", { name: Schema.String }) {}
class Second extends Schema.TaggedClass<Second>()("Second", { name: Schema.String }) {}

const second = NextStep.now(new Second({ name: "b" }))
const none = Effect.succeed(NextStep.none)

/** What a reader sees at once. */
const brief = (entries: ReadonlyArray<Admin.HistoryEntry>) =>
  entries.map(({ attempt, outcome, state, transition }) => `${transition} ${state} ${attempt} ${outcome}`)

const historyOf = (id: string) => Effect.map(Admin.history(id), brief)

/** Waits until the history is this long: an outcome is committed before the row's next step begins. */
const entries = (id: string, count: number) => eventually(Admin.history(id), ({ length }) => length >= count)

workerTests("a history", (test) => {
  test(
    "has each attempt in order, with its error and how long it took, also when the row is gone",
    Effect.gen(function*() {
      let tries = 0
      const Kept = Task.make("Kept", [
        Step.make(First, { next: [Second], handler: () => Effect.succeed(second) }),
        Step.make(Second, {
          retryLimit: 2,
          retryDelay: "10 millis",
          handler: () => ++tries < 3 ? Effect.fail(new Error(`try ${tries}`)) : Effect.delay(none, "20 millis")
        })
      ], { history: "30 days" })
      const { id: worker } = yield* start({ tasks: [Kept] })
      const id = yield* Kept.enqueue(new First({ name: "a" }))
      yield* gone(id)
      const found = yield* Admin.history(id)
      assert.deepStrictEqual(brief(found), [
        "0 First 1 continued",
        "1 Second 1 retried",
        "1 Second 2 retried",
        "1 Second 3 finished"
      ])
      assert.match(found[1]!.error!, /try 1/)
      assert.isNull(found[3]!.error)
      assert.isTrue(found.every((entry) => entry.worker === worker && entry.task === "Kept" && entry.id === id))
      const [last] = yield* run<{ duration: number }>("select duration from pg_task_history where outcome = 'finished'")
      assert.isAtLeast(last!.duration, 19)
      assert.deepStrictEqual(yield* Effect.map(Admin.history(id.slice(0, 8), { limit: 1 }), brief), [
        "1 Second 3 finished"
      ])
    })
  )

  test(
    "has what was stored with a step's transaction, with a commit, and with a batch",
    Effect.gen(function*() {
      const Kept = Task.make("Kept", [
        Step.make(First, { next: [Second], transactional: true, handler: () => Effect.succeed(second) }),
        Step.make(Second, { handler: () => Effect.succeed(NextStep.noneWith({ commit: Effect.void })) })
      ], { history: "1 hour" })
      const ids = yield* Kept.enqueueAll(Array.from({ length: 20 }, (_, n) => new First({ name: String(n) })))
      yield* start({ tasks: [Kept], concurrency: 3 })
      yield* Effect.forEach(ids, gone)
      for (const id of ids) assert.deepStrictEqual(yield* historyOf(id), ["0 First 1 continued", "1 Second 1 finished"])
    })
  )

  test(
    "has what is parked, rejected, delayed, and given back while it ran",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Kept = Task.make("Kept", [
        Step.make(First, {
          next: [Second],
          retryLimit: 0,
          handler: ({ name }) =>
            name === "held" ?
              Effect.as(gate.enter(name), NextStep.none)
              : name === "fails"
              ? Effect.fail("no")
              : Effect.succeed(NextStep.delay(new Second({ name }), "1 hour"))
        }),
        Step.make(Second, { handler: () => none })
      ], { history: "1 hour" })
      const apart = yield* startApart({ tasks: [Kept], shutdownTimeout: 0 })
      const [fails, waits, held] = yield* Kept.enqueueAll(["fails", "waits", "held"].map((name) => new First({ name })))
      const [wrong] = yield* run<{ id: string }>(
        `insert into pg_task (step) values ('{"Kept":{"First":{"name":1}}}') returning id`
      )
      yield* gate.next
      yield* parked(wrong!.id)
      yield* parked(fails!)
      yield* entries(waits!, 1)
      yield* closed(apart)
      assert.deepStrictEqual(yield* historyOf(fails!), ["0 First 1 parked"])
      assert.deepStrictEqual(yield* historyOf(wrong!.id), ["0 First 1 rejected"])
      assert.deepStrictEqual(yield* historyOf(waits!), ["0 First 1 rescheduled"])
      assert.deepStrictEqual(yield* historyOf(held!), ["0 First 1 released"])
    })
  )

  test(
    "has the attempt of a worker that crashed",
    Effect.gen(function*() {
      const Kept = Task.make("Kept", [Step.make(First, { handler: () => none })], { history: "1 hour" })
      const id = yield* Kept.enqueue(new First({ name: "a" }))
      yield* orphan(id, -1)
      yield* start({ tasks: [Kept], lease: "900 millis" })
      yield* gone(id)
      const found = yield* Admin.history(id)
      assert.deepStrictEqual(brief(found), ["0 First 1 lost", "0 First 1 finished"])
      assert.isNull(found[0]!.worker)
    })
  )

  test(
    "names the attempt of a worker that crashed as it was, though another state takes its place",
    Effect.gen(function*() {
      const Kept = Task.make("Kept", [
        Step.make(First, { handler: () => none }),
        Step.make(Second, { handler: () => none })
      ], { history: "1 hour" })
      const { id } = yield* Kept.enqueue(new First({ name: "a" }), { key: "k" })
      yield* run("update pg_task set tried = 2, transitions = 7")
      yield* orphan(id, -1)
      yield* Kept.enqueue(new Second({ name: "b" }), { key: "k", onConflict: "replace" })
      yield* start({ tasks: [Kept], lease: "900 millis" })
      yield* gone(id)
      assert.deepStrictEqual(yield* historyOf(id), ["7 First 3 lost", "8 Second 1 finished"])
    })
  )

  test(
    "that can't be written parks nothing, and the log says what to grant",
    Effect.gen(function*() {
      const Kept = Task.make("Kept", [Step.make(First, { retryLimit: 0, handler: () => none })], { history: "1 hour" })
      yield* run("alter table pg_task_history rename to pg_task_history_away")
      yield* Effect.addFinalizer(() => Effect.orDie(run("alter table pg_task_history_away rename to pg_task_history")))
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Kept] }), logs.layer)
      const ids = yield* Kept.enqueueAll([new First({ name: "a" }), new First({ name: "b" })])
      yield* Effect.forEach(ids, gone)
      assert.match((yield* logs.line("history can't be written")).message, /grant select, insert, delete/)
    })
  )

  test(
    "costs nothing where it was not asked for",
    Effect.gen(function*() {
      const Plain = Task.make("Plain", [Step.make(First, { handler: () => none })])
      yield* start({ tasks: [Plain] })
      const id = yield* Plain.enqueue(new First({ name: "a" }))
      yield* gone(id)
      assert.deepStrictEqual(yield* historyOf(id), [])
    })
  )
})

const days = run<{ name: string }>(
  `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'pg_task_history'::regclass and c.relname ~ '\\d$' order by 1`
)

const insertOld = (count: number, keptUntil: string) =>
  run(
    `insert into pg_task_history (id, task, transition, attempt, outcome, ended_at, kept_until)
select gen_random_uuid(), 'Kept', 0, 1, 'finished', now(), ${keptUntil} from generate_series(1, ${count})`
  )

const left = Effect.map(
  run<{ n: number }>("select count(*)::int as n from pg_task_history where kept_until < now()"),
  ([found]) => found!.n
)

workerTests("a history's partitions", (test) => {
  const Kept = Task.make("Kept", [Step.make(First, { handler: () => none })], { history: "10 days" })

  test(
    "are made for the days to come, and dropped when these are over",
    Effect.gen(function*() {
      yield* run("select pg_task_make_history_partition(current_date - 3)")
      yield* insertOld(10, "(now() at time zone 'UTC')::date - interval '3 days' + interval '12 hours'")
      yield* start({ tasks: [Kept] })
      // One day, then three, then two. This reads only catalogs. To read the history now would lock it, and the worker
      // waits only a moment for that lock: it would try again in an hour.
      const found = yield* eventually(days, ({ length }) => length === 2)
      assert.strictEqual(yield* left, 0)
      const [expected] = yield* run<{ a: string; b: string }>(
        `select to_char(d, '"pg_task_history_"YYYYMMDD') as a, to_char(d + 1, '"pg_task_history_"YYYYMMDD') as b
from (select ((now() + interval '10 days') at time zone 'UTC')::date as d) x`
      )
      assert.deepStrictEqual(found.map(({ name }) => name), [expected!.a, expected!.b])
      const id = yield* Kept.enqueue(new First({ name: "a" }))
      yield* gone(id)
      const [place] = yield* run<{ name: string }>(`select tableoid::regclass::text as name from pg_task_history`)
      assert.strictEqual(place!.name, expected!.a)
    })
  )

  test(
    "lose nothing that is written while one is attached",
    Effect.gen(function*() {
      const entry = { id: nobody, task: "Kept", transition: 0, attempt: 1, outcome: "finished", keep: 5 * 86_400_000 }
      const write = run<{ written: boolean }>(
        "select pg_task_write_history($1::json, array[$2::uuid], false) as written",
        [JSON.stringify([entry]), nobody]
      )
      const waits = run("select 1 from pg_locks where relation = 'pg_task_history_default'::regclass and not granted")
      const commit = yield* holding(
        "select pg_task_make_history_partition(((now() + interval '5 days') at time zone 'UTC')::date)"
      )
      const writing = yield* Effect.forkScoped(write)
      yield* eventually(waits, ({ length }) => length > 0)
      yield* commit
      assert.deepStrictEqual(yield* Fiber.join(writing), [{ written: true }])
      assert.lengthOf(yield* Admin.history(nobody), 1)
    })
  )

  test(
    "are not needed: a role that may not make them deletes what is over, in batches",
    Effect.gen(function*() {
      yield* insertOld(30_000, "now() - interval '20 days'")
      yield* start({ tasks: [Kept] })
      yield* eventually(left, (n) => n === 0)
    })
  )
})
