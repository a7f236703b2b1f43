/** How many tasks are at work at the same time, and in which order they begin. */
import { assert } from "@effect/vitest"
import { Effect, Latch } from "effect"
import { SqlClient } from "effect/sql"
import { Limit, NextStep, Step, Task } from "../../src/index.ts"
import { grantSlots } from "../../src/internal/sql/limits.ts"
import { closed, makeGate, start, startApart, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import {
  atTheDoor,
  limitedRows,
  makeMeeting,
  makeSyncs,
  resetLimits,
  Sync,
  sync,
  tenantLimit,
  Work
} from "../support/limits/Syncs.ts"
import { empty, gone, insert, parked, run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"

/** Starts more workers, each with connections of its own. */
const startMore = Effect.fnUntraced(function*(task: Task.Any, count: number) {
  const url = yield* urlOfTest
  for (let n = 0; n < count; n++) yield* startWith(url, { tasks: [task] as never }, { maxConnections: 4 })
})

workerTests("a limit", (test) => {
  test(
    "lets as many be at work as it says, of each key, and never more, with eight workers",
    Effect.gen(function*() {
      const work = new Work()
      // Of each tenant two must be at work together to go on.
      const meetings = new Map("abcde".split("").map((tenant) => [tenant, makeMeeting(2)]))
      const Syncs = makeSyncs((sync) => work.during(sync, Effect.andThen(meetings.get(sync.tenant)!, Effect.sleep(1))))
      yield* startMore(Syncs, 8)
      const names = Array.from({ length: 200 }, (_, n) => n)
      yield* Syncs.enqueueAll(names.slice(0, 100).map((n) => sync("abcde"[n % 5]!, n)))
      yield* Effect.forEach(names.slice(100), (n) => Syncs.enqueue(sync("abcde"[n % 5]!, n)), { concurrency: 10 })
      yield* empty
      assert.deepStrictEqual(Object.fromEntries(work.most), { a: 2, b: 2, c: 2, d: 2, e: 2 })
      assert.lengthOf(work.begun, 200)
    })
  )

  test(
    "lets them begin in the order in which they became due, one at a time, with workers that claim ahead",
    Effect.gen(function*() {
      const work = new Work()
      const Syncs = makeSyncs((sync) => work.during(sync, Effect.yieldNow), 1)
      yield* startMore(Syncs, 3)
      const sql = yield* SqlClient.SqlClient
      // Stored in one transaction, one by one: none is seen before all of them are there.
      yield* sql.withTransaction(Effect.gen(function*() {
        for (let n = 0; n < 100; n++) {
          yield* Syncs.enqueue(sync("a", n))
          yield* Syncs.enqueue(sync("b", 1000 + n))
        }
        yield* run(
          "update pg_task set wakeup_at = now() + (step::json #>> '{Syncs,Sync,name}')::int % 1000 * interval '1 microsecond'"
        )
      }))
      yield* empty
      const names = work.begun.map(Number)
      const ofEach = [names.filter((n) => n < 1000), names.filter((n) => n >= 1000)]
      for (const begun of ofEach) assert.deepStrictEqual(begun, [...begun].sort((a, b) => a - b))
      assert.deepStrictEqual(Object.fromEntries(work.most), { a: 1, b: 1 })
    })
  )

  test(
    "holds for rows from SQL and for other tasks that name it, and without keys for all together",
    Effect.gen(function*() {
      const work = new Work()
      const shared = Limit.make("shared", { running: 1 })
      const make = (name: string) =>
        Task.make(name, [Step.make(Sync, {
          limit: shared,
          handler: (sync) =>
            Effect.as(work.during(new Sync({ name: sync.name, tenant: "all" }), Effect.sleep(1)), NextStep.none)
        })])
      const [A, B] = [make("A"), make("B")]
      yield* run(
        `insert into pg_task (step) select format('{"%s":{"Sync":{"tenant":"x","name":"%s"}}}', t, n)
        from generate_series(1, 20) as n, unnest('{A,B}'::text[]) as t`
      )
      yield* start({ tasks: [A, B] })
      yield* A.enqueueAll([sync("x", "last")])
      yield* empty
      assert.deepStrictEqual(Object.fromEntries(work.most), { all: 1 })
      assert.lengthOf(work.begun, 41)
    })
  )

  test(
    "of a chain's next state: it goes to work at once if there is a slot, and waits if there is none",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const work = new Work()
      const Chains = Task.make("Syncs", [
        Step.make(Sync, {
          limit: tenantLimit(1).by(({ tenant }) => tenant),
          next: [Sync],
          handler: (the) =>
            work.during(
              the,
              the.tenant === "done"
                ? Effect.as(gate.enter(the.name), NextStep.none)
                : Effect.succeed(NextStep.now(sync("done", the.name)))
            )
        })
      ])
      yield* start({ tasks: [Chains] })
      const first = yield* Chains.enqueue(sync("a", "first"))
      assert.strictEqual(yield* gate.next, "first")
      const second = yield* Chains.enqueue(sync("a", "second"))
      yield* eventually(
        limitedRows,
        (rows) =>
          rows.some(({ limit_key, name, slot }) => name === "second" && limit_key === "tenant:done" && slot === null)
      )
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* gone(first)
      yield* gone(second)
      assert.deepStrictEqual(Object.fromEntries(work.most), { a: 1, done: 1 })
    })
  )

  test(
    "keeps a key with very many rows out of the way of others",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Syncs = makeSyncs(({ name, tenant }) => gate.enter(`${tenant} ${name}`), 1)
      yield* start({ tasks: [Syncs] })
      yield* atTheDoor("noisy", 100_000)
      yield* Syncs.enqueueAll([sync("noisy", "new"), ...Array.from({ length: 5000 }, (_, n) => sync("noisy", n))])
      assert.strictEqual(yield* gate.next, "noisy 1")
      yield* Syncs.enqueue(sync("quiet", 1))
      assert.strictEqual(yield* gate.next, "quiet 1")
      const claimed = yield* run<{ n: number }>("select count(*)::int as n from pg_task where is_running")
      assert.deepStrictEqual(claimed, [{ n: 2 }])
      yield* run("delete from pg_task where not is_running")
      yield* gate.open
      yield* empty
    })
  )

  test(
    "may be raised and lowered: the number that a worker says last holds",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const makeWith = (running: number) => makeSyncs(({ name }) => gate.enter(name), running)
      yield* atTheDoor("a", 6, 1)
      yield* start({ tasks: [makeWith(3)] })
      const begun = [yield* gate.next, yield* gate.next, yield* gate.next]
      assert.deepStrictEqual(begun, ["1", "2", "3"])
      const Lowered = makeWith(1)
      yield* start({ tasks: [Lowered] })
      yield* Lowered.enqueue(sync("b", "other"))
      assert.strictEqual(yield* gate.next, "other")
      assert.deepStrictEqual(
        (yield* limitedRows).flatMap(({ limit_key, slot }) => limit_key === "tenant:a" && slot !== null ? [slot] : []),
        [1, 2, 3]
      )
      yield* gate.open
      yield* empty
    })
  )

  test(
    "that a new build raises lets old rows start at once, though nobody has looked at one of them",
    Effect.gen(function*() {
      yield* resetLimits
      const gate = yield* makeGate
      const makeWith = (running: number) => makeSyncs(({ name }) => gate.enter(name), running)
      const Old = makeWith(1)
      const old = yield* startApart({ tasks: [Old] })
      yield* Old.enqueueAll([1, 2, 3].map((n) => sync("a", n)))
      yield* gate.next
      yield* eventually(limitedRows, (rows) => rows.filter(({ slot }) => slot === null).length === 2)
      // It ends its step, and says its number no more.
      yield* Effect.forkScoped(closed(old))
      yield* eventually(old.worker.health, ({ alive }) => !alive)
      yield* start({ tasks: [makeWith(3)] })
      yield* gate.next
      yield* gate.next
      yield* gate.open
      yield* empty
    })
  )

  test(
    "is noted also where a look gives the first slots of a key: a new build has to find its number",
    Effect.gen(function*() {
      yield* resetLimits
      yield* atTheDoor("a", 3, 2)
      yield* atTheDoor("b", 3, 3)
      yield* run("insert into pg_task_limit (key, slots) values ('tenant:b', 1)")
      yield* grantSlots(yield* SqlClient.SqlClient, ["tenant:a", "tenant:b"])
      assert.deepStrictEqual(yield* run("select key, slots from pg_task_limit order by key"), [
        { key: "tenant:a", slots: 2 },
        { key: "tenant:b", slots: 1 }
      ])
      const holders = (yield* limitedRows).filter(({ slot }) => slot !== null && slot > 0)
      assert.deepStrictEqual(holders.map(({ limit_key }) => limit_key), ["tenant:a", "tenant:a", "tenant:b"])
    })
  )

  test(
    "that was lowered lets nobody start until fewer are at work",
    Effect.gen(function*() {
      yield* resetLimits
      const gates = new Map<string, Latch.Latch>()
      const gate = yield* makeGate
      const makeWith = (running: number) =>
        makeSyncs(({ name }) => {
          const latch = Latch.makeUnsafe()
          gates.set(name, latch)
          return Effect.andThen(Effect.andThen(gate.open, gate.enter(name)), latch.await)
        }, running)
      const Old = makeWith(3)
      const old = yield* startApart({ tasks: [Old] })
      yield* Old.enqueueAll([1, 2, 3, 4, 5].map((n) => sync("a", n)))
      const begun = [yield* gate.next, yield* gate.next, yield* gate.next]
      // It ends its steps, and takes no more.
      yield* Effect.forkScoped(closed(old))
      yield* eventually(old.worker.health, ({ alive }) => !alive)
      yield* start({ tasks: [makeWith(1)] })
      yield* eventually(run<{ slots: number }>("select slots from pg_task_limit"), ([limit]) => limit?.slots === 1)
      const holders = Effect.map(limitedRows, (rows) => rows.filter(({ slot }) => slot !== null && slot > 0).length)
      for (const left of [2, 1]) {
        gates.get(begun.shift()!)!.openUnsafe()
        yield* eventually(holders, (count) => count === left)
      }
      assert.strictEqual(yield* gate.unseen, 0)
      gates.get(begun.shift()!)!.openUnsafe()
      const fourth = yield* gate.next
      assert.strictEqual(yield* holders, 1)
      gates.get(fourth)!.openUnsafe()
      gates.get(yield* gate.next)!.openUnsafe()
      yield* empty
    })
  )

  test(
    "whose key can't be told parks the task, untried",
    Effect.gen(function*() {
      const Broken = Task.make("Syncs", [
        Step.make(Sync, {
          limit: tenantLimit(1).by(({ tenant }) => {
            if (tenant === "") throw new Error("no tenant")
            return tenant.repeat(1000)
          }),
          handler: () => Effect.succeed(NextStep.none)
        })
      ])
      yield* start({ tasks: [Broken] })
      const thrown = yield* parked(yield* Broken.enqueue(sync("", 1)))
      assert.include(thrown.error!, "no tenant")
      const tooLong = yield* parked(yield* insert(JSON.stringify({ Syncs: { Sync: { tenant: "a", name: "2" } } })))
      assert.include(tooLong.error!, "Syncs: TypeError: the key of the limit \"tenant\" must be a text of 1 to 500")
      assert.strictEqual(tooLong.tried, 0)
    })
  )

  test(
    "gives the slot back while a task waits for its next try",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Failing = Task.make("Syncs", [
        Step.make(Sync, {
          limit: tenantLimit(1).by(({ tenant }) => tenant),
          retryLimit: 1,
          retryDelay: "1 hour",
          handler: ({ name }) => name === "fails" ? Effect.fail("so it is") : Effect.as(gate.enter(name), NextStep.none)
        })
      ])
      yield* start({ tasks: [Failing] })
      yield* Failing.enqueue(sync("a", "fails"))
      yield* Failing.enqueue(sync("a", "works"))
      assert.strictEqual(yield* within(gate.next, "the other one"), "works")
      const [fails] = yield* limitedRows
      assert.deepInclude(fails, { limit_key: "tenant:a", slot: 0 })
      yield* gate.open
    })
  )
})
