import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "../../src/index.ts"
import { lines, pgTask } from "../support/cli/cli.ts"
import { nobody } from "../support/cli/Greeter.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { parked, run } from "../support/worker/Table.ts"

class Read extends Schema.TaggedClass<Read>()("Read", {}) {}
class Say extends Schema.TaggedClass<Say>()("Say", {}) {}

const Kept = Task.make("Kept", [
  Step.make(Read, { next: [Say], handler: () => Effect.succeed(NextStep.now(new Say())) }),
  Step.make(Say, { retryLimit: 1, retryDelay: 0, handler: () => Effect.fail(new Error("no\u001b[2J voice\nat all")) })
], { history: "1 day" })

const past = Effect.gen(function*() {
  yield* start({ tasks: [Kept] })
  const id = yield* Kept.enqueue(new Read())
  yield* parked(id)
  return id
})

workerTests("pg-task history", (test) => {
  test(
    "prints a timeline, by the first digits of an id, in which no text controls the terminal",
    Effect.gen(function*() {
      const id = yield* past
      const ended = yield* pgTask(["history", id.slice(0, 8)])
      assert.strictEqual(ended.code, 0)
      const [head, titles, ...attempts] = lines(ended)
      assert.include(head!, `Kept ${id}, last attempt `)
      assert.match(titles!, /^ENDED \(UTC\) +STEP +TRY +OUTCOME +TOOK +DETAIL$/)
      assert.lengthOf(attempts, 3)
      assert.match(attempts[0]!, / Read +1 +continued /)
      assert.match(attempts[1]!, / Say +1 +retried .*Error: no\\x1b\[2J voice/)
      assert.match(attempts[2]!, / Say +2 +parked /)
      const json = JSON.parse((yield* pgTask(["history", id, "--json"])).out)
      assert.deepInclude(json[2], { id, task: "Kept", state: "Say", transition: 1, attempt: 2, outcome: "parked" })
    })
  )

  test(
    "of a task with any name, and as many attempts as there may be, says that there may be more",
    Effect.gen(function*() {
      yield* run(
        `insert into pg_task_history (id, task, state, transition, attempt, outcome, ended_at, kept_until)
        select $1, E'\\u001b[2JEvil', 'B', n, 1, 'continued', now() + n * interval '1 second', now() + interval '1 day'
        from generate_series(1, 1000) n`,
        [nobody]
      )
      const ended = yield* pgTask(["history", nobody])
      assert.isTrue(ended.out.startsWith(`\\x1b[2JEvil ${nobody}, last attempt `))
      assert.strictEqual(ended.err.trim(), "The last attempts of it are listed: 1,000, and there may be more")
      yield* run("delete from pg_task_history where transition = 1 and id = $1", [nobody])
      assert.strictEqual((yield* pgTask(["history", nobody])).err, "")
      yield* run("truncate pg_task_history")
    })
  )

  test(
    "says that there is none",
    Effect.gen(function*() {
      const ended = yield* pgTask(["history", nobody])
      assert.deepInclude(ended, { code: 0, out: "" })
      assert.match(ended.err, /its task keeps none/)
    })
  )
})

workerTests("pg-task show", (test) => {
  test(
    "has the last attempts of a task that keeps a history",
    Effect.gen(function*() {
      const { out } = yield* pgTask(["show", yield* past])
      assert.match(out, /LAST ATTEMPTS\n +ENDED \(UTC\)[^]*retried[^]*parked[^]*\nNEXT\n/)
    })
  )
})
