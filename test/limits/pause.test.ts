/** What people see of limits, and do to them. */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Admin, Limits } from "../../src/index.ts"
import { atTheDoor, limitedRows, makeGated, resetLimits, sync } from "../support/limits/Syncs.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import { empty, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

/** Without their ages. */
const counts = Effect.map(
  Limits.list(),
  (all) =>
    all.map(({ holders, key, limit, paused, running, waiting }) => ({
      limit,
      key,
      running,
      holders,
      waiting,
      paused
    }))
)

workerTests("a limit", (test) => {
  test(
    "is listed with who is at work and who waits",
    Effect.gen(function*() {
      yield* resetLimits
      const { gate, Syncs } = yield* makeGated()
      assert.deepStrictEqual(yield* counts, [])
      yield* start({ tasks: [Syncs] })
      yield* Syncs.enqueueAll([sync("a", 1), sync("a", 2), sync("a", 3), sync("b", 4)])
      yield* gate.next
      yield* gate.next
      const found = yield* eventually(counts, ([first]) => first?.waiting === 2)
      assert.deepStrictEqual(found, [
        { limit: "tenant", key: "a", running: 1, holders: 1, waiting: 2, paused: false },
        { limit: "tenant", key: "b", running: 1, holders: 1, waiting: 0, paused: false }
      ])
      assert.deepStrictEqual((yield* Limits.list()).map(({ oldest }) => oldest === null), [false, true])
      yield* gate.open
      yield* empty
      assert.deepStrictEqual(yield* counts, [])
    })
  )

  for (
    const [what, target] of [
      ["one key of it", { limit: "tenant", key: "a" }],
      ["the whole", { limit: "tenant" }]
    ] as const
  ) {
    test(
      `lets no task begin while ${what} is paused, and all of them once it is resumed`,
      Effect.gen(function*() {
        yield* resetLimits
        const { gate, Syncs } = yield* makeGated()
        // A worker is about to take it.
        yield* run(
          `insert into pg_task (step, limit_key, slot, slots)
          values ('{"Syncs":{"Sync":{"tenant":"a","name":"holder"}}}', 'tenant:a', 1, 1)`
        )
        yield* atTheDoor("a", 2)
        yield* Admin.pause(target)
        yield* Admin.pause(target)
        const [holder] = yield* limitedRows.pipe(Effect.map((rows) => rows.filter(({ name }) => name === "holder")))
        assert.deepInclude(holder, { slot: null, is_running: false })
        yield* start({ tasks: [Syncs] })
        yield* Syncs.enqueue(sync("a", "new"))
        yield* eventually(limitedRows, (rows) => rows.length === 4 && rows.every(({ slot }) => slot === null))
        assert.strictEqual(yield* gate.unseen, 0)
        const ofA = (yield* Limits.list()).filter(({ key }) => key === "a")
        assert.deepStrictEqual(
          ofA.map(({ itself, paused }) => [paused, itself.paused]),
          [[true, "key" in target]]
        )
        assert.isTrue(yield* Admin.resume(target))
        assert.isFalse(yield* Admin.resume(target))
        assert.strictEqual(yield* gate.next, "1")
        yield* gate.open
        yield* empty
      })
    )
  }

  test(
    "of more keys than the server has room for locks is paused as one of few",
    Effect.gen(function*() {
      yield* resetLimits
      yield* run(
        `insert into pg_task (step, limit_key, slot, slots)
        select '{"Others":{"Other":{}}}', 'tenant:' || n, 1, 1 from generate_series(1, 30000) as n`
      )
      yield* Admin.pause({ limit: "tenant" })
      assert.lengthOf(yield* run("select 1 from pg_task where slot > 0"), 0)
      yield* run("truncate pg_task")
    })
  )

  for (
    const [what, target] of [["one key of it", { limit: "tenant", key: "a" }], ["it", { limit: "tenant" }]] as const
  ) {
    test(
      `gives no slot any more once ${what} is paused, also if a session was about to`,
      Effect.gen(function*() {
        yield* resetLimits
        yield* atTheDoor("a", 1)
        const end = yield* holding("select count(*) from pg_task_grant('{tenant:a}')")
        const pausing = yield* Effect.forkScoped(Admin.pause(target))
        yield* eventually(
          run("select 1 from pg_locks where locktype = 'advisory' and not granted"),
          (waiting) => waiting.length > 0
        )
        yield* end
        yield* Fiber.join(pausing)
        assert.deepStrictEqual((yield* limitedRows).map(({ slot }) => slot), [null])
        yield* run("truncate pg_task")
      })
    )
  }
})
