import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { closed, Job, startApart, workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import * as Logs from "../support/worker/Logs.ts"
import { row, run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"

/** Whoever holds it holds up every COMMIT that wrote into the table `slow`. */
const lock = "select pg_advisory_xact_lock(1)"

const createSlow = [
  "create table slow (name text)",
  `create function slowly() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock_shared(1); return null; end $$`,
  `create constraint trigger slowly after insert on slow deferrable initially deferred
    for each row execute function slowly()`
]

const write = (name: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`insert into slow values (${name})`)

workerTests("a step that is interrupted while its transaction commits", (test) => {
  test(
    "has moved on: its next step is given back at once, and no death is counted",
    Effect.gen(function*() {
      for (const statement of createSlow) yield* run(statement)
      const next = new Job({ name: "next" })
      const Bound = Task.make("Bound", [
        Step.make(Job, {
          next: [Job],
          transactional: true,
          handler: ({ name }) => Effect.as(write(name), NextStep.now(next))
        })
      ])
      const Commit = Task.make("Commit", [
        Step.make(Job, {
          next: [Job],
          handler: ({ name }) => Effect.succeed(NextStep.now(next, { commit: write(name) }))
        })
      ])
      const logs = Logs.capture()
      const letGo = yield* holding(lock)
      const worker = yield* Effect.provide(startApart({ tasks: [Bound, Commit], shutdownTimeout: 0 }), logs.layer)
      const ids = [yield* Bound.enqueue(new Job({ name: "bound" })), yield* Commit.enqueue(new Job({ name: "commit" }))]
      const committing = run(
        `select pid from pg_stat_activity
        where datname = current_database() and query = 'COMMIT' and wait_event_type = 'Lock'`
      )
      yield* eventually(committing, (found) => found.length === 2)
      const closing = yield* Effect.forkScoped(closed(worker))
      yield* logs.line("Interrupting 2 steps")
      yield* letGo
      yield* within(Fiber.join(closing), "the stop")
      const written = yield* run<{ name: string }>("select name from slow order by name")
      assert.deepStrictEqual(written.map(({ name }) => name), ["bound", "commit"])
      for (const id of ids) {
        assert.deepInclude(yield* row(id), { status: "ready", transitions: 1, tried: 0, crashes: 0, token: null })
      }
    })
  )
})
