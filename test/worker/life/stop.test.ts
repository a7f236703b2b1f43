import { assert } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { NextStep, Step, Task, Worker } from "../../../src/index.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import {
  closed,
  closedInTime,
  Job,
  jobs,
  makeGate,
  start,
  startApart,
  workerTests
} from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import {
  empty,
  gone,
  insert,
  listening,
  parked,
  row,
  rows,
  rowWhere,
  run,
  stopAll
} from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const untouched = { status: "ready", tried: 0, crashes: 0, transitions: 0, error: null, token: null } as const

workerTests("a worker whose scope closes", (test) => {
  test(
    "lets running steps end, stores what came of them, and claims no more",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) =>
        Effect.andThen(
          gate.enter(name),
          name === "ends" ?
            Effect.succeed(NextStep.none)
            : name === "moves on" ?
            Effect.succeed(NextStep.now(new Job({ name: "next" })))
            : name === "moves on later" ?
            Effect.succeed(NextStep.delay(new Job({ name: "next" }), "1 hour"))
            : Effect.fail("an error")
        )
      )
      const names = ["ends", "moves on", "moves on later", "fails"]
      const logs = Logs.capture()
      const apart = yield* Effect.provide(startApart({ tasks: [Jobs], concurrency: 4 }), logs.layer)
      const ids = yield* Jobs.enqueueAll(names.map((name) => new Job({ name })))
      for (const _ of names) yield* gate.next
      const closing = yield* Effect.forkChild(closed(apart))
      yield* logs.line("Worker draining")
      const late = yield* Jobs.enqueue(new Job({ name: "ends" }))
      yield* gate.open
      yield* Fiber.join(closing)
      yield* logs.line("Worker stopped")
      const [ends, moves, later, fails] = yield* Effect.forEach(ids, row)
      assert.isUndefined(ends)
      assert.deepInclude(moves, { ...untouched, transitions: 1, step: `{"Jobs":{"Job":{"name":"next"}}}` })
      assert.deepInclude(later, { ...untouched, status: "scheduled", transitions: 1, delay: 3_600_000 })
      assert.deepInclude(fails, { ...untouched, status: "parked", tried: 1, error: "an error" })
      assert.deepInclude(yield* row(late), untouched)
    })
  )

  test(
    "doesn't begin the tasks of dead workers either",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const logs = Logs.capture()
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const apart = yield* Effect.provide(startApart({ tasks: [Jobs], concurrency: 1 }), logs.layer)
      yield* Jobs.enqueue(new Job({ name: "holds the only slot" }))
      yield* gate.next
      const orphaned = yield* insert(`{"Jobs":{"Job":{"name":"its worker crashed"}}}`)
      yield* run("update pg_task set crashes = 1 where id = $1::uuid", [orphaned])
      const closing = yield* Effect.forkChild(closed(apart))
      yield* logs.line("Worker draining")
      yield* gate.open
      yield* Fiber.join(closing)
      assert.strictEqual(yield* gate.unseen, 0)
      assert.deepInclude(yield* row(orphaned), { ...untouched, crashes: 1 })
    })
  )

  test(
    "gives back at once what it had only buffered",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(name === "400" ? gate.enter(name) : Effect.void, NextStep.none))
      // Short steps, so that the worker claims ahead, and then one that is not.
      yield* run(`insert into pg_task (step, wakeup_at)
        select format('{"Jobs":{"Job":{"name":"%s"}}}', n), now() - interval '1 hour' + n * interval '1 second'
        from generate_series(1, 600) n`)
      const apart = yield* startApart({ tasks: [Jobs], concurrency: 1, shutdownTimeout: "40 millis" }).pipe(
        // So slow that it never comes to give back what is only old.
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(1000))
      )
      yield* gate.next
      const held = yield* run("select 1 from pg_task where is_running")
      assert.isAbove(held.length, 1)
      const closing = yield* Effect.forkChild(closed(apart))
      yield* eventually(run("select 1 from pg_task where is_running"), (found) => found.length === 1)
      yield* gate.open
      yield* Fiber.join(closing)
      const left = yield* rows
      assert.strictEqual(left.length, 200)
      for (const found of left) assert.deepInclude(found, untouched)
    })
  )

  test(
    "interrupts what doesn't end in time: it is ready again at once, and its try doesn't count",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const seen: Array<string> = []
      const Jobs = jobs(({ name }) =>
        Effect.gen(function*() {
          yield* Effect.addFinalizer(() => Effect.sync(() => seen.push(`cleaned up ${name}`)))
          yield* Effect.onInterrupt(gate.enter(name), () => Effect.sync(() => seen.push(`interrupted ${name}`)))
          return NextStep.none
        })
      )
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* run("update pg_task set tried = 2")
      const logs = Logs.capture()
      const apart = yield* Effect.provide(startApart({ tasks: [Jobs], shutdownTimeout: "50 millis" }), logs.layer)
      yield* gate.next
      yield* closed(apart)
      assert.deepStrictEqual(seen, ["interrupted a", "cleaned up a"])
      assert.deepInclude(yield* row(id), { ...untouched, tried: 2 })
      yield* logs.line("Interrupting 1 step")
    })
  )

  test(
    "hands on to others at once, however rarely they poll",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const ids = yield* Jobs.enqueueAll(["a", "b", "c"].map((name) => new Job({ name })))
      const apart = yield* startApart({ tasks: [Jobs], concurrency: 3, shutdownTimeout: "50 millis" })
      for (const _ of ids) yield* gate.next
      const heir = jobs(() => Effect.succeed(NextStep.none))
      yield* start({ tasks: [heir], pollInterval: "1 hour" })
      yield* listening(2)
      yield* gone(yield* heir.enqueue(new Job({ name: "d" })))
      yield* closed(apart)
      for (const id of ids) yield* gone(id)
    })
  )

  test(
    "does not wait for a step that can't be interrupted, forever",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(Effect.uninterruptible(gate.enter(name)), NextStep.none))
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      const logs = Logs.capture()
      const apart = yield* startApart({ tasks: [Jobs], shutdownTimeout: "50 millis", lease: "5 seconds" }).pipe(
        Effect.provide(logs.layer),
        // Makes time limits of seconds short.
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.1))
      )
      yield* gate.next
      yield* closedInTime(apart, gate.open)
      yield* logs.line("can't be interrupted")
      yield* gate.open
      assert.deepInclude(yield* row(id), { status: "running", tried: 0 })
      yield* start({ tasks: [Jobs], lease: "1 second" })
      yield* gone(id)
    })
  )
})

