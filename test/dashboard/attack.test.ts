/** What somebody may try who has a browser, or no browser at all. Nothing of it changes a task, and nothing ends in a 500. */
import { assert } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { pages } from "../../src/dashboard/pages/index.ts"
import { dashboardTests, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { post, postAs, request, send, sessionOf } from "../support/dashboard/Request.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { charging, Order, rawOf } from "../support/dashboard/Shop.ts"
import { capture } from "../support/telemetry/Spans.ts"
import { row, run } from "../support/worker/Table.ts"

const parked = { error: "'Error: refused'", key: "'order-1'" }

const addParked = insert(rawOf("Charge", charging(1)), parked)

/** The whole table, as text. */
const table = Effect.map(
  run<{ readonly all: string }>(
    `select coalesce((select string_agg(t::text, e'\\n' order by id) from pg_task t), '')
  || coalesce((select string_agg(p::text, e'\\n' order by name) from pg_task_paused p), '') as all`
  ),
  ([found]) => found!.all
)

/** All pages that change something. */
const writes = [...pages].flatMap(([name, { post }]) => post === undefined ? [] : [name])

/** What each of their forms sends, in one. */
const everything = (id: string) => ({
  id,
  action: "cancel",
  task: "Order",
  state: "Charge",
  line: "Error: refused",
  transitions: "0",
  afterwards: "retry",
  recurring: "Order",
  name: "order-1",
  limit: "tenant",
  key: "acme",
  change: "pause",
  "f/amount": "1"
})

dashboardTests("attacks on what is changed", (test) => {
  test(
    "no page that changes something does so for those who may not, from elsewhere, or without the token",
    Effect.gen(function*() {
      assert.sameMembers(writes, ["edit", "signal", "try", "act", "bulk", "schedule", "limit"])
      const fields = everything(yield* addParked)
      const before = yield* table
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const reading = yield* serve({ tasks: [Order], access: as("eve", "read") })
      const nothing = yield* serve({ tasks: [Order], access: as("eve", []) })
      const nobody = yield* serve({ tasks: [Order], access: as("eve", "none") })
      const { cookie, token } = yield* sessionOf(url)
      const own = { cookie, "sec-fetch-site": "same-origin" }
      const last = token.endsWith("x") ? "y" : "x"
      for (const page of writes) {
        const attempts = {
          "may read": postAs(reading, page, fields),
          "may do nothing": postAs(nothing, page, fields),
          "has no access": post(`${nobody}${page}`, { ...fields, token }, own),
          "cross-site": post(`${url}${page}`, { ...fields, token }, { ...own, "sec-fetch-site": "cross-site" }),
          "another origin": post(`${url}${page}`, { ...fields, token }, { cookie, origin: "https://evil.example" }),
          "no origin": post(`${url}${page}`, { ...fields, token }, { cookie }),
          "no token": post(`${url}${page}`, fields, own),
          "an empty token": post(`${url}${page}`, { ...fields, token: "" }, own),
          "another token": post(`${url}${page}`, { ...fields, token: `${token.slice(0, -1)}${last}` }, own),
          "a longer token": post(`${url}${page}`, { ...fields, token: `${token}x` }, own),
          "no cookie": post(`${url}${page}`, { ...fields, token }, { "sec-fetch-site": "same-origin" }),
          "an empty cookie": post(`${url}${page}`, { ...fields, token: "" }, { ...own, cookie: "pg_task_token=" })
        }
        for (const [name, attempt] of Object.entries(attempts)) {
          assert.strictEqual((yield* attempt).status, 403, `${page}, ${name}`)
        }
      }
      for (const page of ["edit", "signal", "bulk?action=cancel&", "bulk?action=retry&"]) {
        const address = `${reading}${page}${page.includes("?") ? "" : "?"}id=${fields.id}`
        assert.strictEqual((yield* request(address)).status, 403, page)
      }
      assert.strictEqual(yield* table, before)
    })
  )

  test(
    "each action needs its own permission, and nothing is saved on the way to a refused one",
    Effect.gen(function*() {
      const id = yield* addParked
      const before = yield* table
      const form = { id, state: "Charge", transitions: "0", "f/order": "9", afterwards: "retry" }
      const editing = yield* serve({ tasks: [Order], access: as("eve", ["edit"]) })
      assert.strictEqual((yield* postAs(editing, "edit", { ...form, "f/amount": "x" })).status, 422)
      const valid = {
        "f/order": "9",
        "f/amount": "1",
        "f/currency": "0",
        "f/gift": "0",
        "m/discount": "null",
        "m/note": "absent",
        "j/items": "1",
        "f/items": "[]",
        "f/due": "2030-01-31T08:00:00.000Z"
      }
      assert.strictEqual((yield* postAs(editing, "edit", { ...form, ...valid })).status, 403)
      for (const transitions of ["", "x", "1e9", "-1", "99999999999", "0; drop table pg_task"]) {
        assert.strictEqual(
          (yield* postAs(editing, "edit", { ...form, ...valid, transitions, afterwards: "" })).status,
          409
        )
      }
      for (const action of ["cancel", "runNow", "edit", "constructor", ""]) {
        const status = (yield* postAs(editing, "act", { action, id })).status
        assert.include([400, 403], status, action)
      }
      for (const page of writes.filter((page) => page !== "edit")) {
        assert.strictEqual((yield* postAs(editing, page, everything(id))).status, 403, page)
      }
      assert.strictEqual(yield* table, before)
      assert.strictEqual((yield* postAs(editing, "edit", { ...form, ...valid, afterwards: "" })).status, 303)
    })
  )

  test(
    "what is sent may be large, but not without end, and is not read at all from those who may not send it",
    Effect.gen(function*() {
      const id = yield* addParked
      const before = yield* table
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const reading = yield* serve({ tasks: [Order], access: as("eve", "read") })
      const large = { id, action: "cancel", text: "x".repeat(65 * 1024 * 1024) }
      assert.strictEqual((yield* postAs(url, "act", large)).status, 413)
      assert.strictEqual((yield* postAs(reading, "act", large)).status, 403)
      assert.strictEqual(yield* table, before)
      assert.strictEqual((yield* request(url)).status, 200)
    })
  )

  test(
    "who did what, and who was refused, is in the log and in the spans",
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => {
        lines.push(String(message))
      })
      const spans = capture()
      const id = yield* addParked
      yield* Effect.gen(function*() {
        const url = yield* serve({ tasks: [Order], access: as("eve", ["retry"]) })
        yield* postAs(url, "act", { id, action: "cancel" })
        yield* postAs(url, "a\nforged line", { id, action: "cancel" })
        yield* postAs(url, "act", { id, action: "retry" })
      }).pipe(Effect.provide(Layer.merge(Logger.layer([logger]), spans.layer)))
      assert.include(lines, "eve: refused, act")
      assert.include(lines, "eve: Retry, 1 task")
      assert.isUndefined(lines.find((line) => line.includes("forged")))
      const { attributes } = yield* spans.named("Dashboard.retry")
      assert.deepInclude(attributes, { visitor: "eve", target: id, changed: 1 })
    })
  )
})

