/** The pages of limits. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Limit, Limits, NextStep, Step, Task } from "../../src/index.ts"
import { contentOf, dashboardTests, follow, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { postAs, request } from "../support/dashboard/Request.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { Order } from "../support/dashboard/Shop.ts"
import { atTheDoor, holder, makeGated, makeSyncs, resetLimits, Sync, sync } from "../support/limits/Syncs.ts"
import { start } from "../support/worker/Fixture.ts"
import { empty, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const Syncs = makeSyncs(() => Effect.void, 1)

const paused = Effect.map(
  run<{ readonly name: string }>("select name from pg_task_paused where kind = 'limit' order by name"),
  (rows) => rows.map(({ name }) => name)
)

dashboardTests("limits", (test) => {
  test(
    "are shown with who holds slots and who waits; a key and the whole are paused and resumed, without scripts",
    Effect.gen(function*() {
      yield* resetLimits
      const { gate, Syncs: Gated } = yield* makeGated()
      yield* start({ tasks: [Gated] })
      yield* Gated.enqueueAll([sync("acme", "a1"), sync("acme", "a2"), sync("acme", "a3"), sync("umbrella", "u1")])
      yield* gate.next
      yield* gate.next
      yield* eventually(Limits.list(), ([first]) => first?.waiting === 2)
      const url = yield* serve({ tasks: [Gated, Order], access: as("ada", "write") })
      const { faults, page } = yield* visit({ javaScriptEnabled: false })
      yield* play(() => page.goto(url))
      // The machine marks the state.
      assert.strictEqual(yield* play(() => page.locator("a.node.limits", { hasText: "Sync" }).count()), 1)
      yield* follow(page.getByRole("link", { name: "Limits" }))
      const overview = page.getByRole("region", { name: "Limits" }).locator("tbody tr")
      assert.match(yield* play(() => overview.innerText()), /tenant\s+1 of each key\s+2\s+2\s+2\s+[\w ]+\s+Syncs\.Sync/)
      const keys = page.getByRole("region", { name: "The busiest keys" }).locator("tbody tr")
      assert.match((yield* play(() => keys.allInnerTexts()))[0]!, /tenant acme\s+1\s+1\s+1\s+2/)

      yield* follow(page.getByRole("button", { name: "Pause tenant acme" }))
      assert.include(yield* contentOf(page), "1 key paused.")
      assert.deepStrictEqual(yield* paused, ["tenant:acme"])
      yield* follow(page.getByRole("link", { name: "tenant", exact: true }))
      assert.match(
        (yield* play(() => page.locator("tbody tr").allInnerTexts()))[0]!,
        /acme\s+1\s+1\s+1\s+2\s+[\w ]+\s+paused/
      )
      yield* follow(page.getByRole("link", { name: "acme" }))
      const next = page.locator("section", { has: page.getByRole("heading", { name: "Who is next" }) })
      assert.match((yield* play(() => next.locator("tbody tr").allInnerTexts()))[0]!, /limited[^]*at tenant acme/)
      yield* follow(next.locator("a.row").first())
      assert.match(yield* contentOf(page), /Limit\s+tenant acme, waits for a slot/)
      yield* follow(page.getByRole("link", { name: "tenant acme" }))
      yield* follow(page.getByRole("button", { name: "Resume tenant acme" }))
      assert.include(yield* contentOf(page), "1 key resumed.")
      assert.deepStrictEqual(yield* paused, [])

      yield* play(() => page.goto(`${url}limits`))
      yield* follow(page.getByRole("button", { name: "Pause tenant", exact: true }))
      assert.include(yield* contentOf(page), "1 limit paused.")
      assert.include(yield* contentOf(page), "the whole limit")
      assert.deepStrictEqual(yield* paused, ["tenant"])
      yield* follow(page.getByRole("button", { name: "Resume tenant", exact: true }))
      assert.deepStrictEqual(yield* paused, [])
      yield* gate.open
      yield* empty
      yield* play(() => page.goto(`${url}limits`))
      assert.match(yield* play(() => overview.innerText()), /tenant\s+1 of each key\s+0\s+0\s+0/)
      assert.deepStrictEqual(faults, [])
    })
  )

  test(
    "say their rates and for how long they back off; that can be ended, and they can be paused meanwhile",
    Effect.gen(function*() {
      yield* resetLimits
      const backOff = (key: string) =>
        run("update pg_task_limit set held_until = now() + interval '10 hours' where key = $1", [key])
      yield* run(`insert into pg_task_limit (key, slots, rate_limit, rate_per)
        values ('api', 2147483647, 1200, 60000), ('tenant:acme', 2, 100, 60000), ('tenant:umbrella', 3, null, null)`)
      yield* run("insert into pg_task_limit (key, held_until) values ('tenant', null)")
      yield* atTheDoor("acme", 2)
      yield* atTheDoor("umbrella", 1)
      yield* insert(`{"Calls":{"Call":{}}}`, { limit_key: "'api'", slots: "1" })
      const Rated = Limit.make("rated", { running: 7, rate: { limit: 5, per: "1500 millis" } })
      const Unused = Task.make("Unused", [
        Step.make(Sync, { limit: Rated.by(({ tenant }) => tenant), handler: () => Effect.succeed(NextStep.none) })
      ])
      const url = yield* serve({ tasks: [Syncs, Unused], access: as("ada", "write") })
      const { faults, page } = yield* visit({ javaScriptEnabled: false })
      const open = (path: string) => Effect.andThen(play(() => page.goto(`${url}${path}`)), contentOf(page))
      const line = (region: string, name: string) =>
        play(() => page.getByRole("region", { name: region }).getByRole("row", { name }).innerText())
      const press = (name: string) =>
        Effect.andThen(follow(page.getByRole("button", { name, exact: true })), contentOf(page))

      assert.notInclude(yield* open("limits"), "backs off")
      assert.match(yield* line("Limits", "api"), /api\s+1,200 in 1m\s/)
      // What no worker has said yet, the code says.
      assert.match(yield* line("Limits", "rated"), /rated\s+7, and 5 in 1s 500ms of each key\s/)
      assert.match(yield* line("The busiest keys", "acme"), /acme\s+2, and 100 in 1m\s/)
      assert.match(yield* line("The busiest keys", "umbrella"), /umbrella\s+3\s/)
      assert.include(yield* open("limit?limit=api"), "1,200 in 1m")

      yield* backOff("tenant:acme")
      yield* open("limits?limit=tenant")
      assert.match(yield* line("Keys", "acme"), /backs off for 9h/)
      assert.notInclude(yield* line("Keys", "umbrella"), "backs off")
      assert.match(
        yield* open("limit?limit=tenant&key=acme"),
        /At most\s+2, and 100 in 1m[^]*Paused\s+no\s+backs off for 9h/
      )
      assert.include(yield* press("Pause tenant acme"), "1 key paused.")
      assert.match(yield* contentOf(page), /Paused\s+yes\s+backs off for 9h/)
      assert.include(yield* press("Resume tenant acme"), "1 key resumed.")
      assert.notInclude(yield* contentOf(page), "backs off")

      yield* backOff("tenant")
      yield* open("limits")
      assert.match(yield* line("Limits", "Syncs.Sync"), /tenant[^]*backs off for 9h/)
      assert.match(yield* line("The busiest keys", "umbrella"), /backs off for 9h \d+m the whole limit/)
      assert.strictEqual(yield* play(() => page.getByRole("button", { name: "Resume tenant umbrella" }).count()), 0)
      assert.include(yield* press("Resume tenant"), "1 limit resumed.")
      assert.notInclude(yield* contentOf(page), "backs off")
      assert.deepStrictEqual(faults, [])
    })
  )

  test(
    "have other numbers at once, without scripts, and those of the code again",
    Effect.gen(function*() {
      yield* resetLimits
      yield* atTheDoor("acme", 2)
      const url = yield* serve({ tasks: [Syncs], access: as("ada", "write") })
      const { faults, page } = yield* visit({ javaScriptEnabled: false })
      const setTo = (label: string, number: string, name: string) =>
        Effect.gen(function*() {
          yield* play(() => page.getByLabel(label, { exact: true }).fill(number))
          yield* follow(page.getByRole("button", { name: `Set ${name}`, exact: true }))
          return yield* contentOf(page)
        })
      const numbers = run("select key, set_slots from pg_task_limit where set_slots is not null order by key")

      yield* play(() => page.goto(`${url}limit?limit=tenant&key=acme`))
      assert.match(yield* setTo("At most", "3", "tenant acme"), /1 key changed[^]*At most\s+3\s+set here/)
      assert.deepStrictEqual(yield* numbers, [{ key: "tenant:acme", set_slots: 3 }])
      yield* play(() => page.goto(`${url}limits?limit=tenant`))
      assert.match(yield* setTo("At most, of each key", "7", "tenant"), /1 limit changed[^]*acme\s+3\s+set here/)
      assert.deepStrictEqual(yield* numbers, [
        { key: "tenant", set_slots: 7 },
        { key: "tenant:acme", set_slots: 3 }
      ])
      yield* play(() => page.goto(`${url}limits`))
      const line = page.getByRole("region", { name: "Limits" }).getByRole("row", { name: "Syncs.Sync" })
      assert.match(yield* play(() => line.innerText()), /tenant\s+7 set here of each key\s/)
      // A key of which no task is there.
      yield* run("delete from pg_task")
      yield* play(() => page.goto(`${url}limits?limit=tenant`))
      assert.match(yield* contentOf(page), /acme\s+3\s+set here\s+0/)
      yield* follow(page.getByRole("link", { name: "acme" }))
      yield* follow(page.getByRole("button", { name: "As the code says tenant acme" }))
      assert.match(yield* contentOf(page), /1 key has the number of the code again[^]*At most\s+7\s+Holders/)
      assert.deepStrictEqual(yield* numbers, [{ key: "tenant", set_slots: 7 }])
      const post = (fields: Record<string, string>) => postAs(url, "limit", { limit: "tenant", ...fields })
      assert.strictEqual((yield* post({ change: "reset", key: "acme" })).status, 409)
      for (const running of ["", "0", "1.5", "many"]) {
        assert.strictEqual((yield* post({ change: "set", running })).status, 400, running)
      }
      assert.strictEqual((yield* post({ change: "reset" })).status, 303)
      assert.deepStrictEqual(yield* numbers, [])
      assert.deepStrictEqual(faults, [])
    })
  )

  test(
    "are paused only by those who may",
    Effect.gen(function*() {
      yield* resetLimits
      yield* atTheDoor("acme", 2)
      const fields = { limit: "tenant", key: "acme", change: "pause" }
      const cases = [["read", 0], [["retry"], 0], [["pause"], 2], ["write", 2]] as const
      for (const [may, buttons] of cases) {
        yield* resetLimits
        const url = yield* serve({ tasks: [Syncs], access: as("eve", may) })
        const { page } = yield* visit()
        yield* play(() => page.goto(`${url}limits`))
        assert.strictEqual(yield* play(() => page.locator("main button").count()), buttons)
        const isAllowed = buttons > 0
        assert.strictEqual((yield* postAs(url, "limit", fields)).status, isAllowed ? 303 : 403)
        assert.deepStrictEqual(yield* paused, isAllowed ? ["tenant:acme"] : [])
      }
      yield* resetLimits
      const url = yield* serve({ tasks: [Syncs], access: as("ada", "write") })
      const refused = [
        [400, { ...fields, limit: "" }],
        [400, { ...fields, limit: "tenant:acme" }],
        [400, { ...fields, limit: "x".repeat(101) }],
        [400, { ...fields, key: "x".repeat(501) }],
        [400, { ...fields, key: "\0" }],
        [400, { ...fields, change: "constructor" }],
        [409, { ...fields, change: "resume" }]
      ] as const
      for (const [status, form] of refused) {
        assert.strictEqual((yield* postAs(url, "limit", form)).status, status, JSON.stringify(form).slice(0, 80))
      }
      assert.deepStrictEqual(yield* paused, [])
      assert.strictEqual((yield* request(`${url}limit`)).status, 404)
    })
  )

  test(
    "have their keys on pages, and one key is found by its name",
    Effect.gen(function*() {
      yield* resetLimits
      yield* run(
        `insert into pg_task (step, limit_key, slots)
        select '{"Syncs":{"Sync":{"tenant":"x","name":"y"}}}', l || n, 1
        from generate_series(1, 70) n, unnest('{aaa:,tenant:,zzz:}'::text[]) l`
      )
      yield* holder("7", "first")
      const url = yield* serve({ tasks: [Syncs] })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}limits?limit=tenant`))
      const names = play(() => page.locator("tbody th").allInnerTexts())
      const first = yield* names
      assert.lengthOf(first, 50)
      yield* follow(page.getByRole("link", { name: "Next page" }))
      const all = [...first, ...yield* names]
      assert.sameMembers(all, Array.from({ length: 70 }, (_, n) => String(n + 1)))
      assert.strictEqual(yield* play(() => page.getByRole("link", { name: "Next page" }).count()), 0)
      yield* play(() => page.getByRole("textbox", { name: "Key" }).fill("7"))
      yield* follow(page.getByRole("button", { name: "Show" }))
      assert.match(yield* contentOf(page), /Limit tenant 7[^]*At most\s+1\s+Holders\s+1, of which[^]*Waiting\s+1/)
    })
  )

  test(
    "that only rows have are shown, whatever they are called",
    Effect.gen(function*() {
      yield* resetLimits
      const hostile = "<script>alert(1)</script>\u202e&\""
      yield* insert("{\"A\":{\"B\":{}}}", { limit_key: `'${hostile}'`, slots: "1" })
      yield* insert("{\"A\":{\"B\":{}}}", { limit_key: `'${hostile}:${hostile}:x'`, slots: "1" })
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { faults, page } = yield* visit()
      yield* play(() => page.goto(`${url}limits`))
      assert.include(yield* contentOf(page), "No state of this dashboard's tasks")
      yield* follow(page.locator("tbody th a").last())
      assert.include(yield* contentOf(page), "<script>alert(1)</script>\\u202e&\":x")
      yield* follow(page.locator("a.row").first())
      yield* follow(page.getByRole("link", { name: "alert(1)" }))
      yield* play(() => page.getByRole("heading", { name: "Who is next" }).waitFor())
      assert.deepStrictEqual(faults, [])
    })
  )
})
