/** Rows in former states, through a worker: run as the state that they became, and written back with a transition. */
import { assert } from "@effect/vitest"
import { Effect, Queue, Schema } from "effect"
import { NextStep, Step, Task } from "../../src/index.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { capture } from "../support/worker/Logs.ts"
import { gone, insert, parked, row, rowWhere } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

class ReadV1 extends Schema.TaggedClass<ReadV1>()("Read", { file: Schema.String }) {}
class ReadV2 extends Schema.TaggedClass<ReadV2>()("ReadFrom", { path: Schema.String }) {}
class ReadV3 extends Schema.TaggedClass<ReadV3>()("ReadIn", { dir: Schema.String, name: Schema.String }) {}
class Hello extends Schema.TaggedClass<Hello>()("Hello", {}) {}

const from = [
  Step.former(ReadV2, ({ path }) => Effect.succeed(new ReadV3({ dir: ".", name: path }))),
  Step.former(ReadV1, ({ file }) => new ReadV2({ path: file }))
] as const

const hello = Step.make(Hello, { handler: () => Effect.succeed(NextStep.none) })

const old = `{"Reader":{"Read":{"file":"a"}}}`

workerTests("a row in a former state", (test) => {
  test(
    "runs as the state that it became, and is written back with the next transition",
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<readonly [ReadV3, string]>()
      const read = Step.make(ReadV3, {
        from,
        next: [Hello],
        handler: Effect.fnUntraced(function*(state) {
          yield* Queue.offer(seen, [state, (yield* Step.Context).step] as const)
          return NextStep.delay(new Hello(), "1 hour")
        })
      })
      const id = yield* insert(old)
      yield* start({ tasks: [Task.make("Reader", [read, hello])] })
      const [state, step] = yield* within(Queue.take(seen), "the state")
      assert.deepStrictEqual([state, step], [new ReadV3({ dir: ".", name: "a" }), "ReadIn"])
      yield* rowWhere(id, (row) => row.step === `{"Reader":{"Hello":{}}}`)
    })
  )

  test(
    "stays as it is while its step is retried, and when it is parked; both are logged with its tag",
    Effect.gen(function*() {
      const logs = capture()
      let tries = 0
      const read = Step.make(ReadV3, {
        from,
        retryLimit: 1,
        retryDelay: "10 millis",
        handler: () => Effect.suspend(() => Effect.fail(new Error(`try ${++tries}`)))
      })
      const id = yield* insert(old)
      yield* Effect.provide(start({ tasks: [Task.make("Reader", [read])] }), logs.layer)
      const left = yield* parked(id)
      assert.deepInclude(left, { step: old, tried: 2 })
      assert.include(left.error, "try 2")
      const about = { task: "Reader", step: "ReadIn", former: "Read", id }
      assert.deepInclude((yield* logs.line("Retry in 10ms")).annotations, { ...about, attempt: 1 })
      assert.deepInclude((yield* logs.line("Parked: ")).annotations, { ...about, attempt: 2 })
    })
  )

  test(
    "is parked, untried, if what it became can't be worked out; repaired, it goes on",
    Effect.gen(function*() {
      let broken = true
      const read = Step.make(ReadV3, {
        retryLimit: 5,
        from: [
          Step.former(
            ReadV1,
            ({ file }) => broken ? Effect.die("no directory") : Effect.succeed(new ReadV3({ dir: "", name: file }))
          )
        ],
        handler: () => Effect.succeed(NextStep.none)
      })
      const id = yield* insert(old)
      const Reader = Task.make("Reader", [read])
      yield* start({ tasks: [Reader] })
      const left = yield* parked(id)
      assert.deepInclude(left, { step: old, tried: 0, crashes: 0 })
      assert.include(left.error, "no directory")
      broken = false
      yield* Effect.flatMap(insert(old), gone)
      assert.isDefined(yield* row(id))
    })
  )
})
