// `replace` on a task that runs: the newest state runs once afterwards, never beside, however the attempt ends.
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Latch, Queue, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Admin, Metrics, NextStep, Step, Task } from "../../../src/index.ts"
import { outcomes } from "../../support/telemetry/Outcomes.ts"
import * as Series from "../../support/telemetry/Series.ts"
import { closed, start, startApart, workerTests } from "../../support/worker/Fixture.ts"
import { holding } from "../../support/worker/Locks.ts"
import { empty, gone, orphan, parked, row, rows, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const ways = ["finished", "final", "continued", "rescheduled", "retried", "parked"] as const
type Way = typeof ways[number]

const told = [
  ["finished", false],
  ["finished", true],
  ["final", false],
  ["continued", false],
  ["retried", false],
  ["parked", false],
  ["parked", true]
] as const

class Old extends Schema.TaggedClass<Old>()("Old", { way: Schema.Literals([...ways, "endless"]) }) {}
class New extends Schema.TaggedClass<New>()("New", { n: Schema.Number }) {}
class Next extends Schema.TaggedClass<Next>()("Next", {}) {}
class Done extends Schema.TaggedClass<Done>()("Done", {}) {}

/** A task, and what its steps do: the first waits to be let go, and nothing may run beside it. */
const makeReindex = (transactional: boolean) =>
  Effect.gen(function*() {
    const began = yield* Queue.unbounded<string>()
    const letGo = yield* Latch.make()
    let running = 0
    const ran: Array<string> = []
    const alone = <A, E, R>(name: string, step: Effect.Effect<A, E, R>) =>
      Effect.suspend(() => {
        ran.push(++running > 1 ? `${name} beside another` : name)
        Queue.offerUnsafe(began, name)
        return Effect.ensuring(step, Effect.sync(() => running--))
      })
    const move = (way: Old["way"]): Effect.Effect<NextStep.NextStep<Next | Done>, string> => {
      switch (way) {
        case "finished":
          return Effect.succeed(NextStep.none)
        case "final":
          return Effect.succeed(NextStep.now(new Done()))
        case "continued":
          return Effect.succeed(NextStep.now(new Next()))
        case "rescheduled":
          return Effect.succeed(NextStep.delay(new Next(), "1 hour"))
        case "endless":
          return Effect.never
        case "retried":
        case "parked":
          return Effect.fail("no")
      }
    }
    const old = (retryLimit: number) =>
      Step.make(Old, {
        next: [Next, Done],
        retryLimit,
        retryDelay: "1 hour",
        transactional,
        handler: ({ way }) => alone("Old", Effect.andThen(letGo.await, move(way)))
      })
    const next = Step.make(Next, { handler: () => alone("Next", Effect.succeed(NextStep.none)) })
    const fresh = Step.make(New, { handler: ({ n }) => alone(`New ${n}`, Effect.succeed(NextStep.none)) })
    const task = (way: Way) =>
      Task.make("Reindex", [old(way === "retried" ? 3 : 0), next, fresh, Step.final(Done, { keep: "1 day" })])
    return { task, ran, letGo, began: within(Queue.take(began), "no step began") }
  })

const keyed = { key: "products", onConflict: "replace" } as const

workerTests("a state that replaces a running one", (test) => {
  for (const transactional of [false, true]) {
    for (const way of ways) {
      test(
        `runs next when the attempt is ${way}${transactional ? " in a transaction" : ""}`,
        Effect.gen(function*() {
          const { began, letGo, ran, task } = yield* makeReindex(transactional)
          const Reindex = task(way)
          yield* start({ tasks: [Reindex] })
          const first = yield* Reindex.enqueue(new Old({ way }), { key: "products" })
          yield* began
          for (const n of [1, 2, 3]) {
            const replaced = yield* Reindex.enqueue(new New({ n }), keyed)
            assert.deepStrictEqual(replaced, { id: first.id, created: false, status: "running" })
          }
          assert.include((yield* row(first.id))!.step, "Old")
          yield* letGo.open
          yield* empty
          assert.deepStrictEqual(ran, ["Old", "New 3"])
        })
      )

      test(
        `runs next when the attempt is ${way}, and the replacement is not committed yet${
          transactional ? ", in a transaction" : ""
        }`,
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const { began, letGo, ran, task } = yield* makeReindex(transactional)
          const Reindex = task(way)
          yield* start({ tasks: [Reindex] })
          yield* Reindex.enqueue(new Old({ way }), { key: "products" })
          yield* began
          const isReplaced = yield* Deferred.make<void>()
          const isToCommit = yield* Deferred.make<void>()
          const replacing = yield* Reindex.enqueue(new New({ n: 1 }), keyed).pipe(
            Effect.andThen(Deferred.succeed(isReplaced, undefined)),
            Effect.andThen(Deferred.await(isToCommit)),
            sql.withTransaction,
            Effect.forkScoped
          )
          yield* Deferred.await(isReplaced)
          yield* letGo.open
          // The worker's statement waits for the row.
          yield* eventually(
            run("select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"),
            (found) => found.length > 0
          )
          yield* Deferred.succeed(isToCommit, undefined)
          yield* Fiber.join(replacing)
          yield* empty
          assert.deepStrictEqual(ran, ["Old", "New 1"])
        })
      )
    }
  }

  for (const [way, transactional] of told) {
    test(
      `is told apart in the metrics when the attempt is ${way}${transactional ? ", in a transaction" : ""}`,
      Effect.gen(function*() {
        const series = Series.capture()
        const { began, letGo, task } = yield* makeReindex(transactional)
        const Reindex = task(way)
        yield* Effect.provide(start({ tasks: [Reindex] }), series.layer)
        yield* Reindex.enqueue(new Old({ way }), { key: "products" })
        yield* began
        yield* Reindex.enqueue(new New({ n: 1 }), keyed)
        yield* letGo.open
        yield* empty
        const outcome = way === "final" ? "finished" : way
        const of = { task: "Reindex", step: "Old", outcome }
        yield* series.until(Metrics.replaced, 1, of)
        assert.deepStrictEqual(outcomes(series, of), { [outcome]: 1 })
        assert.lengthOf(series.all(Metrics.replaced), 1)
      })
    )
  }

  test(
    "runs next when the attempt is released",
    Effect.gen(function*() {
      const { began, ran, task } = yield* makeReindex(false)
      const Reindex = task("finished")
      const apart = yield* startApart({ tasks: [Reindex], shutdownTimeout: 0 })
      const { id } = yield* Reindex.enqueue(new Old({ way: "endless" }), { key: "products" })
      yield* began
      yield* Reindex.enqueue(new New({ n: 1 }), keyed)
      yield* closed(apart)
      assert.deepInclude(yield* row(id), { step: `{"Reindex":{"New":{"n":1}}}`, status: "ready", transitions: 1 })
      yield* start({ tasks: [Reindex] })
      yield* empty
      assert.deepStrictEqual(ran, ["Old", "New 1"])
    })
  )

  test(
    "runs next when its worker has crashed, also for the last time",
    Effect.gen(function*() {
      const { ran, task } = yield* makeReindex(false)
      const Reindex = task("finished")
      for (const crashes of [0, 2]) {
        const { id } = yield* Reindex.enqueue(new Old({ way: "endless" }), { key: "products" })
        yield* orphan(id, 60_000)
        yield* run("update pg_task set crashes = $1", [crashes])
        yield* Reindex.enqueue(new New({ n: crashes }), keyed)
        yield* orphan(id, -1)
        const apart = yield* startApart({ tasks: [Reindex], lease: "200 millis", pollInterval: "50 millis" })
        yield* empty
        yield* closed(apart)
      }
      assert.deepStrictEqual(ran, ["New 0", "New 2"])
    })
  )

  test(
    "takes its time with it",
    Effect.gen(function*() {
      const { began, letGo, task } = yield* makeReindex(false)
      const Reindex = task("finished")
      yield* start({ tasks: [Reindex] })
      const { id } = yield* Reindex.enqueue(new Old({ way: "finished" }), { key: "products" })
      yield* began
      yield* Reindex.delay(new New({ n: 1 }), "1 hour", keyed)
      yield* letGo.open
      const found = yield* eventually(row(id), (found) => found?.status === "scheduled")
      assert.isAbove(found!.dueIn, 3_500_000)
    })
  )

  test(
    "that a person has written without a time is due at once; one that is none parks the task, and holds up no rescue",
    Effect.gen(function*() {
      const { letGo, ran, task } = yield* makeReindex(false)
      const Reindex = task("finished")
      const pendings = {
        untimed: `{"step":"{\\"Reindex\\":{\\"New\\":{\\"n\\":5}}}"}`,
        mistimed: `{"step":"{\\"Reindex\\":{\\"New\\":{\\"n\\":6}}}","at":"soon"}`,
        stateless: `{"at":"2020-01-01T00:00:00Z"}`,
        none: `7`
      }
      const ids = yield* Effect.forEach([...Object.values(pendings), null], (pending) =>
        Effect.gen(function*() {
          const id = yield* Reindex.enqueue(new Old({ way: "finished" }))
          yield* orphan(id, -120_000)
          yield* run("update pg_task set pending = $2::jsonb where id = $1::uuid", [id, pending])
          return id
        }))
      yield* letGo.open
      yield* start({ tasks: [Reindex], lease: "900 millis" })
      const [untimed, mistimed, stateless, none, plain] = ids
      for (const id of [untimed, plain]) yield* gone(id!)
      assert.deepStrictEqual([...ran].sort(), ["New 5", "Old"])
      const late = yield* parked(mistimed!)
      assert.strictEqual(late.step, `{"Reindex":{"New":{"n":6}}}`)
      assert.include(late.error, `its "at" is 'soon', which is no time`)
      for (const id of [stateless, none]) {
        const unfit = yield* parked(id!)
        assert.strictEqual(unfit.step, `{"Reindex":{"Old":{"way":"finished"}}}`)
        assert.include(unfit.error, `it has no "step"`)
      }
    })
  )

  test(
    "gives way to an edit, and to a cancel",
    Effect.gen(function*() {
      const { task } = yield* makeReindex(false)
      const Reindex = task("finished")
      const { id } = yield* Reindex.enqueue(new Old({ way: "finished" }), { key: "products" })
      yield* orphan(id, -120_000)
      yield* Reindex.enqueue(new New({ n: 1 }), keyed)
      yield* Admin.edit(Reindex, id, new New({ n: 2 }))
      assert.deepInclude(yield* row(id), { step: `{"Reindex":{"New":{"n":2}}}`, status: "ready" })
      yield* orphan(id, 60_000)
      yield* Reindex.enqueue(new New({ n: 3 }), keyed)
      yield* Admin.cancel(id)
      assert.deepStrictEqual(yield* rows, [])
    })
  )
})

