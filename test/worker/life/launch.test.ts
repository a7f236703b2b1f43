import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schema } from "effect"
import { NextStep, Step, Task, Worker } from "../../../src/index.ts"
import { Job, jobs, makeGate, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { gone, listening, stopAll } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const Jobs = jobs(() => Effect.succeed(NextStep.none))
const Idle = Schema.TaggedStruct("Idle", {})
const Idlers = Task.make("Idlers", [Step.make(Idle, { handler: () => Effect.succeed(NextStep.none) })])

workerTests("Worker.launch", (test) => {
  test(
    "runs a layer, and ends once its worker was told to stop and has stopped",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Gated = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const logs = Logs.capture()
      const closed: Array<string> = []
      const Other = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => closed.push("other"))))
      const launched = yield* Effect.forkChild(
        Worker.launch(Layer.merge(Worker.layer({ tasks: [Gated] }), Other)).pipe(Effect.provide(logs.layer))
      )
      yield* listening(1)
      const id = yield* Gated.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* stopAll
      yield* logs.line("Worker draining")
      assert.deepStrictEqual(closed, [])
      yield* gate.open
      assert.deepStrictEqual(yield* within(Fiber.await(launched), "the end"), Exit.void)
      assert.deepStrictEqual(closed, ["other"])
      yield* gone(id)
    })
  )

  test(
    "waits for every worker in the layer, also for one that the layer doesn't provide",
    Effect.gen(function*() {
      const workers: Array<Worker.Worker["Service"]> = []
      const hide = <E, R>(worker: Layer.Layer<Worker.Worker, E, R>) =>
        Layer.effectDiscard(Effect.map(Worker.Worker, (started) => workers.push(started))).pipe(Layer.provide(worker))
      const hidden = Layer.merge(hide(Worker.layer({ tasks: [Jobs] })), hide(Worker.layer({ tasks: [Idlers] })))
      const launched = yield* Effect.forkChild(Worker.launch(hidden))
      yield* eventually(Effect.sync(() => workers.length), (started) => started === 2)
      yield* within(workers[0]!.stop, "the end of one")
      assert.isUndefined(launched.pollUnsafe())
      yield* workers[1]!.stop
      assert.deepStrictEqual(yield* within(Fiber.await(launched), "the end"), Exit.void)
    })
  )

  test(
    "lets the layer's errors and an interruption pass",
    Effect.gen(function*() {
      const failed = yield* Effect.flip(Worker.launch(Worker.layer({ tasks: [Jobs], concurrency: 0 })))
      assert.strictEqual(failed._tag, "TaskDefinitionError")
      const launched = yield* Effect.forkChild(Worker.launch(Worker.layer({ tasks: [Jobs] })))
      yield* listening(1)
      yield* within(Fiber.interrupt(launched), "the end")
      yield* listening(0)
    })
  )

  test(
    "refuses a layer in which no worker starts: it would never end",
    Effect.gen(function*() {
      const error = yield* Effect.flip(Worker.launch(Layer.empty))
      assert.strictEqual(error._tag, "TaskDefinitionError")
      assert.include(error.message, "no worker")
    })
  )
})
