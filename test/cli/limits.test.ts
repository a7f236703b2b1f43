/** `pg-task limits set` and `reset`. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { pgTask } from "../support/cli/cli.ts"
import { atTheDoor, resetLimits } from "../support/limits/Syncs.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"

const ofAcme = ["--limit", "tenant", "--key", "acme"]

workerTests("pg-task limits", (test) => {
  test(
    "changes how many tasks of a key, or of a limit, may be at work, lists that, and takes it back",
    Effect.gen(function*() {
      yield* resetLimits
      yield* atTheDoor("acme", 4, 5)
      const set = yield* pgTask(["limits", "set", ...ofAcme, "--running", "2"])
      assert.deepStrictEqual([set.out.trim(), set.err, set.code], ["Set limit tenant acme to 2", "", 0])
      assert.match((yield* pgTask(["limits"])).out, /tenant +acme +0 +2 +2 .*set to 2/)
      const whole = yield* pgTask(["limits", "set", "--limit", "tenant", "--running", "7", "--json"])
      assert.deepStrictEqual(JSON.parse(whole.out), { running: 7 })
      const listed = JSON.parse((yield* pgTask(["limits", "--json"])).out) as ReadonlyArray<{
        readonly key: string | null
        readonly running: number
        readonly itself: { readonly running: number | null }
      }>
      assert.deepStrictEqual(listed.map(({ itself, key, running }) => [key, running, itself.running]), [
        ["acme", 2, 2],
        [null, 7, 7]
      ])
      const reset = yield* pgTask(["limits", "reset", ...ofAcme])
      assert.strictEqual(reset.out.trim(), "The limit tenant acme has the number of the code again")
      const again = yield* pgTask(["limits", "reset", ...ofAcme])
      assert.strictEqual(again.code, 1)
      assert.include(again.err, "No number is set for the limit tenant acme: see ")
      assert.match((yield* pgTask(["limits"])).out, /tenant +acme +0 +7 +0/)
      assert.deepStrictEqual(JSON.parse((yield* pgTask(["limits", "reset", "--limit", "tenant", "--json"])).out), {
        reset: true
      })
    })
  )

  test(
    "refuses a number that no limit can have, and says that nobody uses a name",
    Effect.gen(function*() {
      yield* resetLimits
      yield* atTheDoor("acme", 1)
      for (const number of ["0", "10001"]) {
        const refused = yield* pgTask(["limits", "set", ...ofAcme, "--running", number])
        assert.strictEqual(refused.code, 2)
        assert.include(refused.err, `The limit tenant:acme can't have ${number} tasks at work: give a whole number`)
      }
      assert.strictEqual((yield* pgTask(["limits", "set", ...ofAcme, "--running", "two"])).code, 2)
      assert.strictEqual((yield* pgTask(["limits", "set", "--running", "2"])).code, 2)
      assert.lengthOf(yield* run("select 1 from pg_task_limit"), 0)
      const unused = yield* pgTask(["limits", "set", "--limit", "tenant", "--key", "acne", "--running", "2"])
      assert.deepStrictEqual(
        [unused.out.trim(), unused.err.trim(), unused.code],
        ["Set limit tenant acne to 2", "No row has the limit tenant acne now: is the name right?", 0]
      )
      yield* resetLimits
    })
  )
})
