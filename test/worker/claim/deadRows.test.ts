/** Another session keeps a transaction open: until it ends, Postgres can't remove a row that was claimed and deleted. */
import { assert } from "@effect/vitest"
import { DateTime, Duration, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep } from "../../../src/index.ts"
import { Job, jobs, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import { empty, gone, run } from "../../support/worker/Table.ts"

/** Enough for a claim that reads them to stand out, and few enough to be made in seconds on any machine. */
const dead = 500_000
const tasks = 120

/** In milliseconds. So many rows take minutes on a busy machine; each wait of the test has its own limit. */
const slowMachine = 1_200_000

const Jobs = jobs(() => Effect.succeed(NextStep.none))

/** How many entries of the index have been read, by sessions that have ended. */
const entriesRead = (index: string) =>
  Effect.map(
    run<{ read: number }>("select idx_tup_read::float8 as read from pg_stat_user_indexes where indexrelname = $1", [
      index
    ]),
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

/** How long it takes to pass over all dead rows, in milliseconds: the fastest of a few times. */
const fastestLook = Effect.map(
  Effect.replicateEffect(
    Effect.timed(run(
      `select 1 from pg_task where task = 'Jobs' and error is null and ended_at is null
        and (limit_key is null or slot is not null) order by wakeup_at limit (select 1::int8)`
    )),
    5
  ),
  (looks) => Math.min(...looks.map(([took]) => Duration.toMillis(took)))
)

workerTests("while dead rows can't be removed,", (test) => {
  test(
    "claims don't read them each time, and yet find what becomes ready behind them",
    Effect.gen(function*() {
      yield* leaveDeadRows
      const url = yield* urlOfTest
      yield* Effect.scoped(Effect.gen(function*() {
        yield* startWith(url, { tasks: [Jobs] })
        for (let n = 0; n < tasks; n++) yield* gone(yield* Jobs.enqueue(new Job({ name: `${n}` })))
        yield* gone(yield* Jobs.schedule(new Job({ name: "of old" }), DateTime.makeUnsafe(0)))
      }))
      // Each task takes a claim at least, and the worker sleeps before it. A busy machine has time for more looks at
      // everything, but never for one a task.
      assert.isBelow(yield* entriesRead("pg_task_open_idx"), (tasks * dead) / 2)
    }),
    slowMachine
  )

  test(
    "outcomes don't read them either, where Postgres has counted the rows meanwhile, and believes that there are none",
    Effect.gen(function*() {
      yield* leaveDeadRows
      yield* run("vacuum (analyze) pg_task")
      const url = yield* urlOfTest
      yield* Effect.scoped(Effect.gen(function*() {
        yield* startWith(url, { tasks: [Jobs] })
        for (let n = 0; n < 10; n++) yield* gone(yield* Jobs.enqueue(new Job({ name: `${n}` })))
      }))
      assert.isBelow(yield* entriesRead("pg_task_pkey"), dead)
    }),
    slowMachine
  )

  test(
    "a new worker claims what is new and what is old, though its time limit ends each look at everything",
    Effect.gen(function*() {
      yield* leaveDeadRows
      const limit = Math.ceil((yield* fastestLook) / 5)
      yield* run(
        `insert into pg_task (step, wakeup_at)
        select '{"Jobs":{"Job":{"name":"old"}}}', now() - interval '1 day' + interval '70 minutes' + n * interval '2 minutes'
        from generate_series(1, 5) n`
      )
      const url = `${yield* urlOfTest}?options=${encodeURIComponent(`-c statement_timeout=${limit}`)}`
      yield* startWith(url, { tasks: [Jobs], concurrency: 1, bufferSize: 0 })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "new" })))
      yield* empty
    }),
    slowMachine
  )
})
