import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { client } from "../../support/database/Database.ts"
import { Job, jobs, start, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { note, notes, prepareNotes } from "../../support/worker/Notes.ts"
import { empty, gone, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

workerTests("several workers on one client", (test) => {
  test(
    "leave it a connection, however many they are",
    Effect.gen(function*() {
      const logs = Logs.capture()
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* Effect.gen(function*() {
        for (let n = 0; n < 3; n++) yield* start({ tasks: [Jobs], pollInterval: "200 millis" })
      }).pipe(
        Effect.provide(yield* Layer.build(client(yield* urlOfTest, { maxConnections: 2 }))),
        Effect.provide(logs.layer)
      )
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.lengthOf(logs.find("no connection to spare"), 2)
    })
  )
})

workerTests("what is to run after the commit of a step", (test) => {
  test(
    "gets the connection of its transaction, when there is no other",
    Effect.gen(function*() {
      const Jobs = Task.make("Jobs", [
        Step.make(Job, {
          transactional: true,
          handler: Effect.fnUntraced(function*({ name }) {
            const sql = yield* SqlClient.SqlClient
            yield* sql.afterCommit(Effect.orDie(note(`after ${name}`)))
            yield* note(name)
            return NextStep.none
          })
        })
      ])
      yield* prepareNotes
      yield* startWith(yield* urlOfTest, { tasks: [Jobs] }, { maxConnections: 1 })
      yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* eventually(notes, (found) => found.length === 2)
    })
  )
})

/** A task of one step with a transaction that lasts for so many seconds, by itself or in its `commit`, and what ran. */
const slow = (seconds: number) => {
  const ran: Array<string> = []
  const Bound = Task.make("Bound", [
    Step.make(Job, {
      transactional: true,
      handler: ({ name }) =>
        Effect.andThen(
          Effect.sync(() => ran.push(`bound ${name}`)),
          Effect.as(run(`select pg_sleep(${seconds})`), NextStep.none)
        )
    })
  ])
  const Commit = Task.make("Commit", [
    Step.make(Job, {
      handler: ({ name }) =>
        Effect.sync(() => {
          ran.push(`commit ${name}`)
          return NextStep.noneWith({ commit: run(`select pg_sleep(${seconds})`) })
        })
    })
  ])
  const enqueue = (count: number) => {
    const states = Array.from({ length: count }, (_, n) => new Job({ name: `${n}` }))
    return Effect.andThen(Bound.enqueueAll(states), Commit.enqueueAll(states))
  }
  return { enqueue, ran, tasks: [Bound, Commit] as const }
}

workerTests("transactions that last longer than the lease", (test) => {
  for (const [size, options, count] of [["the default", {}, 10], ["3", { maxConnections: 3 }, 2]] as const) {
    test(
      `leave the worker a connection to renew it with, in a pool of ${size}`,
      Effect.gen(function*() {
        const logs = Logs.capture()
        const { enqueue, ran, tasks } = slow(2.5)
        yield* enqueue(count)
        const url = yield* urlOfTest
        // The second would take what the first can't keep.
        for (let n = 0; n < 2; n++) {
          yield* startWith(url, { tasks, concurrency: 20, lease: "1 second" }, options).pipe(Effect.provide(logs.layer))
        }
        yield* empty
        assert.lengthOf(ran, 2 * count)
        assert.strictEqual(new Set(ran).size, 2 * count)
        assert.deepStrictEqual(logs.find("lease"), [])
      })
    )
  }
})