workerTests("a state that replaces one that doesn't run", (test) => {
  const stateOf = (n: number) => `{"Reindex":{"New":{"n":${n}}}}`

  test(
    "has its place at once, with the time that goes with it",
    Effect.gen(function*() {
      const Reindex = (yield* makeReindex(false)).task("finished")
      const first = yield* Reindex.enqueue(new New({ n: 1 }), { ...keyed, delay: "1 day" })
      assert.isTrue(first.created)
      const { id } = first
      assert.deepStrictEqual(yield* Reindex.enqueue(new New({ n: 2 }), keyed), { id, created: false, status: "ready" })
      assert.deepInclude(yield* row(id), { step: stateOf(2), status: "ready", transitions: 1 })
      const later = yield* Reindex.enqueue(new New({ n: 3 }), { ...keyed, delay: "1 hour" })
      assert.strictEqual(later.status, "scheduled")
      assert.deepInclude(yield* row(id), { step: stateOf(3), delay: 3_600_000, transitions: 2 })
      assert.deepStrictEqual(yield* run("select pending from pg_task"), [{ pending: null }])
    })
  )

  test(
    "revives a parked one",
    Effect.gen(function*() {
      const Reindex = (yield* makeReindex(false)).task("finished")
      const { id } = yield* Reindex.enqueue(new New({ n: 1 }), { key: "products" })
      yield* run("update pg_task set error = 'no', tried = 3, crashes = 2, last_error = 'no'")
      assert.strictEqual((yield* Reindex.enqueue(new New({ n: 2 }), keyed)).status, "ready")
      assert.deepInclude(yield* row(id), { step: stateOf(2), status: "ready", error: null, tried: 0, crashes: 0 })
    })
  )

  test(
    "follows one that has ended, whose result stays",
    Effect.gen(function*() {
      const Reindex = (yield* makeReindex(false)).task("finished")
      const { id } = yield* Reindex.enqueue(new New({ n: 1 }), { key: "products" })
      yield* run("update pg_task set ended_at = now(), kept_until = now() + interval '1 day'")
      const second = yield* Reindex.enqueue(new New({ n: 2 }), keyed)
      assert.isTrue(second.created)
      assert.strictEqual((yield* Admin.get(id)).status, "ended")
      yield* run("update pg_task set ended_at = now(), kept_until = now() + interval '1 day'")
      const [third, fourth] = yield* Reindex.enqueueAll([new New({ n: 3 }), new New({ n: 4 })], {
        key: () => "products",
        onConflict: "replace"
      })
      assert.isTrue(third!.created)
      assert.deepStrictEqual(fourth, { ...third!, created: false })
      assert.strictEqual((yield* row(third!.id))!.step, stateOf(4))
    })
  )

  test(
    "is lost by nobody while the task ends",
    Effect.gen(function*() {
      const Reindex = (yield* makeReindex(false)).task("finished")
      const { id } = yield* Reindex.enqueue(new New({ n: 1 }), { key: "products" })
      const commit = yield* holding(`delete from pg_task where id = '${id}'`)
      const replacing = yield* Effect.forkScoped(Reindex.enqueue(new New({ n: 2 }), keyed))
      yield* eventually(
        run("select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"),
        (found) => found.length > 0
      )
      yield* commit
      assert.isTrue((yield* Fiber.join(replacing)).created)
      assert.deepStrictEqual((yield* rows).map(({ step }) => step), [stateOf(2)])
    })
  )
})

