/** If the worker's own last statement of a step's transaction fails, the step has not failed. */
import { assert } from "@effect/vitest"
import { Clock, Context, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { client } from "../../support/database/Database.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import {
  closed,
  Job,
  makeGate,
  start,
  startApart,
  startWith,
  urlOfTest,
  workerTests
} from "../../support/worker/Fixture.ts"
import { holding, lockingRows } from "../../support/worker/Locks.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { note, notes, prepareNotes } from "../../support/worker/Notes.ts"
import { empty, gone, parked, row, rows, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

/** A task that writes in its step's transaction, and one that writes in its `commit`; each is parked by its first failure. */
const writers = Effect.map(makeGate, (gate) => {
  const ran: Array<string> = []
  const enter = (name: string) => Effect.andThen(Effect.sync(() => ran.push(name)), gate.enter(name))
  const Bound = Task.make("Bound", [
    Step.make(Job, {
      transactional: true,
      handler: ({ name }) => Effect.andThen(note(name), Effect.as(enter(name), NextStep.none))
    })
  ])
  const Commit = Task.make("Commit", [
    Step.make(Job, { handler: ({ name }) => Effect.as(enter(name), NextStep.noneWith({ commit: note(name) })) })
  ])
  const Empty = Task.make("Empty", [
    Step.make(Job, { handler: ({ name }) => Effect.as(enter(name), NextStep.noneWith({ commit: Effect.void })) })
  ])
  const enqueue = Effect.gen(function*() {
    const ids = [
      yield* Bound.enqueue(new Job({ name: "bound" })),
      yield* Commit.enqueue(new Job({ name: "commit" })),
      yield* Empty.enqueue(new Job({ name: "empty" }))
    ]
    for (const _ of ids) yield* gate.next
    return ids
  })
  return { enqueue, gate, ran, tasks: [Bound, Commit, Empty] as const }
})

const untried = { tried: 0, crashes: 0, transitions: 0, error: null }

/** What waits for a lock, but for the writer, which tries anew again and again. */
const waiting = run<{ pid: number; since: string }>(
  `select pid, xact_start::text as since from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and xact_start < clock_timestamp() - interval '400 milliseconds'`
)

const blocked = (count: number) => eventually(waiting, (found) => found.length >= count)

/**
 * Cuts off the statements that wait for a lock, as a timeout of the server does, once there are so many; and then those
 * that follow them.
 */
const cutOff = (count: number, rounds: number) =>
  Effect.gen(function*() {
    const seen = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      const found = yield* eventually(
        waiting,
        (found) => found.length >= count && found.every(({ since }) => !seen.has(since))
      )
      for (const { pid, since } of found) {
        seen.add(since)
        yield* run("select pg_cancel_backend($1::int)", [pid])
      }
    }
  })

workerTests("a lock on the row", (test) => {
  test(
    "is waited for in the step's transaction, which is not rolled back",
    Effect.gen(function*() {
      yield* prepareNotes
      const { enqueue, gate, ran, tasks } = yield* writers
      yield* start({ tasks })
      yield* enqueue
      const unlock = yield* lockingRows
      yield* gate.open
      yield* Effect.sleep("4 seconds")
      yield* unlock
      yield* empty
      assert.deepStrictEqual([...ran].sort(), ["bound", "commit", "empty"])
      assert.deepStrictEqual(yield* notes, ["bound", "commit"])
    })
  )

  test(
    "that outlasts all patience doesn't count as a try, and no handler runs again and again",
    Effect.gen(function*() {
      yield* prepareNotes
      const { enqueue, gate, ran, tasks } = yield* writers
      yield* start({ tasks })
      const ids = yield* enqueue
      const unlock = yield* lockingRows
      yield* gate.open
      yield* cutOff(ids.length, 4)
      for (const id of ids) assert.deepInclude(yield* row(id), untried)
      yield* unlock
      yield* empty
      // What was rolled back has to run again, once: then the row is locked before it runs.
      assert.deepStrictEqual([...ran].sort(), ["bound", "bound", "commit", "empty"])
      assert.deepStrictEqual(yield* notes, ["bound", "commit"])
    })
  )

  test(
    "leads to nothing when the row was taken away meanwhile",
    Effect.gen(function*() {
      yield* prepareNotes
      const { enqueue, gate, tasks } = yield* writers
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks, lease: "5 minutes" }), logs.layer)
      yield* enqueue
      const unlock = yield* holding("update pg_task set lease_token = gen_random_uuid()")
      yield* gate.open
      yield* blocked(3)
      yield* unlock
      yield* eventually(Effect.sync(() => logs.find("Lease lost")), (found) => found.length === 3)
      assert.deepStrictEqual(yield* notes, [])
      assert.lengthOf(yield* run("select 1 from pg_task where is_running and tried = 0"), 3)
    })
  )

  test(
    "doesn't keep a worker from stopping: the step is given back, untried",
    Effect.gen(function*() {
      yield* prepareNotes
      const { enqueue, gate, tasks } = yield* writers
      const apart = yield* startApart({ tasks, shutdownTimeout: "50 millis" })
      const ids = yield* enqueue
      const unlock = yield* lockingRows
      yield* gate.open
      yield* blocked(3)
      const closing = yield* Effect.forkChild(closed(apart))
      // They were interrupted, so they no longer wait.
      yield* eventually(waiting, (found) => found.length === 0)
      yield* unlock
      yield* within(Fiber.join(closing), "the stop")
      for (const id of ids) assert.deepInclude(yield* row(id), { ...untried, status: "ready", token: null })
      assert.deepStrictEqual(yield* notes, [])
    })
  )

  test(
    "that outlasts the lease leaves the next step of a chain a whole one",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Chain = Task.make("Chain", [
        Step.make(Job, {
          transactional: true,
          next: [Job],
          handler: ({ name }) => Effect.as(gate.enter(name), NextStep.now(new Job({ name: "next" })))
        })
      ])
      yield* start({ tasks: [Chain], lease: "3 seconds" })
      const id = yield* Chain.enqueue(new Job({ name: "first" }))
      yield* gate.next
      const unlock = yield* lockingRows
      yield* gate.open
      yield* blocked(1)
      yield* Effect.sleep("2500 millis")
      yield* unlock
      const moved = yield* rowWhere(id, ({ transitions }) => transitions > 0)
      assert.isAbove(moved.leaseIn!, 1500)
      assert.strictEqual(moved.crashes, 0)
    })
  )
})

