/** Another session keeps a transaction open: until it ends, Postgres can't remove a row that was claimed and deleted. */
import { assert } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep } from "../../src/index.ts"
import { Job, jobs, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { gone, run } from "../support/worker/Table.ts"

const dead = 200_000

const Jobs = jobs(() => Effect.succeed(NextStep.none))

/** How many entries of the index have been read, by sessions that have ended. */
const entriesRead = Effect.map(
  run<{ read: number }>(
    "select idx_tup_read::float8 as read from pg_stat_user_indexes where indexrelname = 'pg_task_due_idx'"
  ),
  (found) => found[0]!.read
)

/** Rows that became due long ago and are gone, though not for the snapshot that is open as long as the scope. */
const leaveDeadRows = Effect.gen(function*() {
  const snapshot = yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql.reserve)
  const send = (text: string) => snapshot.executeUnprepared(text, [], undefined)
  yield* send("begin isolation level repeatable read")
  yield* Effect.addFinalizer(() => Effect.ignore(send("rollback")))
  yield* send("select 1")
  yield* run(
    `insert into pg_task (step, wakeup_at)
    select '{"Jobs":{"Job":{"name":"dead"}}}', now() - interval '1 day' + n * interval '10 milliseconds'
    from generate_series(1, ${dead}) n`
  )
  yield* run("delete from pg_task")
})

workerTests("while dead rows can't be removed,", (test) => {
  test(
    "claims don't read them each time, and yet find what becomes ready behind them",
    Effect.gen(function*() {
      yield* leaveDeadRows
      const url = yield* urlOfTest
      yield* Effect.scoped(Effect.gen(function*() {
        yield* startWith(url, { tasks: [Jobs] })
        for (let n = 0; n < 60; n++) yield* gone(yield* Jobs.enqueue(new Job({ name: `${n}` })))
        yield* gone(yield* Jobs.schedule(new Job({ name: "of old" }), DateTime.makeUnsafe(0)))
      }))
      // Once when it started, and a few times later on: but not for each task, nor for each sleep.
      assert.isBelow(yield* entriesRead, 30 * dead)
    })
  )
})
