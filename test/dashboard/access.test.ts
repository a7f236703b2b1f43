import { assert } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { HttpServerRequest } from "effect/http"
import type * as Dashboard from "../../src/Dashboard.ts"
import { row } from "../support/worker/Table.ts"
import { contentOf, dashboardTests, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { post, request, sessionOf } from "../support/dashboard/Request.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { charging, Order, rawOf } from "../support/dashboard/Shop.ts"

const parked = { error: "'Error: refused'" }

dashboardTests("who may do what", (test) => {
  test(
    "anybody may read by default, and changes nothing",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(1)), parked)
      const url = yield* serve({ tasks: [Order] })
      const { page } = yield* visit()
      yield* play(() => page.goto(`${url}row?id=${id}`))
      assert.include(yield* contentOf(page), "Error: refused")
      assert.strictEqual(yield* play(() => page.locator("main button, main a.button").count()), 0)
      const { cookie, token } = yield* sessionOf(url)
      const own = { cookie, "sec-fetch-site": "same-origin" }
      for (const action of ["retry", "cancel", "runNow"]) {
        const answer = yield* post(`${url}act`, { action, id, token }, own)
        assert.strictEqual(answer.status, 403)
        assert.include(yield* play(() => answer.text()), "anybody may not do this")
        assert.strictEqual((yield* post(`${url}bulk`, { action, task: "Order", token }, own)).status, 403)
      }
      assert.strictEqual((yield* post(`${url}edit`, { id, token }, own)).status, 403)
      assert.strictEqual((yield* request(`${url}edit?id=${id}`)).status, 403)
      assert.strictEqual((yield* row(id))!.status, "parked")
    })
  )

  test(
    "nobody sees anything without access, the feed included",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(1)), parked)
      const url = yield* serve({ tasks: [Order], access: as("eve", "none") })
      for (const page of ["", "rows", `row?id=${id}`, "errors", "events", `events?id=${id}`, "workers"]) {
        const answer = yield* request(`${url}${page}`)
        assert.strictEqual(answer.status, 403, page)
        assert.notInclude(yield* play(() => answer.text()), "refused")
      }
    })
  )

  test(
    "some may do some things; the host says who it is, for each request",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(1)), parked)
      const access = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }): Dashboard.Visitor => ({
        name: headers["x-user"] ?? "nobody",
        may: headers["x-user"] === undefined ? "none" : ["retry"]
      }))
      const url = yield* serve({ tasks: [Order], access })
      assert.strictEqual((yield* request(url)).status, 403)
      const headers = { "x-user": "grace" }
      const { page } = yield* visit({ extraHTTPHeaders: headers })
      yield* play(() => page.goto(`${url}row?id=${id}`))
      assert.strictEqual(yield* play(() => page.getByRole("link", { name: "Edit its state" }).count()), 0)
      yield* play(() => page.getByRole("button", { name: "Retry" }).click())
      yield* play(() => page.getByText("1 task will run again").waitFor())
      assert.strictEqual((yield* row(id))!.status, "ready")
    })
  )

  test(
    "refuses what does not come from its own forms",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(1)), parked)
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const { cookie, token } = yield* sessionOf(url)
      const fields = { action: "retry", id, token }
      const refused = [
        post(`${url}act`, fields, { cookie }),
        post(`${url}act`, fields, { cookie, "sec-fetch-site": "cross-site" }),
        post(`${url}act`, fields, { cookie, "sec-fetch-site": "same-site" }),
        post(`${url}act`, fields, { cookie, origin: "http://evil.example" }),
        post(`${url}act`, fields, { cookie, origin: "null" }),
        post(`${url}act`, fields, { "sec-fetch-site": "same-origin" }),
        post(`${url}act`, { ...fields, token: "x".repeat(32) }, { cookie, "sec-fetch-site": "same-origin" }),
        post(`${url}act`, { action: "retry", id }, { cookie, "sec-fetch-site": "same-origin" })
      ]
      for (const [index, answer] of refused.entries()) assert.strictEqual((yield* answer).status, 403, `${index}`)
      // A link changes nothing.
      assert.strictEqual((yield* request(`${url}act?action=retry&id=${id}`)).status, 404)
      assert.strictEqual((yield* row(id))!.status, "parked")
      // A proxy in front of it has another name.
      const forwarded = { cookie, origin: "https://ops.example", "x-forwarded-host": "ops.example" }
      assert.strictEqual((yield* post(`${url}act`, { ...fields, action: "cancelled" }, forwarded)).status, 400)
      const done = yield* post(`${url}act`, fields, { cookie, origin: new URL(url).origin })
      assert.strictEqual(done.status, 303)
      assert.strictEqual((yield* row(id))!.status, "ready")
    })
  )

  test(
    "logs who did what",
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => {
        lines.push(String(message))
      })
      const id = yield* insert(rawOf("Charge", charging(1)), parked)
      yield* Effect.gen(function*() {
        const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
        const { cookie, token } = yield* sessionOf(url)
        yield* post(`${url}act`, { action: "retry", id, token }, { cookie, "sec-fetch-site": "same-origin" })
      }).pipe(Effect.provide(Logger.layer([logger])))
      assert.include(lines, "ada: Retry, 1 task")
    })
  )
})

