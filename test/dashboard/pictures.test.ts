/**
 * The pictures of the documentation: `npm run docs:pictures` makes them. Otherwise the pages are only shown, and the
 * pictures that are there are looked at.
 */
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { Newsletter, Order } from "../../examples/dashboard/shop.ts"
import { Admin, Recurring, Schedules, Task } from "../../src/index.ts"
import { dashboardTests, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { rawOf } from "../support/dashboard/Shop.ts"
import { project } from "../support/docs/snippets.ts"
import { run } from "../support/worker/Table.ts"

const folder = join(project, "docs/pictures")

const declined = `'CardDeclined: the limit of the card is 300
    at Charge (shop.ts:46)'`
const charge = (number: number, total: number) =>
  rawOf("Charge", { number, total, currency: "EUR", card: "4242 4242 4242 4242" })
const ago = (time: string) => ({ wakeup_at: `now() - interval '${time}'`, updated_at: `now() - interval '${time}'` })
const running = { is_running: "true", lease_token: "gen_random_uuid()", lease_until: "now() + interval '1 hour'" }

/** A shop at a quiet moment: the same each time. Returns the id of an order that is parked. */
const fillShop = Effect.gen(function*() {
  const id = yield* insert(charge(4711, 340), { error: declined, tried: "3", ...ago("12 minutes") })
  for (let order = 1; order < 7; order++) {
    yield* insert(charge(4711 + order, 310), { error: declined, tried: "3", ...ago(`${order} minutes`) })
  }
  const busy = { last_error: "'BankIsBusy: please try again'", tried: "1", wakeup_at: "now() + interval '4 seconds'" }
  for (let order = 0; order < 3; order++) yield* insert(charge(5000 + order, 90), busy)
  for (let order = 0; order < 3; order++) yield* insert(charge(5100 + order, 40), running)
  for (let order = 0; order < 5; order++) {
    yield* insert(rawOf("Place", { number: 6000 + order, customer: "Grace", total: 20 }), ago("3 seconds"))
  }
  for (let order = 0; order < 4; order++) yield* insert(rawOf("Pack", { number: 7000 + order, gift: false }), running)
  const waiting = { wakeup_at: "'infinity'", waits_for: "'{Approved,Rejected,$timeout}'" }
  for (let order = 0; order < 6; order++) {
    yield* insert(rawOf("AwaitApproval", { number: 8000 + order, total: 250 }), waiting)
  }
  const ended = { ended_at: "now()", kept_until: "now() + interval '1 hour'" }
  for (let order = 0; order < 14; order++) {
    yield* insert(rawOf("Shipped", { number: 9000 + order, parcel: `P-${9000 + order}` }), ended)
  }
  yield* insert(rawOf("Send", { issue: 3 }, "Newsletter"), { wakeup_at: "now() + interval '20 seconds'" })
  return id
})

/** Orders of a customer who is paused, and of one who has an order at work; a card waits for the bank. */
const addLimits = Effect.gen(function*() {
  yield* run("truncate pg_task_limit, pg_task_paused")
  yield* run("insert into pg_task_limit (key, slots) values ('bank', 3), ('customer:Ada', 1), ('customer:Grace', 1)")
  yield* run(
    `update pg_task set limit_key = 'bank', slots = 3, slot = right(step::json #>> '{Order,Charge,number}', 1)::int + 1
where is_running and state = 'Charge'`
  )
  yield* Admin.pause({ limit: "customer", key: "Ada" })
  const place = (customer: string, order: number, slot: string, more: Readonly<Record<string, string>>) =>
    insert(rawOf("Place", { number: 6100 + order, customer, total: 20 }), {
      limit_key: `'customer:${customer}'`,
      slots: "1",
      slot,
      ...more
    })
  for (let order = 0; order < 3; order++) yield* place("Ada", order, "null", ago(`${4 - order} minutes`))
  yield* place("Grace", 3, "1", running)
  for (let order = 4; order < 6; order++) yield* place("Grace", order, "null", ago("20 seconds"))
  yield* insert(charge(5200, 70), { limit_key: "'bank'", slots: "3", ...ago("5 seconds") })
})

/** A task with a past: it was retried, waited for a signal, and went on. */
const addPast = Effect.gen(function*() {
  const id = yield* insert(rawOf("Shipped", { number: 4700, parcel: "P-4700" }), {
    ended_at: "now()",
    kept_until: "now() + interval '1 hour'"
  })
  yield* run("delete from pg_task_history")
  yield* run(
    `insert into pg_task_history (id, task, state, transition, attempt, outcome, signal, error, duration, worker, ended_at, kept_until)
select $1::uuid, 'Order', state, transition, attempt, outcome, signal, error, duration, gen_random_uuid(),
  timestamptz '2026-11-02 09:14:00Z' + at * interval '1 second', now() + interval '1 hour'
from (values ('Place', 0, 1, 'continued', null, null, 1200, 2),
  ('Charge', 1, 1, 'retried', null, 'BankIsBusy: please try again', 9400, 12),
  ('Charge', 1, 2, 'retried', null, 'BankIsBusy: please try again', 6100, 24),
  ('Charge', 1, 3, 'continued', null, null, 2300, 33),
  ('AwaitApproval', 2, 1, 'waiting', null, null, 3, 33),
  ('AwaitApproval', 2, 1, 'continued', 'Approved', null, 40, 71),
  ('Pack', 3, 1, 'lost', null, 'The worker crashed', null, 84),
  ('Pack', 3, 2, 'finished', null, null, 8200, 97)
) as a(state, transition, attempt, outcome, signal, error, duration, at)`,
    [id]
  )
  return id
})

class Build extends Schema.TaggedClass<Build>()("Build", {}) {}

const Report = Task.declare("Report", { states: [Build] })

/** Three schedules, of which one is paused, and one is in no code any more. */
const addSchedules = Effect.gen(function*() {
  const Nightly = Recurring.make("nightly-report", { task: Report, state: () => new Build() })
  const zones = [["tenant-7", "0 6 * * 1", "America/Chicago"], ["tenant-8", "30 2 * * *", "Asia/Tokyo"]] as const
  for (const [name, cron, timeZone] of zones) yield* Nightly.schedule(name, { cron, timeZone })
  yield* Recurring.make("clean-up", { task: Report, state: () => new Build() }).schedule("weekly", {
    cron: "0 4 * * 0"
  })
  yield* Schedules.pause("nightly-report", "tenant-8")
  return Nightly
})

const wide = (height: number) => ({ viewport: { width: 1200, height } })

const pages = (id: string, past: string) => [
  { name: "machines", path: "", options: wide(900) },
  { name: "machines-dark", path: "", options: { ...wide(900), colorScheme: "dark" as const } },
  { name: "errors", path: "errors", options: wide(420) },
  { name: "task", path: `row?id=${id}`, options: wide(640) },
  { name: "edit", path: `edit?id=${id}`, options: wide(780), before: saveWrongly },
  { name: "retry-all", path: "errors", options: wide(620), before: retryAll },
  { name: "timeline", path: `row?id=${past}`, options: wide(430), before: toHistory },
  { name: "schedules", path: "schedules", options: wide(360) },
  { name: "limits", path: "limits", options: wide(560) },
  { name: "phone", path: "", options: { viewport: { width: 360, height: 760 } } }
]

/** A total that no number is. */
const saveWrongly = async (page: Page) => {
  await page.getByLabel("total").fill("29O")
  await page.getByRole("button", { name: "Save and retry" }).click()
  await page.getByRole("alert").waitFor()
}

const retryAll = (page: Page) => page.getByRole("link", { name: "Retry all like it" }).first().click()

const toHistory = (page: Page) =>
  page.getByRole("heading", { name: "History" }).evaluate((heading) => heading.scrollIntoView({ block: "start" }))

const isMade = process.env["PICTURES"] === "make"

const maxSize = 150_000

dashboardTests("the pictures of the documentation", (test) => {
  test(
    "show the shop of the example",
    Effect.gen(function*() {
      const id = yield* fillShop
      const past = yield* addPast
      const Nightly = yield* addSchedules
      yield* addLimits
      const url = yield* serve({ tasks: [Order, Newsletter, Nightly], access: as("ada", "write") })
      mkdirSync(folder, { recursive: true })
      for (const { before, name, options, path } of pages(id, past)) {
        const { faults, page } = yield* visit({ ...options, reducedMotion: "reduce" })
        yield* play(() => page.goto(`${url}${path}`))
        if (before !== undefined) yield* play(() => before(page))
        const picture = yield* play(() => page.screenshot())
        const file = join(folder, `${name}.png`)
        if (isMade) writeFileSync(file, picture)
        assert.deepStrictEqual(faults.filter((fault) => !fault.includes("422")), [], name)
        const kept = readFileSync(file)
        assert.isAtMost(kept.length, maxSize, name)
        // The width in the header of a PNG.
        assert.strictEqual(kept.readUInt32BE(16), options.viewport.width, name)
      }
    })
  )
})
