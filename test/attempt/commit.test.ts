import { assert } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import type { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { Job, makeGate, start, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { note, notes, prepareNotes } from "../support/worker/Notes.ts"
import { empty, parked, row, rowWhere, steal } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

/** A task of one step that isn't. */
const plain = <E, R>(
  handler: (job: Job) => Effect.Effect<NextStep.NextStep<Job, unknown, SqlClient.SqlClient>, E, R>,
  retryLimit = 0
) => Task.make("Jobs", [Step.make(Job, { next: [Job], retryLimit, retryDelay: "10 millis", handler })])

const last = new Job({ name: "last" })

workerTests("`commit`", (test) => {
  test(
    "runs in one transaction with every kind of transition",
    Effect.gen(function*() {
      yield* prepareNotes
      const Jobs = plain(({ name }) => {
        const options = { commit: Effect.asVoid(note(name)) }
        const next = new Job({ name: "end" })
        return Effect.succeed(
          name === "now" ?
            NextStep.now(next, options)
            : name === "delay" ?
            NextStep.delay(next, 1, options)
            : NextStep.noneWith(options)
        )
      })
      yield* start({ tasks: [Jobs] })
      yield* Jobs.enqueueAll(["now", "delay", "none"].map((name) => new Job({ name })))
      yield* empty
      assert.deepStrictEqual(yield* notes, ["delay", "end", "end", "none", "now"])
    })
  )

  test(
    "is seen with the transition, not before",
    Effect.gen(function*() {
      yield* prepareNotes
      const written = yield* Deferred.make<void>()
      const mayCommit = yield* Deferred.make<void>()
      const commit = Effect.andThen(
        note("a"),
        Effect.andThen(Deferred.succeed(written, undefined), Deferred.await(mayCommit))
      )
      const Jobs = plain(() => Effect.succeed(NextStep.delay(last, "1 hour", { commit })))
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* within(Deferred.await(written), "the commit effect")
      assert.deepStrictEqual(yield* notes, [])
      assert.deepInclude(yield* row(id), { status: "running", transitions: 0 })
      yield* Deferred.succeed(mayCommit, undefined)
      yield* rowWhere(id, ({ transitions }) => transitions === 1)
      assert.deepStrictEqual(yield* notes, ["a"])
    })
  )

  for (const [how, failure] of [["fails", Effect.fail("no commit")], ["dies", Effect.die("no commit")]] as const) {
    test(
      `that ${how} is a failure of the step: nothing is committed, and it is tried again`,
      Effect.gen(function*() {
        yield* prepareNotes
        const attempts: Array<number> = []
        const Jobs = plain(() =>
          Effect.gen(function*() {
            attempts.push((yield* Step.Context).attempt)
            return NextStep.now(last, { commit: Effect.andThen(note("undone"), failure) })
          }), 1)
        yield* start({ tasks: [Jobs] })
        const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
        assert.deepInclude(left, { tried: 2, transitions: 0, step: `{"Jobs":{"Job":{"name":"a"}}}` })
        assert.include(left.error, "no commit")
        assert.deepStrictEqual(attempts, [1, 2])
        assert.deepStrictEqual(yield* notes, [])
      })
    )
  }

  test(
    "of an attempt that lost its lease is rolled back",
    Effect.gen(function*() {
      yield* prepareNotes
      const gate = yield* makeGate
      const Jobs = plain(({ name }) => Effect.as(gate.enter(name), NextStep.noneWith({ commit: note("undone") })))
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs], lease: "5 minutes" }), logs.layer)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* steal(id)
      yield* gate.open
      yield* logs.line("Lease lost")
      assert.deepStrictEqual(yield* notes, [])
      assert.deepInclude(yield* row(id), { status: "running" })
    })
  )
})