const protecting = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin"
}

dashboardTests("headers and addresses", (test) => {
  test(
    "gives each browser a token that no script and no other site has",
    Effect.gen(function*() {
      const url = yield* serve({ tasks: [Order] })
      const cookieOf = (headers: Readonly<Record<string, string>>) =>
        Effect.map(request(url, { headers }), (answer) => answer.headers.get("set-cookie"))
      const [first, second] = [yield* cookieOf({}), yield* cookieOf({})]
      assert.match(first!, /^pg_task_token=[\w-]{32}; HttpOnly; SameSite=Strict$/)
      assert.notStrictEqual(first, second)
      assert.match((yield* cookieOf({ "x-forwarded-proto": "https" }))!, /; Secure/)
      assert.isNull(yield* cookieOf({ cookie: first!.split(";")[0]! }))
    })
  )

  test(
    "allows nothing inline and nothing from elsewhere",
    Effect.gen(function*() {
      const url = yield* serve({ tasks: [Order] })
      for (const page of ["", "rows", "nothing-here", "style.css", "live.js"]) {
        const answer = yield* request(`${url}${page}`)
        const policy = answer.headers.get("content-security-policy")!
        assert.include(policy, "default-src 'none'")
        assert.notMatch(policy, /unsafe|https?:|\*/)
        for (const part of ["frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]) {
          assert.include(policy, part)
        }
        for (const [name, value] of Object.entries(protecting)) {
          assert.strictEqual(answer.headers.get(name), value, `${page} ${name}`)
        }
        const isFile = page.includes(".")
        assert.strictEqual(
          answer.headers.get("cache-control"),
          isFile ? "public, max-age=31536000, immutable" : "no-store"
        )
        assert.notMatch(
          yield* play(() => answer.text()),
          / style="|<style| on\w+="|<script(?! type="module" src="live)/
        )
      }
    })
  )

  for (const path of ["/", "/tasks", "/a/deep/prefix/"] as const) {
    test(
      `works at ${path}`,
      Effect.gen(function*() {
        const id = yield* insert(rawOf("Charge", charging(1)), parked)
        const url = yield* serve({ path, tasks: [Order], access: as("ada", "write") })
        const { faults, page } = yield* visit()
        // The slash at the end may be missing.
        yield* play(() => page.goto(path === "/" ? url : url.slice(0, -1)))
        assert.strictEqual(page.url(), url)
        yield* play(() => page.locator("a.node", { hasText: "Charge" }).click())
        yield* play(() => page.locator("a.row").click())
        yield* play(() => page.getByRole("button", { name: "Retry" }).click())
        yield* play(() => page.getByText("1 task will run again").waitFor())
        assert.strictEqual((yield* row(id))!.status, "ready")
        assert.deepStrictEqual(faults, [])
      })
    )
  }
})