const paths = (base: string) => [
  `${base}../tasks/act`,
  `${base}%2e%2e/`,
  `${base}..%2f..%2fetc/passwd`,
  `${base}..%5c..%5cwindows`,
  `${base}/evil.example/`,
  `${base}rows/`,
  `${base}ROWS`,
  `${base}style.css/`,
  `${base}constructor`,
  `${base}__proto__`,
  `${base}%00`,
  `${base}%0d%0ax-evil:1`,
  `${base}%ff`,
  `${base}%`,
  `//evil.example${base}`,
  `//[${base}`,
  `/\\evil.example${base}`,
  `http://evil.example${base}`
]

dashboardTests("attacks on addresses", (test) => {
  test(
    "paths lead to no other page, to no other host, and to no defect",
    Effect.gen(function*() {
      for (const path of ["/tasks", "/"] as const) {
        const url = yield* serve({ path, tasks: [Order], access: as("ada", "write") })
        for (const one of paths(path === "/" ? "/" : "/tasks/")) {
          const { headers, status } = yield* send(url, one)
          assert.isBelow(status, 500, one)
          assert.isUndefined(headers["x-evil"], one)
          const location = headers["location"]
          if (location !== undefined) assert.match(String(location), /^\.?\/?[\w-]+\/$/, one)
        }
      }
      const url = yield* serve({ tasks: [Order] })
      assert.strictEqual((yield* send(url, "/tasks")).headers["location"], "./tasks/")
      for (const host of ["evil.example", "evil?x", "a b", "[", "evil/x"]) {
        const { headers, status } = yield* send(url, "/tasks?q=1", { host })
        assert.isBelow(status, 500, host)
        if (status === 303) assert.match(String(headers["location"]), /^\.\/\w+\/$/, host)
      }
    })
  )

  test(
    "answers GET, HEAD and POST, and no other site",
    Effect.gen(function*() {
      const id = yield* addParked
      const before = yield* table
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      for (const method of ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]) {
        for (const page of ["", "act", "bulk", "rows", "events"]) {
          const { headers, status } = yield* send(url, `/tasks/${page}?id=${id}&action=cancel`, { method })
          assert.strictEqual(status, 405, `${method} ${page}`)
          assert.include(headers["content-security-policy"], "default-src 'none'")
          assert.isUndefined(Object.keys(headers).find((name) => name.startsWith("access-control")))
        }
      }
      for (const page of ["", "rows", `row?id=${id}`, "style.css"]) {
        const { body, headers, status } = yield* send(url, `/tasks/${page}`, { method: "HEAD" })
        assert.deepStrictEqual({ status, body }, { status: 200, body: "" }, page)
        assert.include(headers["content-security-policy"], "default-src 'none'")
      }
      // It ends: there is nothing to be fed.
      assert.strictEqual((yield* send(url, "/tasks/events", { method: "HEAD" })).status, 404)
      assert.strictEqual(yield* table, before)
    })
  )

  test(
    "what is asked for may be anything: it is understood, found nowhere, or refused",
    Effect.gen(function*() {
      const id = yield* addParked
      const before = yield* table
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const hostile = [
        "\0",
        "\ufffd",
        "'; drop table pg_task; --",
        "%",
        "\\",
        "\r\nx-evil: 1",
        "x".repeat(5000),
        "-1",
        "NaN"
      ]
      const names = [
        "task",
        "state",
        "status",
        "parent",
        "key",
        "error",
        "line",
        "text",
        "older",
        "newer",
        "after",
        "id"
      ]
      for (const value of hostile) {
        for (const name of names) {
          const query = `${name}=${encodeURIComponent(value)}`
          for (const page of name === "id" ? ["row", "edit", "signal"] : ["rows", "bulk"]) {
            const { status } = yield* request(`${url}${page}?action=retry&${query}`)
            assert.include([200, 400, 404], status, `${page} ${query.slice(0, 50)}`)
          }
        }
        for (const page of ["errors?task=", "find?q=", "row?done=retry&n=", `edit?id=${id}&state=`]) {
          const answer = yield* request(`${url}${page}${encodeURIComponent(value)}`)
          assert.isBelow(answer.status, 500, page)
          assert.isNull(answer.headers.get("x-evil"), page)
        }
      }
      for (const duration of ["Infinity", "999999999999w", "1e400 days", "5 parsecs", "constructor"]) {
        for (const name of ["older", "newer"]) {
          assert.strictEqual((yield* request(`${url}rows?${name}=${duration}`)).status, 400, duration)
        }
      }
      assert.strictEqual(yield* table, before)
    })
  )

  test(
    "what a form sends comes back in no header, and in no other place than its own",
    Effect.gen(function*() {
      const id = yield* addParked
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const forged = "x\r\nx-evil: 1\r\n\r\n<script>"
      for (
        const [page, fields] of [
          ["act", { action: "retry", id: forged }],
          ["bulk", { action: "retry", task: forged, text: forged }],
          ["try", { task: forged, line: forged }],
          ["schedule", { recurring: forged, name: forged, change: "run" }],
          ["limit", { limit: "tenant", key: forged, list: forged, change: "pause" }],
          ["limit", { limit: forged, change: "pause" }]
        ] as const
      ) {
        const answer = yield* postAs(url, page, fields)
        assert.isNull(answer.headers.get("x-evil"), page)
        assert.isBelow(answer.status, 500, page)
        assert.match(answer.headers.get("location") ?? "rows", /^[a-z]+(\?[\w=&%+.*-]+)?$/, page)
        assert.notInclude(yield* play(() => answer.text()), "<script>", page)
      }
      assert.strictEqual((yield* row(id))!.status, "parked")
    })
  )

  test(
    "another site learns nothing: neither by a frame, nor by a link that leads there",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Pack", { order: 1 }), { trace: `'00-${"a".repeat(32)}-${"b".repeat(16)}-01'` })
      const other = yield* serve({ path: "/other", tasks: [] })
      // For a browser, another name is another site.
      const elsewhere = other.replace("127.0.0.1", "localhost")
      const url = yield* serve({ tasks: [Order], access: as("ada", "write"), traceUrl: () => elsewhere })
      const { page } = yield* visit()
      const referers: Array<string | undefined> = []
      page.on("request", (sent) => {
        if (sent.url() === elsewhere) referers.push(sent.headers()["referer"])
      })
      yield* play(() => page.goto(`${url}row?id=${id}&secret=1`))
      yield* play(() => page.getByRole("link", { name: "a".repeat(32) }).click())
      yield* play(() => page.waitForURL(elsewhere))
      assert.deepStrictEqual(referers, [undefined])
    })
  )
})
