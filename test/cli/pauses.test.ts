/** `pg-task pause` and `resume`. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { lines, pgTask } from "../support/cli/cli.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { insert, run } from "../support/worker/Table.ts"

workerTests("pg-task pause", (test) => {
  test(
    "pauses a task, a limit, and a key of one, lists them, and resume lets them go on",
    Effect.gen(function*() {
      assert.strictEqual((yield* pgTask(["pause"])).out.trim(), "Nothing is paused")
      const targets = [
        [["--task", "Greeter"], "task Greeter"],
        [["--limit", "stripe"], "limit stripe"],
        [["--limit", "tenant", "--key", "acme"], "limit tenant acme"]
      ] as const
      for (const [flags, title] of targets) {
        assert.strictEqual((yield* pgTask(["pause", ...flags])).out.trim(), `Paused ${title}`)
      }
      const listed = lines(yield* pgTask(["pause"])).slice(1).map((line) => line.replace(/ {2,}.*/, ""))
      assert.sameMembers(listed, targets.map(([, title]) => title))
      const found = JSON.parse((yield* pgTask(["pause", "--json"])).out) as ReadonlyArray<{ readonly task: string }>
      assert.lengthOf(found.filter(({ task }) => task === "Greeter"), 1)
      const id = yield* insert(`{"Greeter":{"ReadName":{"filename":"x"}}}`)
      assert.include((yield* pgTask(["stats"])).out, "Greeter (paused)")
      assert.match((yield* pgTask(["show", id])).out, /ready for .*, its task is paused/)
      for (const [flags, title] of targets) {
        assert.strictEqual((yield* pgTask(["resume", ...flags])).out.trim(), `Resumed ${title}`)
        const again = yield* pgTask(["resume", ...flags])
        assert.strictEqual(again.code, 1)
        assert.include(again.err, `${title} is not paused`)
      }
      assert.notInclude((yield* pgTask(["stats"])).out, "paused")
    })
  )

  test(
    "needs a task or a limit, and not both",
    Effect.gen(function*() {
      for (const flags of [["--key", "acme"], ["--task", "A", "--limit", "b"]]) {
        const refused = yield* pgTask(["pause", ...flags])
        assert.strictEqual(refused.code, 2)
        assert.include(refused.err, "Give --task, or --limit")
      }
      assert.deepStrictEqual(yield* run("select 1 from pg_task_paused"), [])
    })
  )
})
