/** What is done to many tasks at once, and how they are listed. With plain requests: no browser adds to them. */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { insert, play } from "../support/dashboard/Fixture.ts"
import { postAs, request } from "../support/dashboard/Request.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { charging, Order, rawOf, Sweep } from "../support/dashboard/Shop.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { row, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const refused = { error: "'Error: refused\n    at charge'" }

const parkedIds = Effect.map(
  run<{ readonly id: string }>("select id::text as id from pg_task where error is not null"),
  (rows) => rows.map(({ id }) => id)
)

const textOf = (url: string) => Effect.flatMap(request(url), (answer) => play(() => answer.text()))

/** The addresses in a page that begin so. */
const linksOf = (page: string, start: string): ReadonlyArray<string> =>
  [...page.matchAll(/href="([^"]+)"/g)].map(([, href]) => href!.replaceAll("&amp;", "&"))
    .filter((href) => href.startsWith(start))

const idsOf = (page: string) => [...page.matchAll(/class="row id" href="row\?id=([^"]+)"/g)].map(([, id]) => id!)

workerTests("many tasks, in the dashboard", (test) => {
  test(
    "a group of errors is of one state and one line: what else is parked is not retried with it",
    Effect.gen(function*() {
      // Due first: it would be taken, if its state or its line did not matter.
      const early = { wakeup_at: "now() - interval '1 day'" }
      const others = [
        yield* insert(rawOf("Pack", { order: 1 }), { ...refused, ...early }),
        yield* insert(rawOf("Charge", charging(2)), { error: "'Error: refused by the bank'", ...early }),
        yield* insert(rawOf("Clean", {}, "Sweep"), { ...refused, ...early })
      ]
      const group = [yield* insert(rawOf("Charge", charging(3)), refused)]
      group.push(yield* insert(rawOf("Charge", charging(4)), refused))
      const url = yield* serve({ tasks: [Order, Sweep], access: as("ada", "write") })
      const fields = { task: "Order", state: "Charge", status: "parked", line: "Error: refused" }
      const tried = yield* postAs(url, "try", fields)
      assert.include(tried.headers.get("location"), `row?id=${group[0]}`)
      assert.sameMembers(yield* parkedIds, [...others, group[1]!])

      const page = yield* textOf(`${url}errors`)
      const all = linksOf(page, "bulk?").filter((link) =>
        link.includes("state=Charge") && link.endsWith("Error%3A+refused")
      )
      assert.lengthOf(all, 1)
      assert.deepStrictEqual(idsOf(yield* textOf(`${url}${all[0]}`)), [group[1]])
      const query = Object.fromEntries(new URLSearchParams(all[0]!.split("?")[1]))
      assert.include((yield* postAs(url, "bulk", query)).headers.get("location"), "n=1")
      assert.sameMembers(yield* parkedIds, others)
    })
  )

  test(
    "a group of errors whose first line is empty is a group like any other",
    Effect.gen(function*() {
      const other = yield* insert(rawOf("Charge", charging(1)), refused)
      const group = yield* insert(rawOf("Charge", charging(2)), { error: "e'\\nrefused'" })
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const all = linksOf(yield* textOf(`${url}errors`), "bulk?").filter((link) => link.endsWith("line="))
      assert.lengthOf(all, 1)
      assert.deepStrictEqual(idsOf(yield* textOf(`${url}${all[0]}`)), [group])
      yield* postAs(url, "bulk", Object.fromEntries(new URLSearchParams(all[0]!.split("?")[1])))
      assert.deepStrictEqual(yield* parkedIds, [other])
    })
  )

  test(
    "a dry run counts and shows only what would be changed, and changes nothing",
    Effect.gen(function*() {
      const parked = yield* insert(rawOf("Pack", { order: 1 }), refused)
      const later = yield* insert(rawOf("Pack", { order: 2 }), { wakeup_at: "now() + interval '1 hour'" })
      const ready = yield* insert(rawOf("Pack", { order: 3 }))
      yield* insert(rawOf("Ship", { order: 4 }), refused)
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const table = run("select t::text from pg_task t order by id")
      const before = yield* table
      const of = { task: "Order", state: "Pack" }
      const cases = [["retry", [parked]], ["runNow", [later]], ["cancel", [parked, ready, later]]] as const
      for (const [action, ids] of cases) {
        const byFilter = yield* textOf(`${url}bulk?${new URLSearchParams({ action, ...of })}`)
        const byIds = yield* textOf(
          `${url}bulk?${new URLSearchParams([["action", action], ...[parked, later, ready].map((id) => ["id", id])])}`
        )
        for (const page of [byFilter, byIds]) {
          assert.sameMembers([...idsOf(page)], [...ids], action)
          assert.match(page, new RegExp(`<button class="\\w+">[\\w ]+ ${ids.length} tasks?</button>`))
        }
      }
      assert.deepStrictEqual(yield* table, before)
      yield* postAs(url, "bulk", { action: "retry", ...of })
      yield* postAs(url, "bulk", { action: "runNow", ...of })
      assert.lengthOf(yield* parkedIds, 1)
      assert.isBelow((yield* row(later))!.dueIn, 1)
    })
  )

  test(
    "the pages of a list have each task once, in both orders, and keep what was asked for",
    Effect.gen(function*() {
      // All are due at the same time, as those that were enqueued together.
      yield* run(
        `insert into pg_task (step, wakeup_at) select s, '2020-01-01' from generate_series(1, 120), unnest($1::text[]) s`,
        [[rawOf("Pack", { order: 1 }), rawOf("Ship", { order: 1 })]]
      )
      const wanted = yield* run<{ readonly id: string }>(
        "select id::text as id from pg_task where state = 'Pack' order by id"
      )
      const url = yield* serve({ tasks: [Order] })
      for (const order of ["", "&order=newest"]) {
        const seen: Array<string> = []
        let next: string | undefined = `rows?task=Order&state=Pack${order}`
        for (let pages = 0; next !== undefined && pages < 10; pages++) {
          const page: string = yield* textOf(`${url}${next}`)
          seen.push(...idsOf(page))
          next = linksOf(page, "rows?").find((link) => link.includes("after="))
        }
        const ids = wanted.map(({ id }) => id)
        assert.deepStrictEqual(seen, order === "" ? ids : ids.toReversed())
      }
    })
  )
})

workerTests("a database that does not answer", (test) => {
  test(
    "holds up no page for longer than ten seconds",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const id = yield* insert(rawOf("Pack", { order: 1 }))
      const url = yield* serve({ tasks: [Order] })
      const paths = ["", "rows", "errors", `row?id=${id}`]
      const ask = Effect.forEach(paths, (path) => request(`${url}${path}`), { concurrency: "unbounded" })
      const late = yield* sql.withTransaction(Effect.andThen(run("lock table pg_task"), ask))
      for (const answer of late) {
        assert.strictEqual(answer.status, 503)
        assert.match(yield* play(() => answer.text()), /The database didn.{1,5}t answer within 10 seconds/)
      }
      const [, ...others] = yield* ask
      assert.deepStrictEqual(others.map(({ status }) => status), [200, 200, 200])
    })
  )
})

