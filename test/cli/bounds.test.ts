/** What is more than a command takes, or lists; and texts in rows that would control a terminal. */
import { assert } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { lines, module, pgTask } from "../support/cli/cli.ts"
import { resetLimits } from "../support/limits/Syncs.ts"
import { makePacedClock } from "../support/worker/Clocks.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import { run } from "../support/worker/Table.ts"

workerTests("pg-task", (test) => {
  test(
    "limits lists paused ones and those that back off, and says if there may be more than it lists",
    Effect.gen(function*() {
      yield* resetLimits
      assert.strictEqual((yield* pgTask(["limits"])).out.trim(), "No task is at a limit")
      yield* run(`insert into pg_task (step, limit_key, slots)
        select '{"Syncs":{"Sync":{}}}', 'tenant:' || n, 3 from generate_series(1, 999) n`)
      yield* run("insert into pg_task_paused (kind, name) values ('limit', 'tenant:7')")
      yield* run(`insert into pg_task_limit (key, slots, rate_limit, rate_per, held_until)
        values ('tenant:8', 2, 100, 60000, now() + interval '90 minutes')`)
      const all = yield* pgTask(["limits"])
      assert.deepInclude(all, { err: "", code: 0 })
      const found = lines(all)
      assert.lengthOf(found, 1000)
      const line = (key: string) => found.find((one) => one.startsWith(`tenant  ${key} `))!
      assert.match(line("7"), / 0 +3 +1 +[\dms]+ +paused$/)
      assert.match(line("8"), / 0 +2 +100 per 1m +1 +[\dms]+ +backs off for 1h(29|30)m$/)
      yield* run("insert into pg_task_paused (kind, name) values ('limit', 'other')")
      for (const flags of [[], ["--json"]]) {
        const cut = yield* pgTask(["limits", ...flags])
        assert.strictEqual(
          cut.err.trim(),
          "Those with the most waiting tasks are listed: 1,000, and there may be more"
        )
      }
      yield* resetLimits
    })
  )

  test(
    "stats --by error says if there may be more errors than it lists",
    Effect.gen(function*() {
      yield* run(`insert into pg_task (step, error)
        select '{"A":{"B":{}}}', 'Error ' || n from generate_series(1, 99) n`)
      assert.strictEqual((yield* pgTask(["stats", "--by", "error"])).err, "")
      yield* run(`insert into pg_task (step, error) values ('{"A":{"B":{}}}', 'One more')`)
      assert.include((yield* pgTask(["stats", "--by", "error"])).err, "The most frequent errors are listed: 100")
    })
  )

  test(
    "takes any age, and refuses what is no port",
    Effect.gen(function*() {
      yield* run(`insert into pg_task (step) values ('{"A":{"B":{}}}')`)
      for (const [age, found] of [["--older-than", 0], ["--newer-than", 1]] as const) {
        for (const duration of ["300000w", "99999999999999w", "Infinity"]) {
          const { code, err, out } = yield* pgTask(["list", age, duration, "--json"])
          assert.deepStrictEqual([code, err], [0, ""], `${age} ${duration}`)
          assert.lengthOf(JSON.parse(out).tasks, found)
        }
      }
      for (const port of ["--port=-1", "--port=65536"]) {
        const { code, err } = yield* pgTask(["web", port])
        assert.strictEqual(code, 2)
        assert.include(err, "a number of 0 to 65535")
      }
    })
  )

  test(
    "check and migrate-states wait no longer than a minute for a table that is locked",
    Effect.gen(function*() {
      const end = yield* holding("lock table pg_task in access exclusive mode")
      for (const command of ["check", "migrate-states"]) {
        const { code, err } = yield* pgTask([command, "--module", module]).pipe(
          // Makes a minute short.
          Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.02))
        )
        assert.deepStrictEqual([code, err.slice(0, 38)], [3, "The database didn't answer within 1m: "], command)
      }
      yield* end
      for (const command of ["check", "migrate-states"]) {
        assert.strictEqual((yield* pgTask([command, "--module", module])).code, 0, command)
      }
    })
  )

  test(
    "show names the signal that a task waits for in the next command, and it controls no terminal",
    Effect.gen(function*() {
      const [row] = yield* run<{ readonly id: string }>(
        `insert into pg_task (step, waits_for, wait_until, wakeup_at)
        values ('{"A":{"B":{}}}', array[E'\\u001b[2JApproved'], now() + interval '1 day', now() + interval '1 day')
        returning id::text`
      )
      const { out } = yield* pgTask(["show", row!.id])
      assert.match(out, /status +waiting/)
      assert.include(out, `pg-task signal ${row!.id.slice(0, 8)} \\x1b[2JApproved '{…}'`)
      assert.notInclude(out, "\u001b")
    })
  )
})
