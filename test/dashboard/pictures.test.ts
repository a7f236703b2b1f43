/**
 * The pictures of the documentation: `npm run docs:pictures` makes them. Otherwise the pages are only shown, and the
 * pictures that are there are looked at.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Newsletter, Order } from "../../examples/dashboard/shop.ts"
import { dashboardTests, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { rawOf } from "../support/dashboard/Shop.ts"
import { project } from "../support/docs/snippets.ts"

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
  for (let order = 0; order < 2; order++) yield* insert(charge(5100 + order, 40), running)
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

const pages = (id: string) => [
  { name: "machines", path: "", options: { viewport: { width: 1200, height: 900 } } },
  {
    name: "machines-dark",
    path: "",
    options: { viewport: { width: 1200, height: 900 }, colorScheme: "dark" as const }
  },
  { name: "errors", path: "errors", options: { viewport: { width: 1200, height: 420 } } },
  { name: "task", path: `row?id=${id}`, options: { viewport: { width: 1200, height: 640 } } },
  { name: "edit", path: `edit?id=${id}`, options: { viewport: { width: 1200, height: 780 } } },
  { name: "phone", path: "", options: { viewport: { width: 360, height: 760 } } }
]

const isMade = process.env["PICTURES"] === "make"

const maxSize = 150_000

dashboardTests("the pictures of the documentation", (test) => {
  test(
    "show the shop of the example",
    Effect.gen(function*() {
      const id = yield* fillShop
      const url = yield* serve({ tasks: [Order, Newsletter], access: as("ada", "write") })
      mkdirSync(folder, { recursive: true })
      for (const { name, options, path } of pages(id)) {
        const { faults, page } = yield* visit({ ...options, reducedMotion: "reduce" })
        yield* play(() => page.goto(`${url}${path}`))
        const picture = yield* play(() => page.screenshot())
        const file = join(folder, `${name}.png`)
        if (isMade) writeFileSync(file, picture)
        assert.deepStrictEqual(faults, [], name)
        const kept = readFileSync(file)
        assert.isAtMost(kept.length, maxSize, name)
        // The width in the header of a PNG.
        assert.strictEqual(kept.readUInt32BE(16), options.viewport.width, name)
      }
    })
  )
})