const form = (id: string, more: Readonly<Record<string, string>> = {}) => ({
  id,
  state: "Pack",
  transitions: "0",
  "f/order": "9",
  ...more
})

workerTests("the form of a task that moves on", (test) => {
  test(
    "says so, not what its fields would lack in the state that the task is in by now",
    Effect.gen(function*() {
      const id = yield* insert(rawOf("Charge", charging(1)), refused)
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      yield* run("update pg_task set step = $1, transitions = 1", [rawOf("Pack", { order: 1 })])
      const answer = yield* postAs(url, "edit", form(id, { state: "Charge", "f/order": "x" }))
      assert.strictEqual(answer.status, 422)
      const page = yield* play(() => answer.text())
      assert.include(page, "the task has moved on since this form was made")
      assert.notInclude(page, "Missing key")
      // Sent once more, it is refused once more.
      assert.include(page, "name=\"transitions\" value=\"0\"")
      assert.strictEqual((yield* row(id))!.step, rawOf("Pack", { order: 1 }))
    })
  )

  test(
    "saves nothing if the task moves on while the form is read",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const id = yield* insert(rawOf("Pack", { order: 1 }), refused)
      const url = yield* serve({ tasks: [Order], access: as("ada", "write") })
      const saving = yield* sql.withTransaction(Effect.gen(function*() {
        yield* run("update pg_task set transitions = 1")
        const saving = yield* Effect.forkDetach(postAs(url, "edit", form(id)))
        yield* eventually(
          run("select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"),
          ({ length }) => length > 0
        )
        return saving
      }))
      const answer = yield* Fiber.join(saving)
      assert.strictEqual(answer.status, 422)
      assert.include(yield* play(() => answer.text()), "has moved on")
      assert.strictEqual((yield* row(id))!.step, rawOf("Pack", { order: 1 }))
    })
  )
})
