import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import * as Spans from "../support/telemetry/Spans.ts"
import { closed, Job, jobs, makeGate, start, startApart, workerTests } from "../support/worker/Fixture.ts"
import { gone, insert, parked, row, rowWhere, run, steal } from "../support/worker/Table.ts"

class Read extends Schema.TaggedClass<Read>()("Read", {}) {}
class Pack extends Schema.TaggedClass<Pack>()("Pack", {}) {}
class Ship extends Schema.TaggedClass<Ship>()("Ship", {}) {}

/** Reads, fails to pack once, packs, and ships after a delay. */
const makeOrder = () => {
  const read = Step.make(Read, { next: [Pack], handler: () => Effect.succeed(NextStep.now(new Pack())) })
  const pack = Step.make(Pack, {
    next: [Ship],
    retryLimit: 1,
    retryDelay: "1 milli",
    handler: Effect.fnUntraced(function*() {
      const { attempt } = yield* Step.Context
      return attempt === 1 ? yield* Effect.fail(new Error("no box")) : NextStep.delay(new Ship(), "1 milli")
    })
  })
  const ship = Step.make(Ship, { handler: () => Effect.succeed(NextStep.none) })
  return Task.make("Order", [read, pack, ship])
}

const orderSpans = [
  { name: "Order.Read", attempt: 1, outcome: "continued" },
  { name: "Order.Pack", attempt: 1, outcome: "retried" },
  { name: "Order.Pack", attempt: 2, outcome: "rescheduled" },
  { name: "Order.Ship", attempt: 1, outcome: "finished" }
]

const outcomeOf = ({ attributes }: Spans.Ended) => attributes["pg_task.outcome"]

const summary = (span: Spans.Ended) => ({
  name: span.name,
  attempt: span.attributes["pg_task.attempt"],
  outcome: outcomeOf(span)
})

const fails = () => Effect.fail(new Error("out of stock"))

workerTests("an attempt's span", (test) => {
  test(
    "names the task, the step, the row, the attempt, the wait and the outcome",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const Order = makeOrder()
      yield* Effect.provide(start({ tasks: [Order] }), spans.layer)
      const id = yield* Order.enqueue(new Read())
      const ended = yield* spans.atLeast(4)
      assert.deepStrictEqual(ended.map(summary), orderSpans)
      for (const { attributes, kind, name } of ended) {
        assert.strictEqual(kind, "consumer")
        assert.strictEqual(`${String(attributes["pg_task.task"])}.${String(attributes["pg_task.step"])}`, name)
        assert.strictEqual(attributes["pg_task.id"], id)
        assert.isAtLeast(attributes["pg_task.wait_ms"] as number, 0)
        assert.strictEqual(Object.keys(attributes).length, 6)
      }
    })
  )

  test(
    "ends as the step did: a failure with its error, though the worker goes on",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const Jobs = jobs(({ name }) => name === "bug" ? Effect.die(new TypeError("a bug")) : fails())
      yield* Effect.provide(start({ tasks: [Jobs] }), spans.layer)
      yield* parked(yield* Jobs.enqueue(new Job({ name: "failure" })))
      yield* parked(yield* Jobs.enqueue(new Job({ name: "bug" })))
      const [failure, bug] = yield* spans.atLeast(2)
      const message = ({ exit }: Spans.Ended) => Exit.isFailure(exit) && (Cause.squash(exit.cause) as Error).message
      assert.deepStrictEqual([message(failure!), outcomeOf(failure!)], ["out of stock", "parked"])
      assert.deepStrictEqual([message(bug!), outcomeOf(bug!)], ["a bug", "parked"])
    })
  )

  test(
    "ends as an interruption when the worker stops, or has lost the lease",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const apart = yield* Effect.provide(
        startApart({ tasks: [Jobs], lease: "600 millis", shutdownTimeout: 0 }),
        spans.layer
      )
      const stolen = yield* Jobs.enqueue(new Job({ name: "stolen" }))
      yield* gate.next
      yield* steal(stolen)
      yield* spans.atLeast(1)
      yield* run("delete from pg_task")
      yield* Jobs.enqueue(new Job({ name: "stopped" }))
      yield* gate.next
      yield* closed(apart)
      const ended = yield* spans.atLeast(2)
      for (const span of ended) {
        assert.isTrue(Exit.isFailure(span.exit) && Cause.hasInterruptsOnly(span.exit.cause))
      }
      assert.deepStrictEqual(ended.map(outcomeOf), ["lost", "released"])
    })
  )

  test(
    "is there for transactional steps, too",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const Transactional = Task.make("Transactional", [
        Step.make(Job, {
          transactional: true,
          handler: ({ name }) => name === "fails" ? fails() : Effect.succeed(NextStep.none)
        })
      ])
      yield* Effect.provide(start({ tasks: [Transactional] }), spans.layer)
      yield* gone(yield* Transactional.enqueue(new Job({ name: "works" })))
      yield* parked(yield* Transactional.enqueue(new Job({ name: "fails" })))
      const steps = (yield* spans.atLeast(4)).filter(({ name }) => name === "Transactional.Job")
      assert.deepStrictEqual(steps.map(outcomeOf), ["finished", "parked"])
      assert.deepStrictEqual(steps.map(({ exit }) => exit._tag), ["Success", "Failure"])
    })
  )
})

