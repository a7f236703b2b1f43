import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { NextStep, Task, TaskError, Worker } from "../../../src/index.ts"
import { Job, jobs, makeGate, start, workerTests } from "../../support/worker/Fixture.ts"
import { empty, gone, row } from "../../support/worker/Table.ts"

const Jobs = jobs(() => Effect.succeed(NextStep.none))

/** Options that make no sense, as TypeScript's users can't all write them, and what the error says. */
const mistakes: Record<string, readonly [options: object, message: string]> = {
  "no options": [undefined as never, "options"],
  "no tasks": [{ tasks: [] }, "`tasks`"],
  "tasks that are missing": [{}, "`tasks`"],
  "tasks that are none": [{ tasks: [{ name: "Jobs" }] }, "Task.make"],
  "a task that is only declared": [
    { tasks: [Jobs, Task.declare("Others", { states: [Job] })] },
    `the task "Others" is only declared: make it with Task.make and its steps`
  ],
  "a name twice": [{ tasks: [Jobs, Jobs] }, `two tasks of this worker have the name "Jobs"`],
  "concurrency 0": [{ tasks: [Jobs], concurrency: 0 }, "`concurrency`"],
  "concurrency 1.5": [{ tasks: [Jobs], concurrency: 1.5 }, "`concurrency`"],
  "concurrency NaN": [{ tasks: [Jobs], concurrency: NaN }, "`concurrency`"],
  "a concurrency that is text": [{ tasks: [Jobs], concurrency: "10" }, "`concurrency`"],
  "a negative buffer": [{ tasks: [Jobs], bufferSize: -1 }, "`bufferSize`"],
  "no crashes": [{ tasks: [Jobs], maxCrashes: 0 }, "`maxCrashes`"],
  "a lease of nothing": [{ tasks: [Jobs], lease: 0 }, "`lease`"],
  "a lease without end": [{ tasks: [Jobs], lease: Infinity }, "`lease`"],
  "a lease that is no duration": [{ tasks: [Jobs], lease: "soon" }, "`lease`"],
  "a lease that is an object": [{ tasks: [Jobs], lease: { weeks: "two" } }, "`lease`"],
  "a poll interval of nothing": [{ tasks: [Jobs], pollInterval: 0 }, "`pollInterval`"],
  "a poll interval that is no duration": [{ tasks: [Jobs], pollInterval: "often" }, "`pollInterval`"],
  "a shutdown timeout that is no duration": [{ tasks: [Jobs], shutdownTimeout: "never" }, "`shutdownTimeout`"]
}

workerTests("options that make no sense", (test) => {
  for (const [what, [options, message]] of Object.entries(mistakes)) {
    test(
      `fail with a TaskDefinitionError that says what is wrong: ${what}`,
      Effect.gen(function*() {
        const given = options as Worker.Options<[typeof Jobs]>
        for (const attempt of [Worker.make(given), Layer.build(Worker.layer(given)), Worker.run(given)]) {
          const error = yield* Effect.flip(attempt)
          assert.instanceOf(error, TaskError.TaskDefinitionError)
          assert.include(error.message, message)
        }
      })
    )
  }
})

workerTests("options", (test) => {
  test(
    "at their limits work: one step at a time, no buffer, the shortest lease",
    Effect.gen(function*() {
      yield* start({
        tasks: [Jobs],
        concurrency: 1,
        bufferSize: 0,
        lease: "100 millis",
        maxCrashes: 1,
        pollInterval: "10 millis",
        shutdownTimeout: 0
      })
      yield* Jobs.enqueueAll(Array.from({ length: 50 }, (_, n) => new Job({ name: `${n}` })))
      yield* empty
    })
  )

  test(
    "may be without end: a poll that never comes, a shutdown that always waits",
    Effect.gen(function*() {
      yield* start({ tasks: [Jobs], pollInterval: Infinity, shutdownTimeout: Infinity, concurrency: 1000 })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
    })
  )

  test(
    "have defaults: 10 steps at a time, a lease of 30 seconds",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Waiting = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      yield* start({ tasks: [Waiting] })
      const ids = yield* Waiting.enqueueAll(Array.from({ length: 30 }, (_, n) => new Job({ name: `${n}` })))
      for (let n = 0; n < 10; n++) yield* gate.next
      assert.strictEqual(yield* gate.unseen, 0)
      const found = yield* Effect.forEach(ids, row)
      const running = found.filter((found) => found?.status === "running")
      assert.isAtLeast(running.length, 10)
      for (const { leaseIn } of running.map((found) => found!)) {
        assert.isAbove(leaseIn!, 15_000)
        assert.isAtMost(leaseIn!, 30_000)
      }
      yield* gate.open
      yield* empty
    })
  )
})