workerTests("a storm of replacements", (test) => {
  test(
    "ends with the newest state, run alone",
    Effect.gen(function*() {
      let running = 0
      let beside = 0
      let last = 0
      const Storm = Task.make("Storm", [
        Step.make(New, {
          next: [New],
          handler: ({ n }) =>
            Effect.suspend(() => {
              if (++running > 1) beside++
              last = n
              return Effect.yieldNow.pipe(
                Effect.andThen(n % 3 === 0 ? Effect.fail("no") : Effect.succeed(NextStep.none)),
                Effect.ensuring(Effect.sync(() => running--))
              )
            })
        })
      ])
      yield* start({ tasks: [Storm] })
      yield* start({ tasks: [Storm] })
      for (let round = 0; round < 20; round++) {
        const numbers = Array.from({ length: 15 }, (_, n) => 1 + round * 20 + n)
        yield* Effect.forEach(numbers, (n) => Storm.enqueue(new New({ n }), keyed), { concurrency: 5 })
        const newest = 20 * (round + 1)
        yield* Storm.enqueue(new New({ n: newest + (newest % 3 === 0 ? 1 : 0) }), keyed)
        yield* empty
        assert.strictEqual(last, newest + (newest % 3 === 0 ? 1 : 0))
      }
      assert.strictEqual(beside, 0)
    })
  )
})

