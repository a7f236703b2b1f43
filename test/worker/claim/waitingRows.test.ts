/** Rows that are not for now cost a worker nothing, however many they are. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { NextStep } from "../../../src/index.ts"
import { Job, jobs, makeGate, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import { gone, run } from "../../support/worker/Table.ts"

const many = 200_000

/** How many entries of the table's indexes have been read, by sessions that have ended. */
const entriesRead = Effect.map(
  run<{ read: number }>(
    "select sum(idx_tup_read)::float8 as read from pg_stat_user_indexes where relname = 'pg_task'"
  ),
  (found) => found[0]!.read
)

const insertMany = (due: string) =>
  Effect.andThen(
    run(
      `insert into pg_task (step, wakeup_at)
      select '{"Jobs":{"Job":{"name":"one of many"}}}', now() + ${due} + n * interval '1 millisecond'
      from generate_series(1, $1::int) n`,
      [many]
    ),
    // Autovacuum does so sooner or later: then the planner knows how large the table is.
    run("analyze pg_task")
  )

workerTests("among 200,000 rows that are", (test) => {
  test(
    "due later, a worker with nothing to do looks at the next one, not at all of them",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* insertMany("interval '1 day'")
      const before = yield* entriesRead
      const url = yield* urlOfTest
      yield* Effect.scoped(Effect.gen(function*() {
        yield* startWith(url, { tasks: [Jobs] })
        for (let n = 0; n < 20; n++) yield* gone(yield* Jobs.enqueue(new Job({ name: `${n}` })))
      }))
      assert.isBelow((yield* entriesRead) - before, many)
    })
  )

  test(
    "due, a worker reads those that it claims, and some more",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(() => Effect.as(gate.enter("job"), NextStep.none))
      yield* insertMany("-interval '1 day'")
      const before = yield* entriesRead
      const url = yield* urlOfTest
      yield* Effect.scoped(Effect.gen(function*() {
        yield* startWith(url, { tasks: [Jobs], concurrency: 20, pollInterval: "20 millis", shutdownTimeout: 0 })
        for (let n = 0; n < 20; n++) yield* gate.next
      }))
      // The look for expired leases reads the due rows once or twice.
      assert.isBelow((yield* entriesRead) - before, 4 * many)
    })
  )
})
