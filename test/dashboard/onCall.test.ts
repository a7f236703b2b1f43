import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { row, rowWhere } from "../support/worker/Table.ts"
import { start } from "../support/worker/Fixture.ts"
import { contentOf, dashboardTests, follow, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { charging, Order, rawOf, Sweep } from "../support/dashboard/Shop.ts"

const refused = { error: "'Error: the card was refused: 5000 is too much\n    at charge'", tried: "2" }

dashboardTests("whoever is on call, in the browser", (test) => {
  test(
    "finds what fails, edits the state wrongly, then rightly, and watches it finish",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(7)), refused)
      yield* insert(rawOf("Pack", { order: 1 }), { wakeup_at: "now() + interval '1 hour'" })
      const url = yield* serve({ tasks: [Order, Sweep], access: as("ada", "write") })
      const { faults, page } = yield* visit()

      yield* play(() => page.goto(url))
      assert.match((yield* play(() => page.locator("a.node", { hasText: "Charge" }).textContent()))!, /1 parked/)
      yield* follow(page.locator("a.node", { hasText: "Charge" }))
      yield* follow(page.getByRole("link", { name: "1 parked" }))
      yield* play(() => page.waitForURL(/task=Order&state=Charge&status=parked/))
      yield* follow(page.locator("a.row"))
      assert.include(yield* contentOf(page), "the card was refused")
      assert.notInclude(yield* play(() => page.content()), "4242-secret")

      yield* follow(page.getByRole("link", { name: "Edit its state" }))
      assert.notInclude(yield* play(() => page.content()), "4242-secret")
      yield* play(() => page.getByLabel("amount").fill("cheap"))
      yield* play(() => page.getByLabel("order", { exact: true }).fill("7.5"))
      yield* follow(page.getByRole("button", { name: "Save and retry" }))
      const messageOf = (name: string) => play(() => page.locator(`[id="w/${name}"]`).innerText())
      assert.strictEqual(yield* messageOf("amount"), "Expected number")
      assert.match(yield* messageOf("order"), /integer/)
      assert.strictEqual(yield* play(() => page.getByLabel("amount").inputValue()), "cheap")
      assert.include((yield* row(id))!.step, "5000")

      yield* play(() => page.getByLabel("amount").fill("50"))
      yield* play(() => page.getByLabel("order", { exact: true }).fill("8"))
      yield* follow(page.getByRole("button", { name: "Save and retry" }))
      yield* play(() => page.getByRole("status").waitFor())
      const saved = yield* row(id)
      assert.deepStrictEqual(JSON.parse(saved!.step), JSON.parse(rawOf("Charge", charging(8, { amount: 50 }))))
      assert.strictEqual(saved!.status, "ready")

      // The page follows the task by itself.
      yield* start({ tasks: [Order] })
      yield* play(() => page.getByText("It has finished, or was cancelled.").first().waitFor())
      assert.deepStrictEqual(faults.filter((fault) => !fault.includes("422") && !fault.includes("404")), [])
    })
  )

  test(
    "retries one of a group of errors, then all like it",
    Effect.gen(function*() {
      for (const order of [1, 2, 3]) yield* insert(rawOf("Charge", charging(order)), refused)
      const other = yield* insert(rawOf("Charge", charging(4)), { error: "'Error: another one'" })
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}errors`))
      const group = page.locator("section", { hasText: "the card was refused" })
      assert.include(yield* play(() => group.innerText()), "3 tasks in Order.Charge")
      yield* follow(group.getByRole("button", { name: "Retry one" }))
      yield* play(() => page.getByText("1 task will run again").waitFor())

      yield* play(() => page.goto(`${url}errors`))
      assert.include(yield* play(() => group.innerText()), "2 tasks in Order.Charge")
      yield* follow(group.getByRole("link", { name: "Retry all like it" }))
      assert.include(yield* contentOf(page), "Nothing has been changed yet")
      yield* follow(page.getByRole("button", { name: "Retry 2 tasks" }))
      yield* play(() => page.getByText("2 tasks will run again").waitFor())
      assert.strictEqual((yield* row(other))!.status, "parked")
    })
  )

  test(
    "retries errors whose line holds colours, line ends and other characters that nobody sees",
    Effect.gen(function*() {
      const error = "e'\\x1b[31mError: \\u202e\"red\" & <b>\\x1b[39m\\r\\n    at charge'"
      for (const order of [1, 2, 3]) yield* insert(rawOf("Charge", charging(order)), { error })
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}errors`))
      yield* follow(page.getByRole("button", { name: "Retry one" }))
      yield* play(() => page.getByText("1 task will run again").waitFor())
      yield* play(() => page.goto(`${url}errors`))
      yield* follow(page.getByRole("link", { name: "Retry all like it" }))
      yield* follow(page.getByRole("button", { name: "Retry 2 tasks" }))
      yield* play(() => page.getByText("2 tasks will run again").waitFor())
    })
  )

  test(
    "checks some, and cancels them after a look",
    Effect.gen(function*() {
      const ids = []
      for (const order of [1, 2, 3]) ids.push(yield* insert(rawOf("Pack", { order })))
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}rows?task=Order`))
      for (const id of ids.slice(0, 2)) yield* play(() => page.locator(`input[value="${id}"]`).check())
      yield* follow(page.locator("form[action=bulk] button[value=cancel]"))
      assert.include(yield* contentOf(page), "can't be brought back")
      yield* follow(page.getByRole("button", { name: "Cancel 2 tasks" }))
      yield* play(() => page.getByText("2 tasks cancelled").waitFor())
      assert.deepStrictEqual([yield* row(ids[0]!), yield* row(ids[1]!)], [undefined, undefined])
      assert.strictEqual((yield* row(ids[2]!))!.status, "ready")
    })
  )

  test(
    "works without scripts",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(7)), refused)
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { page } = yield* visit({ javaScriptEnabled: false })
      yield* play(() => page.goto(url))
      yield* follow(page.locator("a.node", { hasText: "Charge" }))
      yield* follow(page.locator("a.row"))
      yield* follow(page.getByRole("link", { name: "Edit its state" }))
      yield* play(() => page.getByLabel("amount").fill("50"))
      yield* follow(page.getByRole("button", { name: "Save and retry" }))
      yield* rowWhere(id, (row) => row?.status === "ready")
      yield* play(() => page.getByText("1 task will run again").waitFor())
    })
  )
})