workerTests("a task's trace", (test) => {
  test(
    "is its enqueuer's, for every attempt and every step",
    Effect.gen(function*() {
      const shop = Spans.capture()
      const spans = Spans.capture()
      const Order = makeOrder()
      yield* Effect.provide(start({ tasks: [Order] }), spans.layer)
      yield* Order.enqueue(new Read()).pipe(Effect.withSpan("checkout"), Effect.provide(shop.layer))
      const checkout = shop.ended().find(({ name }) => name === "checkout")!
      const ended = yield* spans.atLeast(4)
      assert.deepStrictEqual(ended.map(summary), orderSpans)
      for (const { parent, sampled, traceId } of ended) {
        assert.strictEqual(traceId, checkout.traceId)
        assert.strictEqual(parent, checkout.spanId)
        assert.isTrue(sampled)
      }
    })
  )

  test(
    "is its enqueuer's for each of many that are enqueued at once",
    Effect.gen(function*() {
      const shop = Spans.capture()
      const spans = Spans.capture()
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* Effect.provide(start({ tasks: [Jobs] }), spans.layer)
      yield* Jobs.enqueueAll(["a", "b", "c"].map((name) => new Job({ name }))).pipe(
        Effect.withSpan("checkout"),
        Effect.provide(shop.layer)
      )
      const steps = yield* spans.atLeast(3)
      const checkout = shop.ended().find(({ name }) => name === "checkout")!
      for (const { parent, traceId } of steps) {
        assert.deepStrictEqual([traceId, parent], [checkout.traceId, checkout.spanId])
      }
      assert.strictEqual(new Set(steps.map(({ spanId }) => spanId)).size, 3)
    })
  )

  test(
    "goes on through what its steps enqueue and do",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const Second = Task.make("Second", [Step.make(Pack, { handler: () => Effect.succeed(NextStep.none) })])
      const First = Task.make("First", [
        Step.make(Read, {
          handler: () =>
            Second.enqueue(new Pack()).pipe(
              Effect.andThen(Effect.withSpan(Effect.void, "of the handler")),
              Effect.as(NextStep.none)
            )
        })
      ])
      yield* Effect.provide(start({ tasks: [First, Second] }), spans.layer)
      yield* First.enqueue(new Read())
      const first = yield* spans.named("First.Read")
      const second = yield* spans.named("Second.Pack")
      const inner = yield* spans.named("of the handler")
      assert.strictEqual(first.parent, undefined)
      for (const { parent, traceId } of [second, inner]) {
        assert.deepStrictEqual([traceId, parent], [first.traceId, first.spanId])
      }
    })
  )

  test(
    "is not sampled where its enqueuer's is not",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* Effect.provide(start({ tasks: [Jobs] }), spans.layer)
      yield* Jobs.enqueue(new Job({ name: "a" })).pipe(Effect.withSpan("checkout", { sampled: false }))
      const [span] = yield* spans.atLeast(1)
      assert.isFalse(span!.sampled)
    })
  )

  test(
    "is that of the span around, where its enqueuer has turned its own tracing off",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* Effect.provide(start({ tasks: [Jobs] }), spans.layer)
      const quiet = (name: string) =>
        Jobs.enqueue(new Job({ name })).pipe(Effect.withSpan("quiet"), Effect.withTracerEnabled(false))
      const id = yield* quiet("outside of any")
      const [outside] = yield* spans.atLeast(1)
      assert.deepStrictEqual([outside!.attributes["pg_task.id"], outside!.parent], [id, undefined])
      const around = yield* quiet("within one").pipe(Effect.andThen(Effect.currentSpan), Effect.withSpan("around"))
      const [, within] = yield* spans.atLeast(2)
      assert.deepStrictEqual([within!.traceId, within!.parent], [around.traceId, around.spanId])
    })
  )

  test(
    "is whatever traceparent a row was inserted with",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* Effect.provide(start({ tasks: [Jobs] }), spans.layer)
      const [traceId, spanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]
      for (const [flags, sampled] of [["01", true], ["00", false], ["03", true]] as const) {
        const before = spans.ended().length
        yield* run("insert into pg_task (step, trace) values ($1, $2)", [
          `{"Jobs":{"Job":{"name":"a"}}}`,
          `00-${traceId}-${spanId}-${flags}`
        ])
        const span = (yield* spans.atLeast(before + 1)).at(-1)!
        assert.deepStrictEqual([span.traceId, span.parent, span.sampled], [traceId, spanId, sampled])
      }
    })
  )

  test(
    "is a new one for rows without, or with one that nobody can read",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* Effect.provide(start({ tasks: [Jobs] }), spans.layer).pipe(Effect.withSpan("the program"))
      yield* insert(`{"Jobs":{"Job":{"name":"a"}}}`)
      yield* spans.atLeast(1)
      yield* run("insert into pg_task (step, trace) values ($1, 'nonsense')", [`{"Jobs":{"Job":{"name":"b"}}}`])
      const ended = yield* spans.atLeast(2)
      assert.deepStrictEqual(ended.map(({ parent }) => parent), [undefined, undefined])
      assert.strictEqual(new Set(ended.map(({ traceId }) => traceId)).size, 2)
    })
  )
})

