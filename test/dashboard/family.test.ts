import { assert } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import * as Dashboard from "../../src/Dashboard.ts"
import { NextStep, Step, Task } from "../../src/index.ts"
import { nobody } from "../support/cli/Greeter.ts"
import { clientOf, role } from "../support/database/roles.ts"
import { contentOf, dashboardTests, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { request } from "../support/dashboard/Request.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { charging, Order, rawOf } from "../support/dashboard/Shop.ts"
import { start } from "../support/worker/Fixture.ts"
import { gone, row, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

class AwaitOrders extends Schema.TaggedClass<AwaitOrders>()("AwaitOrders", {}) {}
class Approved extends Schema.TaggedClass<Approved>()("Approved", {
  by: Schema.String,
  pin: Dashboard.masked(Schema.String)
}) {}
class Done extends Schema.TaggedClass<Done>()("Done", { by: Schema.String }) {}

const Batch = Task.make("Batch", [
  Step.wait(AwaitOrders, (on) => [
    on(Approved, { next: [Done], handler: (_, { by }) => Effect.succeed(NextStep.now(new Done({ by }))) }),
    on.timeout("3 days", { next: [Done], handler: () => Effect.succeed(NextStep.now(new Done({ by: "nobody" }))) })
  ]),
  Step.final(Done, { keep: "1 hour" })
])

class Flaky extends Schema.TaggedClass<Flaky>()("Flaky", { order: Schema.Int }) {}
class Fine extends Schema.TaggedClass<Fine>()("Fine", { order: Schema.Int }) {}

let attempts = 0

/** It fails once. */
const Remembered = Task.make("Remembered", [
  Step.make(Flaky, {
    next: [Fine],
    retryLimit: 1,
    retryDelay: "1 milli",
    handler: ({ order }) =>
      ++attempts === 1 ? Effect.fail(new Error("not yet")) : Effect.succeed(NextStep.now(new Fine({ order })))
  }),
  Step.make(Fine, { handler: () => Effect.succeed(NextStep.none) })
], { history: "1 day" })

const waiting = { wakeup_at: "'infinity'", waits_for: "'{Approved}'" }

dashboardTests("a task and those around it", (test) => {
  test(
    "shows children, the parked ones first, and leads there and back",
    Effect.gen(function*() {
      const parent = yield* insert(rawOf("AwaitOrders", {}, "Batch"), {
        ...waiting,
        waits_for: "'{$children,Approved}'"
      })
      const child = (fields: Readonly<Record<string, string>>) =>
        insert(rawOf("Pack", { order: 1 }), { parent: `'${parent}'`, ...fields })
      yield* run(
        `insert into pg_task (step, parent, ended_at, kept_until, wakeup_at)
select $1, $2::uuid, now(), now() + interval '1 hour', now() - interval '1 day' from generate_series(1, 60)`,
        [rawOf("Ship", { order: 1 }), parent]
      )
      yield* child({})
      const parked = yield* child({ error: "'Error: no box'" })
      yield* insert(rawOf("Pack", { order: 9 }), { error: "'Error: no box'" })
      const url = yield* serve({ tasks: [Order, Batch], access: as("ada", "write") })
      const { faults, page } = yield* visit()
      yield* play(() => page.goto(`${url}row?id=${parent}`))
      assert.include(yield* play(() => page.locator("dl.facts").innerText()), "its children, Approved")
      const card = page.locator("section", { has: page.getByRole("heading", { name: "Children" }) })
      assert.match(yield* play(() => card.locator("p.bar").innerText()), /1 parked\s+1 ready\s+60 ended/)
      assert.strictEqual(yield* play(() => card.locator("tbody tr").count()), 50)
      yield* play(() => card.locator("a.row").first().click())
      assert.include(page.url(), parked)
      yield* play(() => page.getByRole("link", { name: parent.slice(0, 8) }).click())
      assert.include(page.url(), parent)
      // All parked children, and no other task, are retried together.
      yield* play(() => card.getByRole("link", { name: "1 parked" }).click())
      yield* play(() => page.getByRole("link", { name: "Retry…" }).click())
      yield* play(() => page.getByRole("button", { name: "Retry 1 task" }).click())
      yield* play(() => page.getByText("1 task will run again").waitFor())
      assert.strictEqual((yield* row(parked))!.status, "ready")
      assert.deepStrictEqual((yield* run("select id from pg_task where error is not null")).length, 1)
      assert.deepStrictEqual(faults, [])
    })
  )

  test(
    "is found by its key, however many there are in front of it",
    Effect.gen(function*() {
      yield* run("insert into pg_task (step) select $1 from generate_series(1, 1500)", [rawOf("Pack", { order: 0 })])
      const id = yield* insert(rawOf("Pack", { order: 1 }), { key: "'order-42'" })
      const url = yield* serve({ tasks: [Order, Batch] })
      const { page } = yield* visit()
      const find = (text: string) =>
        Effect.andThen(
          play(() => page.getByRole("searchbox").fill(text)),
          play(() => page.getByRole("searchbox").press("Enter"))
        )
      yield* play(() => page.goto(`${url}keys`))
      yield* find("order-42")
      yield* play(() => page.waitForURL(new RegExp(`row\\?id=${id}`)))
      assert.include(yield* contentOf(page), "order-42")
      yield* insert(rawOf("AwaitOrders", {}, "Batch"), { key: "'order-42'" })
      yield* find("order-42")
      yield* play(() => page.waitForURL(/rows\?key=order-42/))
      assert.strictEqual(yield* play(() => page.locator("a.row").count()), 2)
      const odd = yield* insert("rubbish", { key: "'order-43'" })
      yield* find("order-43")
      yield* play(() => page.waitForURL(new RegExp(`row\\?id=${odd}`)))
    })
  )

  test(
    "ends a wait",
    Effect.gen(function*() {
      yield* start({ tasks: [Batch] })
      const id = yield* insert(rawOf("AwaitOrders", {}, "Batch"))
      yield* eventually(run(`select from pg_task where wait_until > now()`), ({ length }) => length === 1)
      const url = yield* serve({ tasks: [Batch], access: as("ada", ["endWait"]) })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}row?id=${id}`))
      assert.match(yield* contentOf(page), /Waits for\s+Approved/)
      yield* play(() => page.getByRole("button", { name: "End the wait" }).click())
      yield* play(() => page.locator(".badge", { hasText: "ended" }).waitFor())
      assert.match(yield* contentOf(page), /by\s+nobody/)
    })
  )

  test(
    "shows signals that it has not taken, with masks",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(1), "Batch"))
      yield* run(`select pg_task_signal($1, 'Approved', '{"by":"ada","pin":"1234"}')`, [id])
      yield* run(`select pg_task_signal($1, 'Strange', '{"x":"<b>"}')`, [id])
      const url = yield* serve({ tasks: [Batch] })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}row?id=${id}`))
      const card = page.locator("section", { has: page.getByRole("heading", { name: "Signals" }) })
      const text = yield* play(() => card.innerText())
      assert.include(text, `{"by":"ada","pin":"••••••"}`)
      assert.include(text, `{"x": "<b>"}`)
    })
  )

  test(
    "is shown, and found, without its past to a role that may not read that",
    Effect.gen(function*() {
      const name = yield* role
      yield* run(`grant select on pg_task to ${name}`)
      const id = yield* insert(rawOf("Flaky", { order: 1 }, "Remembered"))
      const url = yield* Effect.provide(serve({ tasks: [Remembered] }), yield* Layer.build(yield* clientOf(name)))
      const answer = yield* request(`${url}row?id=${id}`)
      assert.strictEqual(answer.status, 200)
      assert.include(yield* play(() => answer.text()), "State: Flaky")
      assert.strictEqual((yield* request(`${url}row?id=${nobody}`)).status, 404)
      const found = yield* request(`${url}find?q=cafe`)
      assert.strictEqual(found.headers.get("location"), "rows?text=cafe")
    })
  )

  test(
    "shows the attempts of its past, also when it is gone",
    Effect.gen(function*() {
      yield* run("truncate pg_task_history")
      yield* start({ tasks: [Remembered] })
      const id = yield* insert(rawOf("Flaky", { order: 1 }, "Remembered"))
      yield* gone(id)
      const url = yield* serve({ tasks: [Remembered] })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}find?q=${id.slice(0, 8)}`))
      assert.include(page.url(), `row?id=${id}`)
      const lines = page.locator("section", { has: page.getByRole("heading", { name: "History" }) }).locator("tbody tr")
      const outcomes = yield* play(() => lines.locator(".badge").allInnerTexts())
      assert.deepStrictEqual(outcomes, ["retried", "continued", "finished"])
      assert.include(yield* play(() => lines.first().innerText()), "not yet")
      // Each is drawn in its place.
      const places = yield* play(() =>
        lines.locator("rect").evaluateAll((all) => all.map((one) => Number(one.getAttribute("x"))))
      )
      assert.deepStrictEqual(places, places.toSorted((a, b) => a - b))
    })
  )

  test(
    "leads to its trace",
    Effect.gen(function*() {
      const trace = "0af7651916cd43dd8448eb211c80319c"
      const id = yield* insert(rawOf("Pack", { order: 1 }), { trace: `'00-${trace}-b7ad6b7169203331-01'` })
      const odd = yield* insert(rawOf("Pack", { order: 2 }), { trace: `'javascript:alert(1)'` })
      const url = yield* serve({ tasks: [Order], traceUrl: (traceId) => `https://traces.example/${traceId}` })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}row?id=${id}`))
      const link = page.getByRole("link", { name: trace })
      assert.strictEqual(yield* play(() => link.getAttribute("href")), `https://traces.example/${trace}`)
      yield* play(() => page.goto(`${url}row?id=${odd}`))
      assert.include(yield* contentOf(page), "javascript:alert(1)")
      assert.strictEqual(yield* play(() => page.locator("a[href^=javascript]").count()), 0)
    })
  )
})
