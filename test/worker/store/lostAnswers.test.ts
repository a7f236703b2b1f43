/** A statement may have been carried out though its answer never came. */
import { assert } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { ExtraFollowUps } from "../../../src/internal/worker/afterCommit.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import { Job, jobs, makeGate, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import { holding } from "../../support/worker/Locks.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { empty, gone, orphan, row, rows, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

/** A worker behind a network, whose leases would outlast the test. */
const distant = (task: ReturnType<typeof jobs<string, never>>) =>
  Effect.gen(function*() {
    const network = yield* makeNetwork(yield* urlOfTest)
    yield* network.mend
    const logs = Logs.capture()
    const begin = Effect.provide(
      startWith(network.url, { tasks: [task], lease: "5 minutes", pollInterval: "200 millis" }),
      logs.layer
    )
    const mendAgain = Effect.andThen(network.cut, network.mend)
    return { ...network, begin, logs, mendAgain }
  })

/** Steps that wait for the test, and which of them ran. */
const gated = (next: (name: string) => NextStep.NextStep<Job>) =>
  Effect.map(makeGate, (gate) => {
    const ran: Array<string> = []
    const Jobs = jobs(({ name }) =>
      Effect.as(Effect.andThen(Effect.sync(() => ran.push(name)), gate.enter(name)), next(name))
    )
    return { gate, Jobs, ran }
  })

/** A trigger of somebody's, which lets no row that runs be anything else. */
const keepRunning = Effect.andThen(
  run(`create function keep_running() returns trigger language plpgsql
as $$ begin raise exception 'this one stays' using errcode = 'P0001'; end $$`),
  run(`create trigger keep_running before update on pg_task for each row
when (old.is_running and not new.is_running) execute function keep_running()`)
)

workerTests("an answer that never comes", (test) => {
  test(
    "to a claim: what it took is given back, and runs",
    Effect.gen(function*() {
      const { gate, Jobs, ran } = yield* gated(() => NextStep.none)
      const worker = yield* distant(Jobs)
      yield* gate.open
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      const sent = yield* worker.loseAnswer("set is_running = true")
      yield* worker.begin
      yield* sent
      yield* rowWhere(id, ({ status }) => status === "running")
      assert.deepStrictEqual(ran, [])
      const others = yield* Jobs.enqueue(new Job({ name: "another worker's" }))
      yield* orphan(others, 3_600_000)
      const before = yield* row(others)
      yield* worker.mendAgain
      yield* gone(id)
      assert.deepStrictEqual(ran, ["a"])
      assert.strictEqual((yield* row(others))!.token, before!.token)
    })
  )

  test(
    "to a claim, on a connection that stays: it is given up, what it took is given back, and runs",
    Effect.gen(function*() {
      const { gate, Jobs, ran } = yield* gated(() => NextStep.none)
      const worker = yield* distant(Jobs)
      yield* gate.open
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      const sent = yield* worker.loseAnswer("set is_running = true")
      yield* worker.begin.pipe(
        // Makes time limits of seconds short.
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.1))
      )
      yield* sent
      yield* gone(id)
      assert.deepStrictEqual(ran, ["a"])
      yield* worker.logs.line("Database back")
    })
  )

  test(
    "to a claim, and a trigger of somebody's refuses to give back what it took: the worker goes on with others",
    Effect.gen(function*() {
      const { gate, Jobs, ran } = yield* gated(() => NextStep.none)
      const worker = yield* distant(Jobs)
      yield* gate.open
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* Effect.acquireRelease(keepRunning, () => Effect.orDie(run("drop function keep_running cascade")))
      const sent = yield* worker.loseAnswer("set is_running = true")
      yield* worker.begin
      yield* sent
      yield* rowWhere(id, ({ status }) => status === "running")
      yield* worker.mendAgain
      yield* gone(yield* Jobs.enqueue(new Job({ name: "b" })))
      assert.deepStrictEqual(ran, ["b"])
    })
  )

  test(
    "to the look at the table with which a worker starts: it is sent again",
    Effect.gen(function*() {
      const { gate, Jobs } = yield* gated(() => NextStep.none)
      const worker = yield* distant(Jobs)
      yield* gate.open
      const sent = yield* worker.loseAnswer("where false")
      const starting = yield* Effect.forkScoped(
        Effect.provideServiceEffect(worker.begin, Clock.Clock, makePacedClock(0.1))
      )
      yield* sent
      yield* within(Fiber.join(starting), "the start")
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
    })
  )

  test(
    "to the end of a task: it has ended, and no lease was lost",
    Effect.gen(function*() {
      const { gate, Jobs, ran } = yield* gated(() => NextStep.none)
      const worker = yield* distant(Jobs)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* worker.begin
      yield* gate.next
      const sent = yield* worker.loseAnswer("delete from pg_task")
      yield* gate.open
      yield* sent
      yield* gone(id)
      yield* worker.mendAgain
      yield* worker.logs.line("Finished")
      assert.deepStrictEqual(worker.logs.find("Lease lost"), [])
      assert.deepStrictEqual(ran, ["a"])
    })
  )

  // What ends while a write is under way is written together.
  for (
    const [how, text, count] of [["alone", "transitions in (", 1], ["in a batch", "json_to_recordset", 10]] as const
  ) {
    test(
      `to \`NextStep.now\`, ${how}: the next step runs, once`,
      Effect.gen(function*() {
        const { gate, Jobs, ran } = yield* gated((name) =>
          name.startsWith("next") ? NextStep.none : NextStep.now(new Job({ name: `next of ${name}` }))
        )
        const worker = yield* distant(Jobs)
        const names = Array.from({ length: count }, (_, n) => `${n}`)
        const ids = yield* Jobs.enqueueAll(names.map((name) => new Job({ name })))
        yield* worker.begin
        for (const _ of names) yield* gate.next
        const sent = yield* worker.loseAnswer(text)
        yield* gate.open
        yield* sent
        const movedOn = Effect.map(Effect.forEach(ids, row), (found) => found.filter((row) => row?.transitions !== 0))
        yield* eventually(movedOn, (moved) => moved.length === count)
        yield* worker.mendAgain
        yield* empty
        assert.deepStrictEqual([...ran].sort(), [...names, ...names.map((name) => `next of ${name}`)])
        assert.deepStrictEqual(worker.logs.find("Lease lost"), [])
      })
    )
  }

  test(
    "to a batch that is taken apart when it is sent again, because one of its rows is locked: no end is forgotten",
    Effect.gen(function*() {
      const { gate, Jobs, ran } = yield* gated((name) =>
        name === "on" ? NextStep.now(new Job({ name: "next" })) : NextStep.none
      )
      const worker = yield* distant(Jobs)
      const names = ["1", "2", "3", "on"]
      const ids = yield* Jobs.enqueueAll(names.map((name) => new Job({ name })))
      const on = ids.at(-1)!
      // Somebody waits for their ends: whether the first send has stored them is asked of the writer.
      const committed: Array<string> = []
      yield* Effect.provideService(worker.begin, ExtraFollowUps, [{
        concerns: ({ claimed, outcome }) => {
          if (outcome._tag === "Finished") committed.push(claimed.id)
          return false
        },
        work: () => Effect.void,
        every: Infinity
      }])
      for (const _ of names) yield* gate.next
      const sent = yield* worker.loseAnswer("json_to_recordset")
      yield* gate.open
      yield* sent
      yield* rowWhere(on, ({ transitions }) => transitions === 1)
      assert.strictEqual((yield* rows).length, 1)
      // `NextStep.now` keeps its claim: so of this batch, only that row is there to be locked.
      const letGo = yield* holding(`select 1 from pg_task where id = '${on}' for update`)
      yield* worker.mendAgain
      yield* eventually(Effect.sync(() => committed.toSorted()), (found) => found.length >= 3)
      assert.deepStrictEqual(committed.toSorted(), ids.slice(0, 3).toSorted())
      yield* letGo
      yield* empty
      assert.deepStrictEqual(ran.toSorted(), [...names, "next"].toSorted())
      assert.deepStrictEqual(worker.logs.find("Lease lost"), [])
    })
  )

  test(
    "to a failure: it counts once",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.fail("an error"), { retryLimit: 5, retryDelay: "1 hour" })
      const worker = yield* distant(Jobs)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      const sent = yield* worker.loseAnswer("json_to_recordset")
      yield* worker.begin
      yield* sent
      yield* rowWhere(id, ({ tried }) => tried === 1)
      yield* worker.mendAgain
      yield* worker.logs.line("Retry in")
      assert.deepInclude(yield* row(id), { status: "scheduled", tried: 1 })
      assert.deepStrictEqual(worker.logs.find("Lease lost"), [])
    })
  )

  test(
    "to the COMMIT of a transactional step: the next step runs, once, and no crash is counted",
    Effect.gen(function*() {
      const ran: Array<string> = []
      const Jobs = Task.make("Jobs", [
        Step.make(Job, {
          next: [Job],
          transactional: true,
          handler: ({ name }) =>
            Effect.sync(() => {
              ran.push(name)
              return name === "a" ? NextStep.now(new Job({ name: "b" })) : NextStep.none
            })
        })
      ])
      const worker = yield* distant(Jobs)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      const sent = yield* worker.loseAnswer("COMMIT")
      yield* worker.begin
      yield* sent
      yield* rowWhere(id, ({ transitions }) => transitions === 1)
      yield* worker.mendAgain
      yield* gone(id)
      assert.deepStrictEqual(ran, ["a", "b"])
    })
  )
})
