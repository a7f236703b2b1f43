import { assert } from "@effect/vitest"
import { Clock, Deferred, Effect, Latch, Queue } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import { Job, jobs, makeGate, start, startApart, workerTests } from "../../support/worker/Fixture.ts"
import { gone, row, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

interface Arrival {
  readonly name: string
  readonly proceed: Effect.Effect<unknown>
}

/** A task whose steps go one by one, as the test lets them: those named "chain" go on for ever, all others end. */
const makeTurns = Effect.gen(function*() {
  const arrivals = yield* Queue.unbounded<Arrival>()
  let over = false
  const Turns = Task.make("Turns", [
    Step.make(Job, {
      next: [Job],
      handler: ({ name }) =>
        Effect.gen(function*() {
          const turn = yield* Deferred.make<void>()
          yield* Queue.offer(arrivals, { name, proceed: Deferred.succeed(turn, undefined) })
          if (!over) yield* Deferred.await(turn)
          return name.startsWith("chain") && !over ? NextStep.now(new Job({ name })) : NextStep.none
        })
    })
  ])
  const end = Effect.gen(function*() {
    over = true
    for (const { proceed } of yield* Queue.clear(arrivals)) yield* proceed
  })
  yield* Effect.addFinalizer(() => end)
  return { Turns, next: within(Queue.take(arrivals), "the next step"), end }
})

workerTests("long chains of immediate steps", (test) => {
  test(
    "keep a task that becomes due waiting for a few steps only, though they fill all slots",
    Effect.gen(function*() {
      const { end, next, Turns } = yield* makeTurns
      const ids = yield* Turns.enqueueAll(Array.from({ length: 12 }, (_, n) => new Job({ name: `chain ${n}` })))
      yield* start({ tasks: [Turns], concurrency: 4 })
      for (let n = 0; n < 100; n++) yield* Effect.flatMap(next, ({ proceed }) => proceed)
      const due = yield* Turns.enqueue(new Job({ name: "due" }))
      const moves = run<{ n: number }>("select sum(transitions)::int as n from pg_task")
      let before = 0
      for (;;) {
        const { name, proceed } = yield* next
        const stored = (yield* moves)[0]!.n
        yield* proceed
        if (name === "due") break
        before++
        assert.isAtMost(before, 20)
        // There is always a waiting chain, too.
        yield* eventually(moves, (found) => found[0]!.n > stored)
      }
      yield* end
      for (const id of [...ids, due]) yield* gone(id)
    })
  )

  test(
    "have their turn though ever more tasks are due before them",
    Effect.gen(function*() {
      const { end, next, Turns } = yield* makeTurns
      const chain = yield* Turns.enqueue(new Job({ name: "chain" }))
      yield* run("update pg_task set wakeup_at = now() - interval '1 hour'")
      yield* Turns.enqueueAll(Array.from({ length: 60 }, (_, n) => new Job({ name: `${n}` })))
      yield* start({ tasks: [Turns], concurrency: 1, lease: "5 minutes" }).pipe(
        // So slow that the worker does not give back what waits in its buffer for longer than a second.
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(100))
      )
      const seen: Array<string> = []
      while (seen.length < 40) {
        const { name, proceed } = yield* next
        seen.push(name)
        const { transitions } = name === "chain" ? (yield* row(chain))! : { transitions: 0 }
        yield* proceed
        // Its next step is stored before the next of the others ends.
        if (name === "chain") yield* rowWhere(chain, (row) => row.transitions > transitions)
      }
      const turns = seen.flatMap((name, index) => (name === "chain" ? [index] : []))
      assert.isAtLeast(turns.length, 5)
      yield* end
      yield* gone(chain)
    })
  )
})

workerTests("a worker with much to do", (test) => {
  test(
    "comes back to the row that another session held when it came by",
    Effect.gen(function*() {
      const count = 5000
      const order: Array<string> = []
      const Crowd = jobs(({ name }) => Effect.sync(() => (order.push(name), NextStep.none)).pipe(Effect.delay(5)))
      yield* run(
        `insert into pg_task (step, wakeup_at)
        select format('{"Jobs":{"Job":{"name":"%s"}}}', n), now() - interval '1 hour' + n * interval '1 millisecond'
        from generate_series(1, $1::int) n`,
        [count]
      )
      const sql = yield* SqlClient.SqlClient
      const letGo = yield* Latch.make()
      const locked = yield* Latch.make()
      const holder = sql.withTransaction(
        Effect.gen(function*() {
          yield* run("select 1 from pg_task order by wakeup_at limit 1 for update")
          yield* locked.open
          yield* letGo.await
        })
      )
      yield* Effect.forkScoped(holder)
      yield* locked.await
      const { worker } = yield* startApart({ tasks: [Crowd], bufferSize: 50 })
      yield* eventually(Effect.sync(() => order.length), (length) => length > 200)
      yield* letGo.open
      yield* eventually(Effect.sync(() => order), (order) => order.includes("1"))
      assert.isBelow(order.indexOf("1"), count - 1000)
      yield* worker.stop
    })
  )
})

workerTests("a worker that is busy with long steps", (test) => {
  test(
    "gives back what it claimed ahead, for others to run",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Busy = jobs(({ name }) => Effect.as(name === "long" ? gate.enter(name) : Effect.void, NextStep.none))
      // Short steps, so that it claims ahead, then one that is not.
      yield* run(`insert into pg_task (step, wakeup_at)
        select format('{"Jobs":{"Job":{"name":"%s"}}}', case n when 400 then 'long' else 'short' end),
          now() - interval '1 hour' + n * interval '1 second' from generate_series(1, 600) n`)
      yield* start({ tasks: [Busy], concurrency: 1, lease: "5 minutes" })
      yield* gate.next
      const Idle = jobs(() => Effect.succeed(NextStep.none))
      yield* start({ tasks: [Idle], pollInterval: "1 hour" })
      yield* eventually(run("select 1 from pg_task"), (left) => left.length === 1)
      yield* gate.open
    })
  )
})
