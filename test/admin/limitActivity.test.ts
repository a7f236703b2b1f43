/** Limits in tables of any size: what is counted, up to a limit. */
import { assert } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Activity, Admin, Limit, Limits } from "../../src/index.ts"
import { alive, atTheDoor, holder, resetLimits } from "../support/limits/Syncs.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { insert, run } from "../support/worker/Table.ts"

const alone = (name: string, count: number) =>
  run(
    `insert into pg_task (step, limit_key, slots, wakeup_at)
    select '{"Charges":{"Charge":{}}}', $1, 3, now() - interval '1 minute' from generate_series(1, $2::int)`,
    [name, count]
  )

/** Every key of a limit, page by page. */
const allKeys = (limit: string, first: number) =>
  Effect.gen(function*() {
    const found: Array<string | null> = []
    let page = yield* Activity.limitKeys(limit, { first, lookAt: 10 })
    found.push(...page.keys.map(({ key }) => key))
    while (page.next !== undefined) {
      page = yield* Activity.limitKeys(limit, { first, lookAt: 10, after: page.next })
      found.push(...page.keys.map(({ key }) => key))
    }
    return found
  })

workerTests("limits", (test) => {
  test(
    "are counted as Limits.list counts them, up to a limit",
    Effect.gen(function*() {
      yield* resetLimits
      yield* atTheDoor("acme", 30)
      yield* atTheDoor("umbrella", 5)
      yield* holder("acme", "first")
      yield* holder("quiet", "only", alive)
      yield* alone("stripe", 4)
      yield* Admin.pause({ limit: "tenant", key: "nobody" })
      yield* Admin.pause({ limit: "stripe" })
      yield* insert("{\"Unlimited\":{\"State\":{}}}")
      const wanted = yield* Limits.list()
      const busiest = yield* Activity.busiestKeys({ first: 10, lookAt: 100 })
      assert.deepStrictEqual(
        busiest.map(({ atWork, holders, key, limit, running, waiting }) => ({
          limit,
          key,
          running,
          holders,
          atWork,
          waiting
        })),
        wanted.filter(({ key }) => key !== null).map(({ atWork, holders, key, limit, running, waiting }) => ({
          limit,
          key,
          running,
          holders,
          atWork,
          waiting
        }))
      )
      const [stripe, tenant] = yield* Activity.limits(100)
      assert.deepInclude(stripe, { limit: "stripe", running: 3, waiting: 4, keys: 0, paused: true, atLeast: false })
      assert.deepInclude(tenant, { limit: "tenant", running: null, waiting: 35, holders: 2, atWork: 1, paused: false })
      assert.deepInclude(tenant, { keys: 3, pausedKeys: 1 })
      assert.deepStrictEqual(busiest.map(({ key, oldest }) => [key, oldest === null]), [
        ["acme", false],
        ["umbrella", false],
        ["quiet", true],
        ["nobody", true]
      ])

      const [, some] = yield* Activity.limits(10)
      assert.deepInclude(some, { limit: "tenant", waiting: 10, atLeast: true })
      const [acme] = yield* Activity.busiestKeys({ limit: "tenant", first: 1, lookAt: 10 })
      assert.deepInclude(acme, { key: "acme", atLeast: true })
    })
  )

  test(
    "have their keys page by page, each once, whatever other limits have",
    Effect.gen(function*() {
      yield* resetLimits
      const odd = ["a", "A", "ä", "a b", "a-b", "a:b", ":", "_", "ab", "9", "10", "ſ", "😀", "'", "%", "\\"]
      for (const key of odd) {
        yield* atTheDoor(key.replaceAll("\\", "\\\\"), 1)
        yield* alone(`ten${key}`, 1)
      }
      yield* run("update pg_task set limit_key = 'tenant:\\' where limit_key = 'tenant:\\\\'")
      yield* Admin.pause({ limit: "tenant", key: "paused" })
      yield* alone("tenant", 1)
      for (const first of [1, 3, 100]) {
        const found = yield* allKeys("tenant", first)
        assert.sameMembers([...found], [...odd, "paused"], `${first} a page`)
        assert.lengthOf(found, odd.length + 1)
      }
      assert.deepStrictEqual(yield* allKeys("nobody", 10), [])
    })
  )

  test(
    "say the rate of each key, and for how long it backs off, or its whole limit",
    Effect.gen(function*() {
      yield* resetLimits
      yield* atTheDoor("acme", 1)
      yield* alone("stripe", 1)
      yield* run(`insert into pg_task_limit (key, slots, rate_limit, rate_per) values
        ('stripe', 3, 100, 60000), ('tenant:acme', 2, 5, 1500)`)
      const found = Effect.gen(function*() {
        const [stripe, tenant] = yield* Activity.limits(10)
        const [acme] = yield* Activity.busiestKeys({ limit: "tenant", first: 1, lookAt: 10 })
        const { keys: [same] } = yield* Activity.limitKeys("tenant", { first: 1, lookAt: 10 })
        const { count } = yield* Activity.limitTasks({ limit: "tenant", key: "acme" }, { first: 1, lookAt: 10 })
        // In hours, by itself and all in all.
        const backsOff = (one: Limits.Count | undefined) =>
          [one!.itself.backOff, one!.backOff].map((time) => time && Math.round(Duration.toHours(time)))
        const listed = (yield* Limits.list()).find(({ key }) => key === "acme")
        for (const other of [same, count, listed]) assert.deepStrictEqual(backsOff(other), backsOff(acme))
        const rates = [stripe, tenant, acme, same, count, listed].map((one) => one?.rate)
        return { rates, backsOff: [stripe, tenant, acme].map(backsOff) }
      })
      const rate = { limit: 5, per: Duration.millis(1500) }
      const neither = [null, null]
      assert.deepStrictEqual(yield* found, {
        rates: [{ limit: 100, per: Duration.minutes(1) }, null, rate, rate, rate, rate],
        backsOff: [neither, neither, neither]
      })
      const Tenant = Limit.make("tenant", { running: 2 })
      yield* Tenant.backOff("1 hour", { key: "acme" })
      assert.deepStrictEqual((yield* found).backsOff, [neither, neither, [1, 1]])
      yield* Tenant.backOff("2 hours")
      assert.deepStrictEqual((yield* found).backsOff, [neither, [2, 2], [1, 2]])
      yield* Admin.resume({ limit: "tenant" })
      assert.deepStrictEqual((yield* found).backsOff, [neither, neither, [1, 1]])
      yield* resetLimits
    })
  )

  test(
    "say who holds slots, and who is next",
    Effect.gen(function*() {
      yield* resetLimits
      yield* atTheDoor("acme", 5)
      yield* atTheDoor("other", 5)
      yield* holder("acme", "first")
      const { count, holders, waiting } = yield* Activity.limitTasks({ limit: "tenant", key: "acme" }, {
        first: 3,
        lookAt: 4
      })
      assert.deepInclude(count, { limit: "tenant", key: "acme", holders: 1, waiting: 4, atLeast: true, running: 1 })
      assert.deepStrictEqual(holders.map(({ limit, slot, status }) => [limit, slot, status]), [[
        "tenant:acme",
        1,
        "ready"
      ]])
      assert.deepStrictEqual(
        waiting.map(({ raw, slot, status }) => [JSON.parse(raw).Syncs.Sync.name, slot, status]),
        [["1", null, "limited"], ["2", null, "limited"], ["3", null, "limited"]]
      )
    })
  )
})
