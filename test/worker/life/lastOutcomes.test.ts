/** What a worker still does for the tasks that its last outcomes let go on. */
import { assert } from "@effect/vitest"
import { Clock, Effect, Fiber, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { ParentsLook } from "../../../src/internal/worker/followUps.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import { closedInTime, Job, jobs, makeGate, start, startApart, workerTests } from "../../support/worker/Fixture.ts"
import { holding } from "../../support/worker/Locks.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { gone, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

class Count extends Schema.TaggedClass<Count>()("Count", {}) {}
class Counted extends Schema.TaggedClass<Counted>()("Counted", {}) {}
const Child = Task.declare("Child", { states: [Count], final: [Counted] })

class Begin extends Schema.TaggedClass<Begin>()("Begin", {}) {}
class Gather extends Schema.TaggedClass<Gather>()("Gather", { child: Task.child(Child) }) {}

const Parent = Task.make("Parent", [
  Step.make(Begin, {
    next: [Gather],
    handler: () => Effect.succeed(NextStep.now(new Gather({ child: Child.child(new Count()) })))
  }),
  Step.wait(Gather, (on) => [on.children({ handler: () => Effect.succeed(NextStep.none) })])
])

const waitingForLocks = run(
  `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%wakes = p.wakes + 1%'
    and datname = current_database()`
)

workerTests("the end of a task is told", (test) => {
  test(
    "to its parent by a worker that stops, though another session holds that for a while",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const child = Task.make(Child, [
        Step.make(Count, {
          next: [Counted],
          handler: () => Effect.as(gate.enter("child"), NextStep.now(new Counted()))
        }),
        Step.final(Counted)
      ])
      const worker = yield* start({ tasks: [Parent, child], lease: "5 minutes" }).pipe(
        Effect.provideService(ParentsLook, Infinity),
        // A worker that stops waits three seconds for this: here it waits for minutes.
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(100))
      )
      const id = yield* Parent.enqueue(new Begin())
      yield* gate.next
      const due = run("select from pg_task where id = $1 and wakes > 0 and wakeup_at <= now()", [id])
      yield* eventually(
        run("select from pg_task where id = $1 and waits_for is not null", [id]),
        (rows) => rows.length > 0
      )
      const release = yield* holding(`select from pg_task where id = '${id}' for update`)
      yield* gate.open
      yield* eventually(waitingForLocks, (rows) => rows.length > 0)
      const stopping = yield* Effect.forkScoped(worker.stop)
      // It waits: it would have stopped by now.
      yield* Effect.timeoutOption(Fiber.await(stopping), "500 millis")
      yield* release
      yield* Fiber.join(stopping)
      assert.strictEqual((yield* due).length, 1)
    })
  )

  test(
    "to a renewal, before the fiber of its transaction does: its parent goes on all the same",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const child = Task.make(Child, [
        Step.make(Count, {
          next: [Counted],
          transactional: true,
          handler: Effect.fn(function*() {
            const sql = yield* SqlClient.SqlClient
            // The row has ended by then, and the worker does not know.
            yield* sql.afterCommit(gate.enter("committed"))
            return NextStep.now(new Counted())
          })
        }),
        Step.final(Counted)
      ])
      const logs = Logs.capture()
      yield* start({ tasks: [Parent, child], lease: "1 second" }).pipe(
        Effect.provideService(ParentsLook, Infinity),
        Effect.provide(logs.layer)
      )
      const id = yield* Parent.enqueue(new Begin())
      yield* gate.next
      yield* logs.line("Lease lost")
      yield* gate.open
      yield* gone(id)
    })
  )
})

workerTests("the last outcomes", (test) => {
  test(
    "are stored by a worker whose scope closes, though another session holds their rows for a while",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const apart = yield* startApart({ tasks: [Jobs], lease: "5 minutes" })
      const id = yield* Jobs.enqueue(new Job({ name: "held" }))
      yield* gate.next
      const release = yield* holding(`select from pg_task where id = '${id}' for update`)
      yield* gate.open
      const storing = run(`select from pg_stat_activity where wait_event_type = 'Lock' and query like '%finished as%'
        and datname = current_database()`)
      // It waits for the row, and then beside the other outcomes.
      yield* eventually(storing, (rows) => rows.length > 0)
      yield* eventually(storing, (rows) => rows.length === 0)
      const closing = yield* Effect.forkScoped(closedInTime(apart, Effect.void))
      yield* Effect.timeoutOption(Fiber.await(closing), "500 millis")
      yield* release
      yield* Fiber.join(closing)
      assert.deepStrictEqual(yield* run("select from pg_task"), [])
    })
  )
})
