import { assert } from "@effect/vitest"
import axe from "axe-core"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { dashboardTests, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { charging, Order, rawOf, Sweep } from "../support/dashboard/Shop.ts"
import { atTheDoor, holder } from "../support/limits/Syncs.ts"
import { run } from "../support/worker/Table.ts"

/** What axe finds, in one line each. */
const violationsIn = (page: Page) =>
  play(async () => {
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run())
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)
  })

const addRows = Effect.gen(function*() {
  const parked = { error: "'Error: refused\n  at charge'", tried: "2" }
  const id = yield* insert(rawOf("Charge", charging(1)), parked)
  yield* insert(rawOf("Pack", { order: 2 }))
  yield* insert(rawOf("Pack", { order: 3 }), { is_running: "true", lease_until: "now() + interval '1 hour'" })
  yield* insert(rawOf("Ship", { order: 4 }), { wakeup_at: "now() + interval '1 hour'" })
  yield* insert(rawOf("Refund", { order: 5 }))
  yield* insert("rubbish")
  yield* atTheDoor("acme", 3)
  yield* holder("acme", "first")
  yield* run("insert into pg_task_paused (kind, name) values ('limit', 'tenant:umbrella') on conflict do nothing")
  return id
})

const pagesFor = (id: string): ReadonlyArray<string> => [
  "",
  "rows",
  "rows?task=Order&status=parked",
  `row?id=${id}`,
  `edit?id=${id}`,
  "errors",
  "bulk?action=cancel&task=Order",
  "schedules",
  "limits",
  "limits?limit=tenant",
  "limit?limit=tenant&key=acme",
  "workers",
  "keys",
  "nothing-here"
]

dashboardTests("accessible", (test) => {
  const looks = [
    ["light, wide", { colorScheme: "light" }],
    ["dark, a phone", { colorScheme: "dark", viewport: { width: 360, height: 780 } }]
  ] as const
  for (const [name, options] of looks) {
    test(
      `axe finds nothing, and nothing is wider than the page: ${name}`,
      Effect.gen(function*() {
        const id = yield* addRows
        const url = yield* serve({ tasks: [Order, Sweep], access: as("ada", "write") })
        // Without its policy, so that axe may be put into the page.
        const { page } = yield* visit({ ...options, bypassCSP: true })
        for (const path of pagesFor(id)) {
          yield* play(() => page.goto(`${url}${path}`))
          assert.deepStrictEqual(yield* violationsIn(page), [], path)
          const excess = yield* play(() =>
            page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
          )
          assert.isAtMost(excess, 0, path)
        }
      })
    )
  }

  test(
    "can be used with the keyboard alone",
    Effect.gen(function*() {
      const id = yield* addRows
      const url = yield* serve({ tasks: [Order, Sweep], access: as("ada", "write") })
      const { page } = yield* visit()
      const press = (key: string) => play(() => page.keyboard.press(key))
      yield* play(() => page.goto(url))
      yield* press("t")
      yield* play(() => page.waitForURL(/rows$/))
      yield* press("j")
      yield* press("j")
      yield* press("k")
      yield* press("Enter")
      yield* play(() => page.waitForURL(/row\?id=/))
      yield* press("h")
      yield* play(() => page.waitForURL(url))
      yield* press("/")
      yield* play(() => page.keyboard.type(id.slice(0, 8)))
      yield* press("Enter")
      yield* play(() => page.waitForURL(new RegExp(`row\\?id=${id}`)))
      yield* press("e")
      yield* play(() => page.waitForURL(/edit\?id=/))
      // In a field, letters are letters.
      yield* play(() => page.getByLabel("amount").focus())
      yield* press("h")
      assert.match(page.url(), /edit/)
      assert.include(yield* play(() => page.getByLabel("amount").inputValue()), "h")
    })
  )
})
