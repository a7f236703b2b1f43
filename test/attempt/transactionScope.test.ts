import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { Job, start, workerTests } from "../support/worker/Fixture.ts"
import { gone, parked, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const prepare = Effect.andThen(run("create table if not exists note (text text)"), run("truncate note"))
const note = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`insert into note values (${text})`)
const notes = Effect.map(
  run<{ text: string }>("select text from note order by text"),
  (found) => found.map(({ text }) => text)
)

const task = (finalizer: Effect.Effect<unknown, never, SqlClient.SqlClient>) =>
  Task.make("Jobs", [
    Step.make(Job, {
      transactional: true,
      next: [Job],
      handler: Effect.fnUntraced(function*({ name }) {
        if (name === "next") return NextStep.none
        yield* note("step")
        yield* Effect.addFinalizer(() => finalizer)
        return NextStep.now(new Job({ name: "next" }))
      })
    })
  ])

workerTests("what a transactional step leaves to its scope", (test) => {
  test(
    "is part of its transaction",
    Effect.gen(function*() {
      yield* prepare
      const Jobs = task(Effect.orDie(note("finalizer")))
      yield* start({ tasks: [Jobs] })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "first" })))
      assert.deepStrictEqual(yield* notes, ["finalizer", "step"])
    })
  )

  test(
    "fails the step, and takes its writes back, when it fails",
    Effect.gen(function*() {
      yield* prepare
      const Jobs = task(Effect.die("no such file"))
      yield* start({ tasks: [Jobs] })
      const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "first" })))
      assert.include(left.error, "no such file")
      assert.deepInclude(left, { tried: 1, crashes: 0, transitions: 0, token: null })
      assert.deepStrictEqual(yield* notes, [])
    })
  )
})

workerTests("a transactional step that takes longer than its lease", (test) => {
  const now = Effect.map(
    run<{ now: number }>("select extract(epoch from clock_timestamp())::float8 as now"),
    ([found]) => found!.now
  )
  let ended = NaN
  const slow = (next: NextStep.NextStep<Job>) =>
    Task.make("Jobs", [
      Step.make(Job, {
        transactional: true,
        next: [Job],
        handler: Effect.fnUntraced(function*({ name }) {
          if (name === "next") return yield* Effect.never
          yield* run("select pg_sleep(1.5)")
          ended = yield* now
          return next
        })
      })
    ])
  /** How many seconds after the end of the step. */
  const after = (id: string, column: "lease_until" | "wakeup_at") =>
    Effect.map(
      eventually(
        run<{ at: number }>(
          `select extract(epoch from ${column})::float8 as at from pg_task
           where id = $1::uuid and transitions = 1`,
          [id]
        ),
        (found) => found.length === 1
      ),
      ([found]) => found!.at - ended
    )

  test(
    "begins a new one when it moves on",
    Effect.gen(function*() {
      const Jobs = slow(NextStep.now(new Job({ name: "next" })))
      yield* start({ tasks: [Jobs], lease: "1 second", shutdownTimeout: 0 })
      assert.isAbove(yield* after(yield* Jobs.enqueue(new Job({ name: "first" })), "lease_until"), 0.9)
    })
  )

  test(
    "puts off from its end, not from its beginning",
    Effect.gen(function*() {
      const Jobs = slow(NextStep.delay(new Job({ name: "next" }), "1 minute"))
      yield* start({ tasks: [Jobs], lease: "1 second" })
      assert.isAbove(yield* after(yield* Jobs.enqueue(new Job({ name: "first" })), "wakeup_at"), 59.9)
    })
  )
})
