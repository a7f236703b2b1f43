import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { closed, Job, makeGate, start, startApart, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { note, notes, prepareNotes } from "../support/worker/Notes.ts"
import { empty, gone, listening, parked, row, rowWhere, run, steal } from "../support/worker/Table.ts"

/** A task of one transactional step. */
const transactional = <E, R>(
  handler: (job: Job) => Effect.Effect<NextStep.NextStep<Job, unknown, SqlClient.SqlClient>, E, R>,
  retryLimit = 0
) =>
  Task.make("Jobs", [
    Step.make(Job, { next: [Job], transactional: true, retryLimit, retryDelay: "10 millis", handler })
  ])

const last = new Job({ name: "last" })

workerTests("a transactional step", (test) => {
  test(
    "commits what it wrote with its transition, and neither is seen before",
    Effect.gen(function*() {
      yield* prepareNotes
      const gate = yield* makeGate
      const Jobs = transactional(({ name }) =>
        Effect.gen(function*() {
          yield* note(name)
          if (name === "last") return NextStep.none
          yield* gate.enter(name)
          return NextStep.delay(last, "1 hour")
        })
      )
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "first" }))
      yield* gate.next
      assert.deepStrictEqual(yield* notes, [])
      assert.deepInclude(yield* row(id), { status: "running", transitions: 0 })
      yield* gate.open
      const moved = yield* rowWhere(id, ({ status }) => status === "scheduled")
      assert.deepInclude(moved, { transitions: 1, tried: 0, delay: 3_600_000, token: null })
      assert.deepStrictEqual(yield* notes, ["first"])
      yield* run("update pg_task set wakeup_at = now()")
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["first", "last"])
    })
  )

  test(
    "goes on at once after `NextStep.now`, step by step",
    Effect.gen(function*() {
      yield* prepareNotes
      const Jobs = transactional(({ name }) =>
        Effect.as(
          note(name.padStart(5)),
          name.length < 5 ? NextStep.now(new Job({ name: `${name}.` })) : NextStep.none
        )
      )
      yield* start({ tasks: [Jobs], pollInterval: "1 hour" })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "." })))
      assert.strictEqual((yield* notes).length, 5)
    })
  )

  const failures: Record<string, Effect.Effect<NextStep.NextStep<Job>, string, SqlClient.SqlClient>> = {
    "fails": Effect.fail("an error"),
    "dies": Effect.die(new Error("an error")),
    "interrupts itself": Effect.interrupt,
    "sends a statement that is refused": Effect.orDie(run("select 1 / 0")) as Effect.Effect<
      never,
      never,
      SqlClient.SqlClient
    >,
    "moves to a state that can't be stored": Effect.succeed(NextStep.now({ _tag: "Job", name: 7 } as never)),
    "moves to a state that it may not": Effect.succeed(NextStep.now({ _tag: "Elsewhere" } as never)),
    "returns nonsense": Effect.succeed(7 as never)
  }
  for (const [how, failure] of Object.entries(failures)) {
    test(
      `that ${how} has written nothing, and its task is tried again, then parked`,
      Effect.gen(function*() {
        yield* prepareNotes
        const attempts: Array<number> = []
        const Jobs = transactional(({ name }) =>
          Effect.gen(function*() {
            attempts.push((yield* Step.Context).attempt)
            yield* note(name)
            return yield* failure
          }), 1)
        yield* start({ tasks: [Jobs] })
        const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
        assert.deepInclude(left, { tried: 2, transitions: 0, step: `{"Jobs":{"Job":{"name":"a"}}}` })
        assert.deepStrictEqual(attempts, [1, 2])
        assert.deepStrictEqual(yield* notes, [])
      })
    )
  }

  test(
    "that is interrupted at shutdown has written nothing, and is ready again",
    Effect.gen(function*() {
      yield* prepareNotes
      const gate = yield* makeGate
      const Jobs = transactional(({ name }) => Effect.as(Effect.andThen(note(name), gate.enter(name)), NextStep.none))
      const apart = yield* startApart({ tasks: [Jobs], shutdownTimeout: "50 millis" })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* closed(apart)
      assert.deepStrictEqual(yield* notes, [])
      assert.deepInclude(yield* row(id), { status: "ready", tried: 0, crashes: 0, transitions: 0, token: null })
      yield* gate.open
      yield* start({ tasks: [Jobs] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["a"])
    })
  )

  test(
    "that lost its lease has written nothing, and changes nothing",
    Effect.gen(function*() {
      yield* prepareNotes
      const gate = yield* makeGate
      const Jobs = transactional(({ name }) =>
        Effect.as(Effect.andThen(note(name), gate.enter(name)), NextStep.now(last))
      )
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs], lease: "5 minutes" }), logs.layer)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* steal(id)
      const stolen = yield* run("select * from pg_task")
      yield* gate.open
      assert.deepInclude((yield* logs.line("Lease lost")).annotations, { id, task: "Jobs", step: "Job", attempt: 1 })
      assert.deepStrictEqual(yield* notes, [])
      assert.deepStrictEqual(yield* run("select * from pg_task"), stolen)
    })
  )

  test(
    "enqueues tasks that are there, and run, if and only if it commits",
    Effect.gen(function*() {
      yield* prepareNotes
      const Child = Task.make("Child", [
        Step.make(Job, { handler: ({ name }) => Effect.as(note(`child of ${name}`), NextStep.none) })
      ])
      const gate = yield* makeGate
      const Jobs = transactional((job) =>
        Effect.gen(function*() {
          yield* Child.enqueue(job)
          yield* gate.enter(job.name)
          return job.name === "good" ? NextStep.none : yield* Effect.fail("no")
        })
      )
      yield* start({ tasks: [Jobs, Child], pollInterval: "1 hour" })
      yield* listening(1)
      const [good, bad] = yield* Jobs.enqueueAll([new Job({ name: "good" }), new Job({ name: "bad" })])
      yield* gate.next
      yield* gate.next
      assert.deepStrictEqual(yield* run("select 1 from pg_task where task = 'Child'"), [])
      yield* gate.open
      yield* gone(good!)
      yield* parked(bad!)
      yield* run("delete from pg_task where error is not null")
      yield* empty
      assert.deepStrictEqual(yield* notes, ["child of good"])
    })
  )

  test(
    "that lost against another transaction runs again, uncounted",
    Effect.gen(function*() {
      yield* prepareNotes
      let runs = 0
      const attempts: Array<number> = []
      const Jobs = transactional(({ name }) =>
        Effect.gen(function*() {
          attempts.push((yield* Step.Context).attempt)
          yield* note(name)
          if (++runs < 3) {
            yield* run("do $$ begin raise exception 'try again' using errcode = 'serialization_failure'; end $$")
          }
          return NextStep.none
        })
      )
      yield* start({ tasks: [Jobs] })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.deepStrictEqual(attempts, [1, 1, 1])
      assert.deepStrictEqual(yield* notes, ["a"])
    })
  )

  test(
    "may nest transactions of its own",
    Effect.gen(function*() {
      yield* prepareNotes
      const Jobs = transactional(({ name }) =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql.withTransaction(note(name))
          yield* Effect.ignore(sql.withTransaction(Effect.andThen(note("undone"), Effect.fail("undo"))))
          return NextStep.none
        })
      )
      yield* start({ tasks: [Jobs] })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.deepStrictEqual(yield* notes, ["a"])
    })
  )
})