workerTests("stopping", (test) => {
  test(
    "by `stop_worker`, all workers, as gracefully",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const running = yield* Effect.forkChild(Worker.run({ tasks: [Jobs] }))
      const Others = Task.make("Others", [Step.make(Job, { handler: () => Effect.succeed(NextStep.none) })])
      const other = yield* start({ tasks: [Others] })
      yield* listening(2)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* stopAll
      yield* within(other.stopped, "the end of the other")
      yield* gate.open
      assert.deepStrictEqual(yield* within(Fiber.await(running), "the end of Worker.run"), Exit.void)
      yield* gone(id)
      const late = yield* Jobs.enqueue(new Job({ name: "late" }))
      assert.deepInclude(yield* row(late), untouched)
    })
  )

  test(
    "by `stop`, which waits until it has stopped",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const logs = Logs.capture()
      const worker = yield* Effect.provide(start({ tasks: [Jobs] }), logs.layer)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      const stopping = yield* Effect.forkChild(worker.stop)
      yield* logs.line("Worker draining")
      assert.isUndefined(stopping.pollUnsafe())
      yield* gate.open
      yield* within(Fiber.join(stopping), "the stop")
      assert.isUndefined(yield* row(id))
      yield* worker.stop
      yield* worker.stopped
    })
  )

  test(
    "by interrupting `Worker.run`, as gracefully",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const logs = Logs.capture()
      const running = yield* Effect.forkChild(Effect.provide(Worker.run({ tasks: [Jobs] }), logs.layer))
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(running))
      yield* logs.line("Worker draining")
      yield* gate.open
      yield* within(Fiber.join(interrupting), "the interruption")
      assert.isUndefined(yield* row(id))
      yield* logs.line("Worker stopped")
    })
  )

  test(
    "an idle worker, at once; and one that was stopped takes nothing more",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      const worker = yield* start({ tasks: [Jobs], pollInterval: "10 millis" })
      yield* within(worker.stop, "the stop", 9000)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      const other = yield* start({ tasks: [jobs(() => Effect.fail("taken by the other"))] })
      assert.strictEqual((yield* parked(id)).error, "taken by the other")
      assert.notStrictEqual(worker.id, other.id)
    })
  )

  test(
    "ends a chain after the step that runs",
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      let steps = 0
      const Jobs = jobs((job) =>
        Effect.as(
          Effect.andThen(Effect.sync(() => ++steps === 50), Deferred.succeed(started, undefined)),
          NextStep.now(job)
        )
      )
      const apart = yield* startApart({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "endless" }))
      yield* Deferred.await(started)
      yield* within(closed(apart), "the end", 25_000)
      const left = yield* rowWhere(id, () => true)
      assert.deepInclude(left, { ...untouched, transitions: steps })
    })
  )

  test(
    "with the scope of everything, in the middle of a storm",
    Effect.gen(function*() {
      const Jobs = jobs((job) =>
        job.name.length < 6
          ? Effect.succeed(NextStep.now(new Job({ name: `${job.name}.` })))
          : Effect.succeed(NextStep.none)
      )
      yield* Jobs.enqueueAll(Array.from({ length: 500 }, () => new Job({ name: "." })))
      const scope = yield* Scope.make()
      yield* start({ tasks: [Jobs] }).pipe(Scope.provide(scope))
      yield* eventually(run("select 1 from pg_task where transitions > 2 limit 1"), (found) => found.length > 0)
      yield* within(Scope.close(scope, Exit.void), "the end", 25_000)
      for (const found of yield* rows) assert.deepInclude(found, { status: "ready", tried: 0, crashes: 0, token: null })
      yield* start({ tasks: [Jobs] })
      yield* empty
    })
  )
})
