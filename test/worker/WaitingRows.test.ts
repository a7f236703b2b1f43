/** Rows that are due later cost a worker nothing, however many they are. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { NextStep } from "../../src/index.ts"
import { Job, jobs, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { gone, run } from "../support/worker/Table.ts"

const waiting = 100_000

const Jobs = jobs(() => Effect.succeed(NextStep.none))

/** How many entries of the index of due rows have been read, by sessions that have ended. */
const entriesRead = Effect.map(
  run<{ read: number }>(
    "select idx_tup_read::float8 as read from pg_stat_user_indexes where indexrelname = 'pg_task_due_idx'"
  ),
  (found) => found[0]!.read
)

workerTests("beside rows that are due later,", (test) => {
  test(
    "a worker reads only the next one, each time that it has nothing to do",
    Effect.gen(function*() {
      yield* run(
        `insert into pg_task (step, wakeup_at)
        select '{"Jobs":{"Job":{"name":"later"}}}', now() + interval '1 day' + n * interval '1 second'
        from generate_series(1, $1::int) n`,
        [waiting]
      )
      yield* run("analyze pg_task")
      const before = yield* entriesRead
      const url = yield* urlOfTest
      yield* Effect.scoped(Effect.gen(function*() {
        yield* startWith(url, { tasks: [Jobs] })
        for (let n = 0; n < 20; n++) yield* gone(yield* Jobs.enqueue(new Job({ name: `${n}` })))
      }))
      assert.isBelow((yield* entriesRead) - before, waiting)
    })
  )
})
