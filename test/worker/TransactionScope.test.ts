import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { Job, start, workerTests } from "../support/worker/Fixture.ts"
import { gone, parked, run } from "../support/worker/Table.ts"

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
      assert.deepInclude(left, { tried: 1, deaths: 0, transitions: 0, token: null })
      assert.deepStrictEqual(yield* notes, [])
    })
  )
})
