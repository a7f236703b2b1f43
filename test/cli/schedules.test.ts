/** `pg-task schedules`, and `Schedules.orphans` and `prune` behind it. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import { Schedules } from "../../src/index.ts"
import { lines, module as withoutRecurring, pgTask } from "../support/cli/cli.ts"
import { Nightly, Tenants } from "../support/cli/recurring.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"

const module = fileURLToPath(new URL("../support/cli/recurring.ts", import.meta.url))

const store = (recurring: string, name: string) =>
  run("insert into pg_task (step, key, wakeup_at) values ($1, $2, now() + interval '1 day')", [
    JSON.stringify({ [recurring]: { $schedule: { cron: "0 3 * * *", timeZone: "UTC" } } }),
    name
  ])

/** What the code has, and what it has no more. */
const storeAll = Effect.gen(function*() {
  for (const [recurring, name] of [...kept, ...orphaned]) yield* store(recurring, name)
  // A task that one of them has started, and a task that only looks like one.
  yield* run(`insert into pg_task (step) values ('{"gone":{"Build":{"tenant":"a"}}}')`)
})

const kept = [["nightly", "nightly"], ["nightly", "tenant-7"], ["tenants", "tenant-8"]] as const
const orphaned = [["gone", "gone"], ["gone", "tenant-9"], ["tenants", "tenants"]] as const

const left = Effect.map(Schedules.list, (all) => all.map(({ name, recurring }) => [recurring, name]))

const sorted = (pairs: ReadonlyArray<readonly [string, string]>) =>
  pairs.map(([a, b]) => [a, b]).toSorted((a, b) => a.join().localeCompare(b.join()))

workerTests("schedules that the code no longer has", (test) => {
  test(
    "are named, and deleted only when somebody says so",
    Effect.gen(function*() {
      yield* storeAll
      const dry = yield* pgTask(["schedules", "prune", "-m", module, "--dry-run"])
      assert.strictEqual(dry.code, 0)
      assert.deepStrictEqual(lines(dry).slice(1, -1).map((line) => line.split(/ +/).slice(0, 2)), sorted(orphaned))
      assert.strictEqual(lines(dry).at(-1), "Would delete 3 schedules")
      const unasked = yield* pgTask(["schedules", "prune", "-m", module])
      assert.deepInclude(unasked, { code: 2, out: "" })
      assert.include(unasked.err, "Nobody can be asked here: give --yes")
      const declined = yield* pgTask(["schedules", "prune", "-m", module], { keys: ["n", "enter"] })
      assert.strictEqual(declined.code, 1)
      assert.include(declined.out, "tenant-9")
      assert.deepStrictEqual(yield* left, sorted([...kept, ...orphaned]))
      const unseen = yield* pgTask(["schedules", "prune", "-m", module, "--yes"])
      assert.deepInclude(unseen, { code: 2, out: "" })
      assert.include(unseen.err, "name the recurring tasks whose schedules are to be deleted, or give --all")
      assert.deepStrictEqual(yield* left, sorted([...kept, ...orphaned]))
      const deleted = yield* pgTask(["schedules", "prune", "-m", module, "--yes", "--all"])
      assert.deepStrictEqual(lines(deleted), ["gone gone", "gone tenant-9", "tenants tenants", "Deleted 3 schedules"])
      assert.deepStrictEqual(yield* left, sorted(kept))
      assert.lengthOf(yield* run("select 1 from pg_task where task = 'gone'"), 1)
      const again = yield* pgTask(["schedules", "prune", "-m", module, "--yes", "--all"])
      assert.strictEqual(again.code, 1)
      assert.include(again.err, "Nothing to delete")
    })
  )

  test(
    "are only those of the recurring tasks that were named; JSON says which",
    Effect.gen(function*() {
      yield* storeAll
      const deleted = yield* pgTask(["schedules", "prune", "gone", "-m", module, "--yes", "--json"])
      assert.deepStrictEqual(
        (JSON.parse(deleted.out) as ReadonlyArray<Schedules.Schedule>).map(({ name }) => name),
        ["gone", "tenant-9"]
      )
      assert.deepStrictEqual(yield* left, sorted([...kept, ["tenants", "tenants"]]))
      const missing = yield* pgTask(["schedules", "prune", "-m", "nowhere.ts", "--yes"])
      assert.deepInclude(missing, { code: 1, out: "" })
    })
  )

  test(
    "are all of them for a module without recurring tasks: those of other programs are not deleted by mistake",
    Effect.gen(function*() {
      yield* storeAll
      const prune = (...args: ReadonlyArray<string>) =>
        pgTask(["schedules", "prune", ...args, "-m", withoutRecurring], { keys: ["y"] })
      const dry = yield* prune("--dry-run")
      assert.strictEqual(lines(dry).at(-1), "Would delete 6 schedules")
      for (const args of [[], ["--yes"]]) {
        const refused = yield* prune(...args)
        assert.deepInclude(refused, { code: 2, out: "" })
        assert.include(refused.err, "exports no recurring task, so the schedules of all programs would be deleted")
      }
      const inCode = yield* Effect.flip(Schedules.prune([]))
      assert.strictEqual(inCode._tag, "TaskFilterError")
      assert.lengthOf(yield* left, 6)
      const named = yield* prune("gone", "--yes")
      assert.strictEqual(lines(named).at(-1), "Deleted 2 schedules")
      const found = yield* Schedules.list
      assert.lengthOf(yield* Schedules.prune([], { only: found.slice(0, 1) }), 1)
      const all = yield* prune("--yes", "--all")
      assert.strictEqual(lines(all).at(-1), "Deleted 3 schedules")
    })
  )

  test(
    "are chosen from code, and gone ones don't count",
    Effect.gen(function*() {
      yield* storeAll
      const found = yield* Schedules.orphans([Nightly, Tenants])
      assert.deepStrictEqual(found.map(({ name, recurring }) => [recurring, name]), sorted(orphaned))
      yield* run("delete from pg_task where key = 'tenant-9'")
      // Somebody has taken it into the code again meanwhile.
      const deleted = yield* Schedules.prune([Nightly, Tenants], { only: found.filter(({ name }) => name !== "gone") })
      assert.deepStrictEqual(deleted.map(({ name }) => name), ["tenants"])
      assert.deepStrictEqual(yield* left, sorted([...kept, ["gone", "gone"]]))
    })
  )
})

workerTests("pg-task check", (test) => {
  test(
    "takes the schedules of recurring tasks that the module has for no unknown tasks",
    Effect.gen(function*() {
      yield* store("nightly", "tenant-7")
      yield* store("gone", "gone")
      const checked = yield* pgTask(["check", "-m", module])
      assert.strictEqual(checked.code, 0)
      assert.deepStrictEqual(lines(checked).slice(0, 2), ["TASKS THAT ARE NOT IN THIS MODULE", "  gone: 1 row"])
      const { otherTasks } = JSON.parse((yield* pgTask(["check", "-m", module, "--json"])).out)
      assert.deepStrictEqual(otherTasks, [{ task: "gone", count: 1 }])
    })
  )
})
