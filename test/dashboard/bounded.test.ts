/** However many rows there are, no page reads more than a bounded number of them. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { play } from "../support/dashboard/Fixture.ts"
import { request } from "../support/dashboard/Request.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { Order, Sweep } from "../support/dashboard/Shop.ts"
import { readsOf, recording, type Sent } from "../support/dashboard/Statements.ts"
import { database } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"

/** In each part of the table: more than a page looks at. */
const many = 50_000

/** Of one task: due, due later, parked, ended, and at the door of a limit, most of them of one key. */
const fill = Effect.gen(function*() {
  yield* run("alter table pg_task disable trigger user")
  yield* run(
    `insert into pg_task (task, state, step, wakeup_at, error, ended_at, kept_until, limit_key, slots)
select 'Order', 'Pack', '{"Order":{"Pack":{"order":1}}}', now() + (n - $1) * interval '1 millisecond' +
    case part when 2 then interval '1 hour' else interval '0' end,
  case part when 3 then 'Error: the bank said no ' || n % 7 end, case part when 4 then now() end,
  case part when 4 then now() + interval '1 hour' end,
  case when part = 5 then 'tenant:' || case when n % 100 = 0 then n::text else 'noisy' end end, 1
from generate_series(1, $1::int) n, generate_series(1, 5) part`,
    [many]
  )
  yield* run(
    `insert into pg_task (task, state, step, limit_key, slot, slots)
select 'Order', 'Pack', '{"Order":{"Pack":{"order":1}}}', 'tenant:' || n, 1, 1 from generate_series(1, $1::int) n`,
    [many]
  )
  yield* run("alter table pg_task enable trigger user")
  yield* run("analyze pg_task")
  const [parked] = yield* run<{ readonly id: string }>("select id::text from pg_task where error is not null limit 1")
  return parked!.id
})

/**
 * The counts that all pages show. A fiber of its own takes them, at any time, and counts further where that is cheap: of
 * each task up to the limit that it was sent with, in each of the parts.
 */
const isSample = ({ text }: Sent) => text.includes("min(since) as since")
const parts = 5

/** The pages, and how many rows one statement of them may read at most. */
const pagesFor = (id: string): ReadonlyArray<readonly [path: string, most: number]> => [
  ["", 1000],
  ["rows", 1000],
  ["rows?task=Order", 10_000],
  ["rows?status=limited", 2000],
  ["rows?task=Order&status=parked", 1000],
  ["rows?task=Order&status=scheduled", 10_000],
  ["rows?task=Order&status=limited", 10_000],
  ["rows?task=Order&state=Pack&status=ready", 10_000],
  ["rows?task=Order&text=nothing-like-it", 10_000],
  ["rows?text=nothing-like-it", 10_000],
  ["rows?key=nobody", 100],
  [`rows?parent=${id}`, 100],
  ["find?q=nothing-like-it", 100],
  [`find?q=${id.slice(0, 8)}`, 100],
  // Of parked rows, 20,000 of each task.
  ["errors", 25_000],
  ["bulk?action=retry&task=Order&status=parked", 25_000],
  ["bulk?action=runNow&task=Order&text=nothing-like-it", 25_000],
  ["schedules", 100],
  // 10,000 of each task that wait, and 10,000 that hold slots.
  ["limits", 25_000],
  ["limits?limit=tenant", 5000],
  ["limit?limit=tenant&key=noisy", 15_000],
  [`row?id=${id}`, 100],
  [`edit?id=${id}`, 100],
  ["workers", 100]
]

layer(database, { excludeTestServices: true })("the pages of a large table", (it) => {
  it.effect("read a bounded number of rows", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const id = yield* fill
      const { client, take } = recording(sql)
      const url = yield* serve({ tasks: [Order, Sweep], access: as("ada", "write") }).pipe(
        Effect.provideService(SqlClient.SqlClient, client)
      )
      for (const [path, most] of pagesFor(id)) {
        take()
        const answer = yield* request(`${url}${path}`)
        assert.isBelow(answer.status, 400, `${path}: ${yield* play(() => answer.text())}`)
        for (const one of yield* readsOf(sql, take())) {
          const allowed = isSample(one) ? (parts + 1) * Number(one.params[0]) : most
          assert.isAtMost(one.rows, allowed, `${path}: ${one.text}`)
        }
      }
    }))
})
