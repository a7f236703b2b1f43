/** `pg-task pause` and `resume`. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Pauses } from "../../src/index.ts"
import { lines, pgTask } from "../support/cli/cli.ts"
import { readsOf, recording } from "../support/dashboard/Statements.ts"
import { atTheDoor } from "../support/limits/Syncs.ts"
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
    "says that no row has a name now, and pauses it all the same",
    Effect.gen(function*() {
      const hint = (title: string) => `No row has the ${title} now: is the name right?`
      yield* insert(`{"Greeter":{"ReadName":{"filename":"x"}}}`)
      yield* atTheDoor("acme", 1)
      yield* run("insert into pg_task_limit (key, slots) values ('stripe', 1)")
      const wrong = [
        [["pause", "--task", "Greter"], "task Greter"],
        [["pause", "--limit", "tenan"], "limit tenan"],
        [["pause", "--limit", "tenants"], "limit tenants"],
        [["pause", "--limit", "tenant", "--key", "acne"], "limit tenant acne"]
      ] as const
      for (const [args, title] of wrong) {
        const ended = yield* pgTask([...args])
        assert.deepStrictEqual([ended.err.trim(), ended.code], [hint(title), 0])
        assert.include(ended.out, "Paused ")
      }
      assert.lengthOf(yield* run("select 1 from pg_task_paused"), wrong.length)
      const right = [
        ["pause", "--task", "Greeter"],
        ["pause", "--limit", "tenant"],
        ["pause", "--limit", "tenant", "--key", "acme"],
        ["pause", "--limit", "stripe"]
      ]
      for (const args of right) assert.strictEqual((yield* pgTask(args)).err, "", args.join(" "))
      yield* run("truncate pg_task_paused, pg_task_limit")
    })
  )

  test(
    "knows a name by rows of any status, and by a key that is paused",
    Effect.gen(function*() {
      yield* run(`insert into pg_task (step, limit_key, slot, slots, wakeup_at, error, ended_at)
select format('{"%s":{"A":{}}}', name), name || ':x', slot, 1, now() + due::interval, error, ended
from (values ('AtTheDoor', null, '0', null, null), ('DueLater', 0, '1 day', null, null), ('Holder', 1, '0', null, null),
  ('Parked', 0, '0', 'boom', null), ('Ended', null, '0', null, now())) r (name, slot, due, error, ended)`)
      yield* run("insert into pg_task_paused (kind, name) values ('limit', 'later:x')")
      const isUsed = (target: Pauses.PauseTarget) => Effect.orDie(Pauses.isUsed(target))
      for (const task of ["AtTheDoor", "DueLater", "Holder", "Parked", "Ended"]) {
        assert.isTrue(yield* isUsed({ task }), task)
      }
      for (const limit of ["AtTheDoor", "DueLater", "Holder"]) {
        assert.isTrue(yield* isUsed({ limit }), limit)
        assert.isTrue(yield* isUsed({ limit, key: "x" }), limit)
        assert.isFalse(yield* isUsed({ limit, key: "y" }), limit)
      }
      assert.isTrue(yield* isUsed({ limit: "later" }))
      assert.isFalse(yield* isUsed({ limit: "Late" }))
      assert.isFalse(yield* isUsed({ task: "later" }))
      yield* run("truncate pg_task_paused")
    })
  )

  test(
    "finds that out with few reads",
    Effect.gen(function*() {
      yield* run(`insert into pg_task (step, limit_key, slots) select '{"Syncs":{"Sync":{}}}', 'tenant:' || n % 100, 1
from generate_series(1, 20000) n`)
      yield* run("analyze pg_task")
      const sql = yield* SqlClient.SqlClient
      const { client, take } = recording(sql)
      // Each of the hundred keys is one look into each of three indexes, and so is the end.
      const cases = [[{ task: "Sync" }, 0], [{ limit: "tenan" }, 303], [{ limit: "tenant", key: "x" }, 0]] as const
      for (const [target, most] of cases) {
        const isUsed = Effect.provideService(Pauses.isUsed(target), SqlClient.SqlClient, client)
        assert.isFalse(yield* Effect.orDie(isUsed))
        for (const { rows, text } of yield* readsOf(sql, take())) assert.isAtMost(rows, most, text)
      }
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