workerTests("the worker's own statements", (test) => {
  test(
    "make no spans; a handler's do",
    Effect.gen(function*() {
      const spans = Spans.capture()
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql`select 1`
          // Long enough for its lease to be renewed, and for some polls.
          yield* gate.enter(name)
          return name === "a" ? NextStep.now(new Job({ name: "b" })) : NextStep.none
        })
      )
      const apart = yield* Effect.provide(
        startApart({ tasks: [Jobs], lease: "6 seconds", pollInterval: "50 millis" }),
        spans.layer
      )
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      const { leaseUntil } = (yield* row(id))!
      yield* rowWhere(id, (renewed) => renewed.leaseUntil! > leaseUntil!)
      yield* gate.open
      yield* gone(id)
      yield* closed(apart)
      const isStatement = ({ attributes }: Spans.Ended) => "db.query.text" in attributes
      const steps = spans.ended().filter((span) => !isStatement(span))
      assert.deepStrictEqual(steps.map(({ name }) => name), ["Jobs.Job", "Jobs.Job"])
      assert.deepStrictEqual(
        spans.ended().filter(isStatement).map(({ attributes, parent }) => [attributes["db.query.text"], parent]),
        steps.map(({ spanId }) => ["select 1", spanId])
      )
    })
  )
})
