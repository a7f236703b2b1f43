import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "../../src/index.ts"
import { rows, run, rowWhere } from "../support/worker/Table.ts"
import { start } from "../support/worker/Fixture.ts"
import { contentOf, dashboardTests, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { charging, Order, rawOf } from "../support/dashboard/Shop.ts"

class AwaitApproval extends Schema.TaggedClass<AwaitApproval>()("AwaitApproval", { order: Schema.Int }) {}
class Approved extends Schema.TaggedClass<Approved>()("Approved", { by: Schema.String.check(Schema.isMinLength(2)) }) {}
class Done extends Schema.TaggedClass<Done>()("Done", { by: Schema.String }) {}
class WaitForAda extends Schema.TaggedClass<WaitForAda>()("WaitForAda", { nr: Schema.Int }) {}

const Approval = Task.make("Approval", [
  Step.wait(AwaitApproval, (on) => [
    on(Approved, { next: [Done], handler: (_, { by }) => Effect.succeed(NextStep.now(new Done({ by }))) }),
    on.timeout("3 days", { next: [Done], handler: () => Effect.succeed(NextStep.now(new Done({ by: "nobody" }))) })
  ], { from: [Step.former(WaitForAda, ({ nr }) => new AwaitApproval({ order: nr }))] }),
  Step.final(Done, { keep: "1 hour" })
], { priority: "high" })

dashboardTests("states that wait, former states, results", (test) => {
  test(
    "labels moves, sends a signal that fits its schema, and shows the result",
    Effect.gen(function*() {
      yield* start({ tasks: [Approval] })
      const id = yield* insert(rawOf("AwaitApproval", { order: 7 }, "Approval"))
      const url = yield* serve({ tasks: [Approval], access: as("ada", "write") })
      const { page } = yield* visit()
      yield* play(() => page.goto(url))
      assert.include(yield* play(() => page.locator(".edge-label").allTextContents()), "Approved, after 3d")
      assert.include(yield* contentOf(page), "high priority")
      yield* play(() => page.goto(`${url}row?id=${id}`))
      yield* play(() => page.getByRole("link", { name: "Send a signal" }).click())
      yield* play(() => page.getByLabel("by").fill("x"))
      yield* play(() => page.getByRole("button", { name: "Send Approved" }).click())
      assert.match(yield* play(() => page.locator("[id='w/by']").innerText()), /at least 2/)
      yield* play(() => page.getByLabel("by").fill("ada"))
      yield* play(() => page.getByRole("button", { name: "Send Approved" }).click())
      // The page follows the task to its end.
      yield* play(() => page.locator(".badge", { hasText: "ended" }).waitFor())
      assert.include(yield* contentOf(page), "State: Done")
      assert.strictEqual(yield* play(() => page.getByRole("link", { name: "Edit its state" }).count()), 0)
    })
  )

  test(
    "shows a former state by its own schema, and edits it as the state that takes it over",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("WaitForAda", { nr: 7 }, "Approval"), { error: "'Error: x'" })
      const url = yield* serve({ tasks: [Approval], access: as("ada", "write") })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}row?id=${id}`))
      assert.include(yield* contentOf(page), "A former state: the step AwaitApproval takes it over")
      yield* play(() => page.getByRole("link", { name: "Edit its state" }).click())
      yield* play(() => page.getByLabel("order").fill("8"))
      yield* play(() => page.getByRole("button", { name: "Save", exact: true }).click())
      yield* rowWhere(id, (row) => row?.step === rawOf("AwaitApproval", { order: 8 }, "Approval"))
    })
  )
})

const hostile =
  "</pre><script>globalThis.pwned = 1</script><img src=x onerror=\"globalThis.pwned = 1\">\u202egnp.exe\u200b&amp;"

dashboardTests("hostile rows", (test) => {
  test(
    "shows whatever is in a row as text, with invisible characters made visible",
    Effect.gen(function*() {
      const fields = charging(1, {
        note: hostile,
        items: [{ sku: hostile, count: 1 }],
        currency: hostile,
        [hostile]: 1
      })
      const error = `'${hostile}'`
      const id = yield* insert(rawOf("Charge", fields), { error })
      yield* insert(rawOf(hostile, { [hostile]: hostile }, hostile), { error })
      yield* insert(hostile, { error })
      const url = yield* serve({ tasks: [Order], access: as(hostile, "write") })
      const { faults, page } = yield* visit()
      const paths = ["", "rows", `row?id=${id}`, `edit?id=${id}`, "errors", `rows?text=${encodeURIComponent(hostile)}`]
      for (
        const path of [...paths, `find?q=${encodeURIComponent(hostile)}`, `edit?id=${encodeURIComponent(hostile)}`]
      ) {
        yield* play(() => page.goto(`${url}${path}`))
        assert.isUndefined(yield* play(() => page.evaluate(() => (globalThis as { pwned?: number }).pwned)), path)
        // Only what is edited as it is may hold them: as the values of fields, never as text.
        assert.notMatch(yield* play(() => page.locator("body").innerText()), /[\u202e\u200b]/, path)
      }
      assert.deepStrictEqual(faults.filter((fault) => !fault.includes("400")), [])
      yield* play(() => page.goto(`${url}row?id=${id}`))
      assert.include(yield* contentOf(page), "<script>globalThis.pwned = 1</script>")
      assert.include(yield* contentOf(page), "\\u202egnp.exe\\u200b&amp;")
    })
  )

  test(
    "a form gives back what it was given: any text, any depth, a megabyte",
    Effect.gen(function*() {
      const texts = [
        hostile,
        "line\nline\r\nline\rend",
        "\n leading",
        "a \"quoted\" 'note' & more",
        "\u0000\u0007\ud800",
        "ünï ❤ 👩‍👩‍👧",
        "x".repeat(1_000_000),
        "",
        " ",
        "null"
      ]
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { page } = yield* visit()
      for (const note of texts) {
        yield* run("truncate pg_task")
        // What JSON may hold and Postgres may not is an escape in the stored text.
        const raw = rawOf("Charge", charging(1, { note, items: [{ sku: note.slice(0, 100), count: 1 }], gift: true }))
        const id = yield* insert(raw, { error: "'Error: x'" })
        yield* play(() => page.goto(`${url}edit?id=${id}`))
        yield* play(() => page.getByRole("button", { name: "Save", exact: true }).click())
        yield* play(() => page.getByText("1 task saved").waitFor())
        const [saved] = yield* rows
        assert.deepStrictEqual(JSON.parse(saved!.step), JSON.parse(raw), JSON.stringify(note.slice(0, 30)))
      }
    })
  )

  test(
    "refuses to save over a task that has moved on",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(1)), { error: "'Error: x'" })
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}edit?id=${id}`))
      yield* run("update pg_task set transitions = transitions + 1")
      yield* play(() => page.getByLabel("amount").fill("50"))
      yield* play(() => page.getByRole("button", { name: "Save and retry" }).click())
      assert.include(yield* play(() => page.getByRole("alert").innerText()), "has moved on")
      assert.strictEqual(yield* play(() => page.getByLabel("amount").inputValue()), "50")
      const [row] = yield* rows
      assert.strictEqual(row!.status, "parked")
      assert.include(row!.step, "5000")
    })
  )

  test(
    "what was typed where no value was chosen is not lost: it is shown again, and can be sent, or emptied",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(1)), { error: "'Error: x'" })
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { page } = yield* visit()
      const save = play(() => page.getByRole("button", { name: "Save", exact: true }).click())
      const wrong = (name: string) => play(() => page.locator(`[id='w/${name}']`).innerText())
      yield* play(() => page.goto(`${url}edit?id=${id}`))
      yield* play(() => page.locator("[id='f/note']").fill("by hand"))
      yield* play(() => page.locator("[id='f/discount']").fill("0.5"))
      yield* save
      assert.include(yield* wrong("note"), "\"left out\" was chosen")
      assert.include(yield* wrong("discount"), "\"null\" was chosen")
      assert.strictEqual((yield* rows)[0]!.step, rawOf("Charge", charging(1)))
      yield* play(() => page.locator("[id='f/discount']").fill(""))
      yield* play(() => page.locator("[name='m/discount']").selectOption("null"))
      yield* save
      yield* play(() => page.getByText("1 task saved").waitFor())
      assert.deepStrictEqual(JSON.parse((yield* rows)[0]!.step), {
        Order: { Charge: charging(1, { note: "by hand" }) }
      })
    })
  )

  test(
    "JSON that is none, fields that are left out, null, and masked ones",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(1, { note: "there" })), { error: "'Error: x'" })
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}edit?id=${id}`))
      yield* play(() => page.locator("[id='f/items']").fill("[{]"))
      yield* play(() => page.getByRole("button", { name: "Save", exact: true }).click())
      assert.match(yield* play(() => page.locator("[id='w/items']").innerText()), /not JSON/)
      assert.strictEqual(yield* play(() => page.locator("[id='f/items']").inputValue()), "[{]")
      yield* play(() => page.locator("[id='f/items']").fill("[{\"sku\":1,\"count\":2}]"))
      yield* play(() => page.getByRole("button", { name: "Save", exact: true }).click())
      assert.match(yield* play(() => page.locator("[id='w/items']").innerText()), /Expected string/)
      yield* play(() => page.locator("[id='f/items']").fill("[]"))
      yield* play(() => page.locator("[name='m/note']").selectOption("absent"))
      yield* play(() => page.locator("[name='m/discount']").selectOption("value"))
      yield* play(() => page.locator("[id='f/discount']").fill("0.5"))
      yield* play(() => page.locator("[id='f/card']").fill("new-secret"))
      yield* play(() => page.locator("[id='f/currency']").selectOption({ label: "USD" }))
      yield* play(() => page.getByRole("button", { name: "Save", exact: true }).click())
      yield* play(() => page.getByText("1 task saved").waitFor())
      assert.notInclude(yield* play(() => page.content()), "new-secret")
      const [row] = yield* rows
      const wanted = charging(1, { items: [], discount: 0.5, card: "new-secret", currency: "USD" })
      assert.deepStrictEqual(JSON.parse(row!.step), { Order: { Charge: wanted } })
    })
  )
})