workerTests("debounce and throttle", (test) => {
  test(
    "begin the wait anew, or keep the time",
    Effect.gen(function*() {
      const Reindex = (yield* makeReindex(false)).task("finished")
      const enqueue = (n: number, onConflict: Task.OnConflict) =>
        Reindex.enqueue(new New({ n }), { key: "products", onConflict, delay: "1 hour" })
      const { id } = yield* enqueue(1, "throttle")
      const { dueIn } = (yield* row(id))!
      yield* run("update pg_task set wakeup_at = now() + interval '10 minutes'")
      yield* enqueue(2, "throttle")
      assert.isBelow((yield* row(id))!.dueIn, 600_001)
      assert.include((yield* row(id))!.step, `"n":2`)
      yield* enqueue(3, "debounce")
      assert.isAbove((yield* row(id))!.dueIn, dueIn - 60_000)
      assert.include((yield* row(id))!.step, `"n":3`)
      yield* run("update pg_task set wakeup_at = now() - interval '1 minute'")
      assert.strictEqual((yield* enqueue(4, "throttle")).status, "ready")
      // A parked task is not scheduled.
      yield* run("update pg_task set error = 'no'")
      assert.strictEqual((yield* enqueue(5, "throttle")).status, "scheduled")
    })
  )

  test(
    "do so for many at once",
    Effect.gen(function*() {
      const Reindex = (yield* makeReindex(false)).task("finished")
      const enqueue = (n: number, onConflict: Task.OnConflict) =>
        Reindex.enqueueAll([new New({ n })], { key: () => "products", onConflict, delay: "1 hour" })
      const [first] = yield* enqueue(1, "throttle")
      const { id } = first!
      yield* run("update pg_task set wakeup_at = now() + interval '10 minutes'")
      yield* enqueue(2, "throttle")
      assert.isBelow((yield* row(id))!.dueIn, 600_001)
      assert.include((yield* row(id))!.step, `"n":2`)
      yield* enqueue(3, "debounce")
      assert.isAbove((yield* row(id))!.dueIn, 3_000_000)
      assert.include((yield* row(id))!.step, `"n":3`)
    })
  )

  test(
    "do so for what is to follow a running one",
    Effect.gen(function*() {
      const Reindex = (yield* makeReindex(false)).task("finished")
      const { id } = yield* Reindex.enqueue(new Old({ way: "endless" }), { key: "products" })
      yield* orphan(id, 60_000)
      const pending = Effect.map(
        run<{ n: number; due: number }>(
          `select (pending ->> 'step')::json #>> '{Reindex,New,n}' as n,
            extract(epoch from (pending ->> 'at')::timestamptz - now())::int as due from pg_task`
        ),
        ([found]) => [Number(found!.n), Math.round(found!.due / 600)]
      )
      const enqueue = (n: number, onConflict: Task.OnConflict, delay: "10 minutes" | "1 hour") =>
        Reindex.enqueue(new New({ n }), { key: "products", onConflict, delay })
      yield* enqueue(1, "throttle", "1 hour")
      assert.deepStrictEqual(yield* pending, [1, 6])
      yield* enqueue(2, "throttle", "10 minutes")
      assert.deepStrictEqual(yield* pending, [2, 6])
      yield* enqueue(3, "debounce", "10 minutes")
      assert.deepStrictEqual(yield* pending, [3, 1])
    })
  )
})