workerTests("in repeatable read", (test) => {
  test(
    "a transactional step that takes longer than it takes to renew its lease ends",
    Effect.gen(function*() {
      yield* prepareNotes
      let runs = 0
      const beside = yield* SqlClient.SqlClient
      const leaseUntil = Effect.map(
        Effect.provideService(rows, SqlClient.SqlClient, beside),
        ([found]) => found!.leaseUntil
      )
      const renewed = Effect.flatMap(leaseUntil, (before) => eventually(leaseUntil, (until) => until !== before))
      const Jobs = Task.make("Jobs", [
        Step.make(Job, {
          transactional: true,
          handler: ({ name }) =>
            note(name).pipe(
              // The second run has locked its row: so nobody can renew its lease.
              Effect.andThen(Effect.suspend(() => ++runs === 1 ? Effect.asVoid(renewed) : Effect.void)),
              Effect.andThen(run("select pg_sleep(1.5)")),
              Effect.as(NextStep.none)
            )
        })
      ])
      const isolated = encodeURIComponent("-c default_transaction_isolation=repeatable\\ read")
      yield* startWith(`${yield* urlOfTest}?options=${isolated}`, { tasks: [Jobs], lease: "1500 millis" })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.deepStrictEqual(yield* notes, ["a"])
      assert.strictEqual(runs, 2)
    })
  )
})

/** New connections of this database may only read, until `end`; all are ended but the one of what is `spared`. */
const readOnlySpell = Effect.gen(function*() {
  const context = yield* Layer.build(client(yield* urlOfTest, { maxConnections: 1 }))
  const sql = Context.get(context, SqlClient.SqlClient)
  const [found] = yield* sql<{ name: string }>`select current_database() as name`
  const others = `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`
  const set = (how: string) =>
    Effect.andThen(sql.unsafe(`alter database ${found!.name} ${how}`), Effect.asVoid(sql.unsafe(others)))
  yield* sql`set default_transaction_read_only = off`
  yield* set("set default_transaction_read_only = on")
  // Once: at the end of the test it would close connections on which the next test sends its first statement.
  const end = yield* Effect.cached(set("reset default_transaction_read_only"))
  yield* Effect.addFinalizer(() => Effect.orDie(end))
  const spared = Effect.provideService(SqlClient.SqlClient, sql)
  return { end, spared }
})

workerTests("a database that may only be read", (test) => {
  test(
    "is waited for: no step is parked, and no handler runs again and again",
    Effect.gen(function*() {
      yield* prepareNotes
      const { enqueue, gate, ran, tasks } = yield* writers
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks }), logs.layer)
      const ids = yield* enqueue
      const { end, spared } = yield* readOnlySpell
      yield* gate.open
      yield* Effect.sleep("3 seconds")
      for (const id of ids) assert.deepInclude(yield* spared(row(id)), untried)
      yield* end
      yield* spared(empty)
      assert.deepStrictEqual(yield* spared(notes), ["bound", "commit"])
      assert.deepStrictEqual([...ran].sort(), ["bound", "bound", "commit", "empty"])
      assert.deepStrictEqual(logs.find("Parked"), [])
    })
  )

  test(
    "for the step's own statements alone: it counts in the end",
    Effect.gen(function*() {
      yield* prepareNotes
      const Jobs = Task.make("Jobs", [
        Step.make(Job, {
          transactional: true,
          handler: ({ name }) => Effect.as(Effect.andThen(run("set transaction read only"), note(name)), NextStep.none)
        })
      ])
      yield* start({ tasks: [Jobs] }).pipe(Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.1)))
      const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.deepInclude(left, { tried: 1, token: null })
      assert.include(left.error, "read-only transaction")
    })
  )
})

workerTests("a transactional step that goes on after a statement of its own was refused", (test) => {
  test(
    "has failed",
    Effect.gen(function*() {
      const Jobs = Task.make("Jobs", [
        Step.make(Job, {
          transactional: true,
          handler: () => Effect.as(Effect.ignore(run("select 1 / 0")), NextStep.none)
        })
      ])
      yield* start({ tasks: [Jobs] })
      const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.deepInclude(left, { tried: 1, token: null })
      assert.include(left.error, "current transaction is aborted")
    })
  )
})
