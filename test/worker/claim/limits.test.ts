/** Where the numbers of Postgres and the messages of the driver end. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Admin, NextStep, Step, Task } from "../../../src/index.ts"
import { Job, jobs, start, workerTests } from "../../support/worker/Fixture.ts"
import { gone, parked, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

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

/** A state of so many bytes, written by Postgres itself. */
const insertLong = (bytes: number) =>
  Effect.map(
    run<{ id: string }>(
      `insert into pg_task (step) select '{"Jobs":{"Job":{"name":"' || repeat('x', $1 - 30) || '"}}}' returning id::text`,
      [bytes]
    ),
    ([row]) => row!.id
  )

workerTests("a state of more than 15 MB", (test) => {
  const seen: Array<number> = []
  const Jobs = jobs(({ name }) => Effect.as(Effect.sync(() => seen.push(name.length)), NextStep.none))

  test(
    "parks its row, and holds up no other one",
    Effect.gen(function*() {
      const long = yield* insertLong(17_000_000)
      const most = yield* insertLong(15_000_000)
      const other = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* start({ tasks: [Jobs] })
      yield* gone(most)
      yield* gone(other)
      const { crashes, error, tried } = yield* eventually(Admin.get(long), ({ status }) => status === "parked")
      assert.include(error, "step is longer than 15 MB")
      assert.deepStrictEqual([crashes, tried], [0, 0])
      assert.sameMembers(seen, [15_000_000 - 30, 1])
    })
  )

  test(
    "is shown by its beginning, and can be replaced",
    Effect.gen(function*() {
      const id = yield* insertLong(17_000_000)
      const { raw, step, task } = yield* Admin.get(id)
      assert.deepStrictEqual([task, step, raw.length], ["Jobs", "Job", 2003])
      assert.deepStrictEqual((yield* Admin.list()).rows.map((row) => row.raw), [raw])
      yield* Admin.edit(Jobs, id, new Job({ name: "b" }))
      assert.strictEqual((yield* Admin.get(id)).raw, `{"Jobs":{"Job":{"name":"b"}}}`)
    })
  )

  test(
    "is not stored, and its error says why",
    Effect.gen(function*() {
      // Half as many characters as bytes.
      const name = "é".repeat(7_500_000)
      const errors = [
        yield* Effect.flip(Jobs.enqueue(new Job({ name }))),
        yield* Effect.flip(Jobs.enqueueAll([new Job({ name: "a" }), new Job({ name })])),
        yield* Effect.flip(Admin.enqueueRaw(`{"Jobs":{"Job":{"name":"${name}"}}}`))
      ]
      for (const error of errors) {
        assert.strictEqual(error._tag, "TaskInvalidStateError")
        assert.include(error.message, "longer than 15 MB")
      }
      assert.deepStrictEqual(yield* run("table pg_task"), [])
    })
  )

  test(
    "can't be a step's next one: the step fails, and keeps its own state",
    Effect.gen(function*() {
      const Grows = jobs(({ name }) => Effect.succeed(NextStep.now(new Job({ name: name.repeat(15_000_000) }))))
      yield* start({ tasks: [Grows] })
      const row = yield* parked(yield* Grows.enqueue(new Job({ name: "a" })))
      assert.include(row.error, "longer than 15 MB")
      assert.strictEqual(row.step, `{"Jobs":{"Job":{"name":"a"}}}`)
    })
  )
})
