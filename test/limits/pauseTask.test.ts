/** A task that is paused: nobody begins a step of it. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Admin, NextStep, Step, Task } from "../../src/index.ts"
import { makeGated, resetLimits, sync } from "../support/limits/Syncs.ts"
import { Job, jobs, makeGate, start, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { makeNetwork, type Network } from "../support/worker/Network.ts"
import { empty, gone, row, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

/** Waits until the workers have heard that `Jobs` is paused: they run an other task, and leave the one before it. */
const untilPaused = (Jobs: ReturnType<typeof jobs>, Others: ReturnType<typeof other>) => {
  const probe = new Job({ name: "probe" })
  return eventually(
    Effect.gen(function*() {
      const id = yield* Jobs.enqueue(probe)
      yield* gone(yield* Others.enqueue(probe))
      return yield* row(id)
    }),
    (left) => left?.status === "ready"
  )
}

/** Waits until the worker behind the network has read what is paused now. */
const untilLooked = ({ holdAnswer }: Network) =>
  Effect.gen(function*() {
    const tell = run("select pg_notify('pg_task_changed', 'paused')")
    const one = yield* holdAnswer("select name from pg_task_paused")
    yield* tell
    yield* one.sent
    // It looks again only when it has read the answer.
    const two = yield* holdAnswer("select name from pg_task_paused")
    yield* tell
    yield* one.letGo
    yield* two.sent
    yield* two.letGo
  })

const other = (handler: (job: Job) => Effect.Effect<unknown>) =>
  Task.make("Others", [Step.make(Job, { handler: (job) => Effect.as(handler(job), NextStep.none) })])

workerTests("a paused task", (test) => {
  test(
    "begins no step on any worker, also one that starts later, and its rows stay as they are; others go on",
    Effect.gen(function*() {
      yield* resetLimits
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const Others = other(({ name }) => gate.enter(name))
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      // It has buffered some of them when it hears of the pause.
      yield* startWith(network.url, { tasks: [Jobs, Others], concurrency: 1 }, { maxConnections: 4 })
      yield* Jobs.enqueueAll(["a", "b", "c"].map((name) => new Job({ name })))
      const first = yield* gate.next
      yield* Admin.pause({ task: "Jobs" })
      yield* Admin.pause({ task: "Jobs" })
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "new" }))
      const later = yield* Others.enqueue(new Job({ name: "other" }))
      yield* untilLooked(network)
      yield* gate.open
      yield* gone(later)
      assert.deepStrictEqual([first, yield* gate.next, yield* gate.unseen], ["a", "other", 0])
      yield* eventually(run("select 1 from pg_task where not is_running"), (rows) => rows.length === 3)
      assert.deepInclude(yield* row(id), { status: "ready", tried: 0, crashes: 0, error: null })
      assert.deepStrictEqual(
        (yield* Admin.pauses).map(({ key, limit, task }) => ({ key, limit, task })),
        [{ task: "Jobs", limit: null, key: null }]
      )
      assert.isTrue(yield* Admin.resume({ task: "Jobs" }))
      assert.isFalse(yield* Admin.resume({ task: "Jobs" }))
      yield* empty
    })
  )

  test(
    "is noticed though the look after its notification has failed",
    Effect.gen(function*() {
      yield* resetLimits
      const logs = Logs.capture()
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      const Others = other(() => Effect.void)
      yield* Effect.provide(start({ tasks: [Jobs, Others] }), logs.layer)
      yield* run("alter table pg_task_paused rename to hidden")
      yield* run("select pg_notify('pg_task_changed', 'paused')")
      yield* logs.line("It could not be read which tasks are paused")
      // No notification tells of this.
      yield* run("alter table hidden disable trigger user")
      yield* run("insert into hidden (kind, name) values ('task', 'Jobs')")
      yield* run("alter table hidden enable trigger user")
      yield* run("alter table hidden rename to pg_task_paused")
      yield* untilPaused(Jobs, Others)
      yield* Admin.resume({ task: "Jobs" })
      yield* empty
    })
  )

  test(
    "ends its chain after the step that is at work, and goes on with the next one",
    Effect.gen(function*() {
      yield* resetLimits
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) =>
        name === "probe" ? Effect.succeed(NextStep.none) : Effect.as(
          gate.enter(name),
          name === "a" ? NextStep.now(new Job({ name: "b" })) : NextStep.none
        )
      )
      const Others = other(() => Effect.void)
      yield* start({ tasks: [Jobs, Others] })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      assert.strictEqual(yield* gate.next, "a")
      // By hand: the workers hear of that, too.
      yield* run("insert into pg_task_paused (kind, name) values ('task', 'Jobs')")
      yield* untilPaused(Jobs, Others)
      yield* gate.open
      const waiting = yield* eventually(row(id), (found) => found?.status === "ready")
      assert.strictEqual(waiting!.transitions, 1)
      assert.strictEqual(yield* gate.unseen, 0)
      yield* run("delete from pg_task_paused")
      yield* gone(id)
    })
  )

  test(
    "gives the slots of its limit to others",
    Effect.gen(function*() {
      yield* resetLimits
      const { gate, Syncs } = yield* makeGated()
      yield* run(
        `insert into pg_task (step, limit_key, slot, slots)
        values ('{"Gone":{"Sync":{"tenant":"a","name":"x"}}}', 'tenant:a', 1, 1)`
      )
      yield* Admin.pause({ task: "Gone" })
      yield* start({ tasks: [Syncs] })
      const id = yield* Syncs.enqueue(sync("a", "mine"))
      assert.strictEqual(yield* gate.next, "mine")
      yield* gate.open
      yield* gone(id)
    })
  )

  test(
    "stays paused where notifications don't come through",
    Effect.gen(function*() {
      yield* resetLimits
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      const Others = other(() => Effect.void)
      const url = yield* urlOfTest
      // No connection to spare for LISTEN: it polls.
      yield* startWith(url, { tasks: [Jobs, Others] }, { maxConnections: 1 })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      yield* Admin.pause({ task: "Jobs" })
      const left = yield* untilPaused(Jobs, Others)
      yield* Admin.resume({ task: "Jobs" })
      yield* gone(left!.id)
    })
  )
})
