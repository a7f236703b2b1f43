import { assert } from "@effect/vitest"
import { Effect, Queue, Schema } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { start, workerTests } from "../../support/worker/Fixture.ts"
import { empty, insert, row, rows } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

/** Names that quoting, JSON, regular expressions, SQL or JavaScript could trip over. */
const names = [
  "a",
  "with space",
  " ",
  " led and trailed ",
  "\"quoted\"",
  "'; drop table pg_task; --",
  "\\",
  "back\\slash\\",
  "\\u0041",
  "\\\"",
  "\n",
  "tab\tand\rreturn\b\f",
  "\u0001\u001f",
  "\u007f\u0080\u009f",
  "\u00a0\u2028\u2029\ufeff",
  "Größe",
  "e\u0301",
  "任务",
  "مهمة",
  "😀",
  "👩‍👩‍👧",
  "\ue000\uffff",
  "\u{10ffff}",
  "{",
  "}}",
  ":{",
  "{\"a\":{\"",
  "%",
  "_",
  "$1",
  "$$",
  "null",
  "1",
  "__proto__",
  "constructor",
  "a/b.c-d:e@1",
  "x".repeat(200),
  "\u0001".repeat(200),
  "😀".repeat(100)
]

class Job extends Schema.TaggedClass<Job>()("Job", {}) {}

workerTests("a task's name", (test) => {
  test(
    "may be any text: its column holds it, and its worker finds it",
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<string>()
      const job = Step.make(Job, {
        handler: () => Effect.as(Effect.flatMap(Step.Context, ({ task }) => Queue.offer(seen, task)), NextStep.none)
      })
      const tasks = names.map((name) => Task.make(name, [job]))
      for (const task of tasks) yield* task.enqueue(new Job())
      const stored = yield* rows
      assert.sameMembers(stored.map(({ task }) => task), names)
      for (const { step, task } of stored) assert.strictEqual(step, JSON.stringify({ [task!]: { Job: {} } }))
      yield* start({ tasks })
      assert.sameMembers(yield* within(Queue.takeN(seen, names.length), "all of them"), names)
      yield* empty
    })
  )

  test(
    "is the same in any spelling",
    Effect.gen(function*() {
      for (const name of names) {
        const escaped = Array.from(
          { length: name.length },
          (_, index) => `\\u${name.charCodeAt(index).toString(16).padStart(4, "0")}`
        ).join("")
        for (const step of [`{"${escaped}":{"Job":{}}}`, ` {\t"${escaped}"\n: {\r "Job" : null } } `]) {
          assert.strictEqual((yield* row(yield* insert(step)))!.task, name, step)
        }
      }
    })
  )
})

workerTests("a state's tag", (test) => {
  test(
    "may be any text, too",
    Effect.gen(function*() {
      const tags = [...names, "", "half \ud83d pair", "NUL \0"]
      const seen = yield* Queue.unbounded<string>()
      const task = Task.make(
        "Tags",
        tags.map((tag) =>
          Step.make(Schema.TaggedStruct(tag, {}), {
            handler: ({ _tag }) => Effect.as(Queue.offer(seen, _tag), NextStep.none)
          })
        )
      )
      yield* task.enqueueAll(tags.map((_tag) => ({ _tag })))
      yield* start({ tasks: [task] })
      assert.sameMembers(yield* within(Queue.takeN(seen, tags.length), "all of them"), tags)
      yield* empty
    })
  )
})
