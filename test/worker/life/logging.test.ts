import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { closed, Job, jobs, startApart, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { gone, insert, parked, row, run } from "../../support/worker/Table.ts"

/** Runs a worker until `body` has what it wants, and looks at everything that was logged. */
const logged = <E, R>(task: Task.Any, body: Effect.Effect<unknown, E, R>, level: "Debug" | "Info" = "Debug") =>
  Effect.gen(function*() {
    const logs = Logs.capture(level)
    const apart = yield* Effect.provide(
      startApart({ tasks: [task as ReturnType<typeof jobs<never, never>>] }),
      logs.layer
    )
    yield* body
    yield* closed(apart)
    return logs
  })

workerTests("the log", (test) => {
  test(
    "tells a worker's life",
    Effect.gen(function*() {
      const logs = yield* logged(jobs(() => Effect.succeed(NextStep.none)), Effect.void, "Info")
      assert.deepStrictEqual(logs.lines().map(({ level, message }) => `${level}: ${message}`), [
        "Info: Worker started",
        "Info: Worker draining",
        "Info: Worker stopped"
      ])
      for (const { annotations } of logs.lines()) assert.deepInclude(annotations, { tasks: "Jobs" })
    })
  )

  test(
    "says nothing else of tasks that go well",
    Effect.gen(function*() {
      const Jobs = jobs((job) =>
        Effect.succeed(job.name === "a" ? NextStep.now(new Job({ name: "b" })) : NextStep.none)
      )
      const work = Effect.flatMap(
        Jobs.enqueueAll(Array.from({ length: 50 }, () => new Job({ name: "a" }))),
        Effect.forEach(gone)
      )
      const logs = yield* logged(Jobs, work, "Info")
      assert.strictEqual(logs.lines().length, 3)
    })
  )

  for (const transactional of [false, true]) {
    test(
      `follows every attempt at debug level${transactional ? ", of transactional steps, too" : ""}`,
      Effect.gen(function*() {
        const Jobs = Task.make("Jobs", [
          Step.make(Job, {
            next: [Job],
            transactional,
            retryLimit: 1,
            retryDelay: "20 millis",
            handler: ({ name }) =>
              Effect.flatMap(Step.Context, ({ attempt }) =>
                name === "b" ?
                  Effect.succeed(NextStep.none)
                  : attempt === 1 ?
                  Effect.fail("not yet")
                  : Effect.succeed(NextStep.now(new Job({ name: "b" }))))
          })
        ])
        let id = ""
        const logs = yield* logged(
          Jobs,
          Effect.gen(function*() {
            yield* gone(id = yield* Jobs.enqueue(new Job({ name: "a" })))
          })
        )
        const ofTask = logs.lines().filter(({ annotations }) => annotations["id"] === id)
        assert.deepStrictEqual(
          ofTask.map(({ annotations, level, message }) =>
            `${level}: ${message} (attempt ${String(annotations["attempt"])})`
          ),
          [
            "Debug: Attempt started (attempt 1)",
            "Warn: Retry in 20ms: not yet (attempt 1)",
            "Debug: Attempt started (attempt 2)",
            "Debug: Continued (attempt 2)",
            "Debug: Attempt started (attempt 1)",
            "Debug: Finished (attempt 1)"
          ]
        )
        for (const { annotations } of ofTask) assert.deepInclude(annotations, { task: "Jobs", step: "Job", id })
      })
    )
  }

  test(
    "says why a task was parked",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.fail(new Error("outer", { cause: new Error("inner") })))
      let ids: ReadonlyArray<string> = []
      const logs = yield* logged(
        Jobs,
        Effect.gen(function*() {
          ids = [
            yield* Jobs.enqueue(new Job({ name: "a" })),
            yield* insert(`{"Jobs":{"Job":{"name":7}}}`),
            yield* insert("rubbish")
          ]
          for (const id of ids) yield* parked(id)
        })
      )
      for (const id of ids) {
        const [line, ...more] = logs.find("Parked").filter(({ annotations }) => annotations["id"] === id)
        assert.deepStrictEqual(more, [])
        assert.deepInclude(line, { level: "Error", message: `Parked: ${(yield* row(id))!.error}` })
      }
      assert.strictEqual((yield* row(ids[0]!))!.error, "Error: outer\n  caused by: Error: inner")
    })
  )

  test(
    "of a handler carries its task, step, id and attempt",
    Effect.gen(function*() {
      const Jobs = jobs(({ name }) =>
        Effect.as(Effect.annotateLogs(Effect.logInfo(`handling ${name}`), "mine", 1), NextStep.none)
      )
      let id = ""
      const logs = yield* logged(
        Jobs,
        Effect.gen(function*() {
          yield* gone(id = yield* Jobs.enqueue(new Job({ name: "a" })))
        })
      )
      assert.deepInclude(logs.find("handling a")[0]!.annotations, {
        task: "Jobs",
        step: "Job",
        id,
        attempt: 1,
        mine: 1
      })
    })
  )

  test(
    "of what a worker gives back is for debugging only",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.never)
      const logs = Logs.capture()
      const apart = yield* startApart({ tasks: [Jobs], shutdownTimeout: 0 }).pipe(Effect.provide(logs.layer))
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* logs.line("Attempt started")
      yield* closed(apart)
      const line = yield* logs.line("Released")
      assert.deepInclude(line, { level: "Debug" })
      assert.deepInclude(line.annotations, { id, task: "Jobs", step: "Job", attempt: 1 })
      yield* run("truncate pg_task")
    })
  )
})
