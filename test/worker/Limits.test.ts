/** Where the numbers of Postgres and the messages of the driver end. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Admin, NextStep, Step, Task } from "../../src/index.ts"
import { Job, jobs, start, workerTests } from "../support/worker/Fixture.ts"
import { gone, rowWhere, run } from "../support/worker/Table.ts"

const mostOfInt = 2_147_483_647

workerTests("a task with more transitions than an int holds", (test) => {
  for (const transactional of [false, true]) {
    test(
      `goes on, each of its steps once: ${transactional ? "transactional" : "plain"} steps`,
      Effect.gen(function*() {
        const keys: Array<string> = []
        const handler = ({ name }: Job) =>
          Effect.map(Step.Context, ({ idempotencyKey }) => {
            keys.push(idempotencyKey)
            const next = new Job({ name: `${name}!` })
            return keys.length < 5 ? NextStep.now(next) : keys.length < 7 ? NextStep.delay(next, 0) : NextStep.none
          })
        const Jobs = Task.make("Jobs", [Step.make(Job, { next: [Job], transactional, handler })])
        const id = yield* Jobs.enqueue(new Job({ name: "a" }))
        yield* run("update pg_task set transitions = $1", [mostOfInt - 3])
        yield* start({ tasks: [Jobs] })
        yield* gone(id)
        const expected = [-3, -2, -1, 0].map((n) => mostOfInt + n).concat(1, 2, 3)
        assert.deepStrictEqual(keys, expected.map((n) => `${id}:${n}`))
      })
    )
  }

  test(
    "can be edited",
    Effect.gen(function*() {
      const id = yield* jobs(() => Effect.succeed(NextStep.none)).enqueue(new Job({ name: "a" }))
      yield* run("update pg_task set transitions = $1", [mostOfInt])
      yield* Admin.editRaw(id, `{"Jobs":{"Job":{"name":"b"}}}`)
      assert.strictEqual((yield* rowWhere(id, () => true)).transitions, 1)
    })
  )
})
