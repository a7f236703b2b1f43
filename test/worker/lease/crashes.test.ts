import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { closed, Job, jobs, makeGate, start, startApart, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { empty, gone, orphan, parked, row, rowWhere, run } from "../../support/worker/Table.ts"

const none = Effect.succeed(NextStep.none)

workerTests("crashes", (test) => {
  test(
    "park a task after `maxCrashes`, 3 by default, with an error that says so",
    Effect.gen(function*() {
      const Jobs = jobs(() => none)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* run("update pg_task set crashes = 2, tried = 1")
      yield* orphan(id, -1)
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs], lease: "900 millis" }), logs.layer)
      const left = yield* parked(id)
      assert.deepInclude(left, { tried: 1, crashes: 3, transitions: 0, token: null })
      assert.match(left.error!, /^The worker crashed 3 times in a row while it ran this step/)
      assert.deepInclude(yield* logs.line("crashed again and again"), { level: "Error" })
    })
  )

  test(
    "give a task whose error was cleared another chance",
    Effect.gen(function*() {
      const Jobs = jobs(() => none)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* orphan(id, -1)
      yield* start({ tasks: [Jobs], lease: "900 millis", maxCrashes: 1, pollInterval: "1 hour" })
      assert.strictEqual((yield* parked(id)).crashes, 1)
      yield* run("update pg_task set error = null")
      yield* gone(id)
    })
  )

  test(
    "count only those in a row, on one step",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Two = Task.make("Two", [
        Step.make(Job, {
          next: [Job],
          handler: (job) =>
            job.name === "first"
              ? Effect.succeed(NextStep.now(new Job({ name: "second" })))
              : Effect.as(gate.enter(job.name), NextStep.none)
        })
      ])
      const id = yield* Two.enqueue(new Job({ name: "first" }))
      yield* run("update pg_task set crashes = 1")
      yield* orphan(id, -1)
      yield* start({ tasks: [Two], lease: "900 millis" })
      yield* gate.next
      assert.deepInclude(yield* row(id), { crashes: 0, transitions: 1 })
      yield* gate.open
    })
  )

  test(
    "are remembered when the next worker gives the task back",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.andThen(gate.enter(name), none))
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* orphan(id, -1)
      const apart = yield* startApart({ tasks: [Jobs], lease: "900 millis", shutdownTimeout: 0 })
      yield* gate.next
      yield* closed(apart)
      assert.deepInclude(yield* row(id), { status: "ready", tried: 0, crashes: 1, token: null })
    })
  )

  test(
    "leave a task one last chance, alone: no other such task runs beside it, also when a chain has gone on",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => {
        const round = Number(name)
        if (Number.isNaN(round)) return Effect.andThen(gate.enter(name), none)
        const next = round > 0 ? NextStep.now(new Job({ name: `${round - 1}` })) : NextStep.none
        return Effect.as(Effect.sleep(20), next)
      })
      const [chain] = yield* Jobs.enqueueAll(["30", "a", "b", "c"].map((name) => new Job({ name })))
      yield* run("update pg_task set crashes = 2")
      // The chain comes first.
      yield* run("update pg_task set wakeup_at = wakeup_at - interval '1 minute' where id = $1::uuid", [chain])
      yield* start({ tasks: [Jobs] })
      yield* gone(chain!)
      yield* gate.next
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* empty
    })
  )

  test(
    "end with a failure like any other",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.fail("an error"), { retryLimit: 1, retryDelay: "1 hour" })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* orphan(id, -1)
      yield* start({ tasks: [Jobs], lease: "900 millis" })
      assert.strictEqual((yield* rowWhere(id, ({ tried }) => tried === 1)).crashes, 0)
    })
  )
})
