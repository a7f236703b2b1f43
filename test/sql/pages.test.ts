/** No statement of a worker reads more when more rows wait, are parked, are due or run. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import * as Claims from "../../src/internal/sql/claim.ts"
import type { KnownTask } from "../../src/internal/sql/known.ts"
import * as Leases from "../../src/internal/sql/lease.ts"
import { look, lookForLeases, type OutlookOptions } from "../../src/internal/sql/look.ts"
import * as Outcome from "../../src/internal/sql/outcome.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { pagesRead } from "../support/worker/Pages.ts"
import { run } from "../support/worker/Table.ts"

const lease = 30_000
const token = "00000000-0000-0000-0000-000000000001"

interface Rows {
  readonly task: string
  readonly count: number
  /** When each of them is due, from now on. SQL that may name `n`, the number of the row. */
  readonly wakeup: string
  /** Further columns, as SQL. */
  readonly more?: Readonly<Record<string, string>>
}

const fill = ({ count, more = {}, task, wakeup }: Rows) => {
  const [columns, values] = [Object.keys(more), Object.values(more)].map((parts) => parts.map((part) => `, ${part}`))
  return run(`insert into pg_task (step, wakeup_at${columns!.join("")})
    select '{"${task}":{"Job":{"name":"' || n || '"}}}', now() + ${wakeup}${values!.join("")}
    from generate_series(1, ${count}) n`)
}

/** Many rows of each status. Those that run came first, as ever. */
const fillTable = Effect.gen(function*() {
  yield* run("alter table pg_task set (autovacuum_enabled = off)")
  const claimed = { is_running: "true", lease_token: `'${token}'`, lease_until: "now() + interval '1 hour'" }
  const milliseconds = "n * interval '1 millisecond'"
  yield* fill({ task: "Jobs", count: 200, wakeup: "interval '-1 day'", more: claimed })
  yield* fill({ task: "Jobs", count: 20_000, wakeup: `interval '-1 hour' + ${milliseconds}` })
  yield* fill({ task: "Jobs", count: 10_000, wakeup: `interval '1 hour' + ${milliseconds}` })
  yield* fill({ task: "Jobs", count: 10_000, wakeup: "interval '-1 hour'", more: { error: "'parked'" } })
  yield* fill({ task: "Later", count: 200_000, wakeup: "n * interval '1 second' + interval '1 hour'" })
})

const claim = (tasks: ReadonlyArray<KnownTask>, limit: number) => ({ tasks, limit, bytes: 1e9, token, lease })
const every = { from: undefined, to: undefined }

interface Attempt extends Leases.Lease {
  readonly transitions: number
}

type Send = (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError>

/** Each statement, and the most pages that it may read. */
const statements = ({ attempts, due }: {
  readonly attempts: ReadonlyArray<Attempt>
  readonly due: number
}): ReadonlyArray<readonly [name: string, most: number, send: Send]> => {
  const names = ["Jobs", "Later", "Others"]
  const both = names.map((name) => ({ name, states: ["Before", "Job"] }))
  const jobs = both.slice(0, 1)
  const later = both.slice(1, 2)
  const ahead = { from: due, to: undefined }
  const suspicions = attempts.map(({ id }) => ({ id, since: due, ripe: true }))
  const fences = attempts.map(({ id, token, transitions: n }) => ({ id, token, n }))
  const step = `{"Jobs":{"Job":{"name":"next"}}}`
  const store = (changes: Outcome.Changes): Send => (sql) =>
    Outcome.storeOutcomes(sql, changes, { lease, isAsync: false })
  const leases = { tasks: names, limit: 1000, notification: undefined }
  const next = (outlook: OutlookOptions): Send => (sql) =>
    look(sql, { outlook, leases: undefined, notification: undefined })
  const inFront: Send = (sql) => lookForLeases(sql, leases)
  return [
    ["a claim", 500, (sql) => Claims.claim(sql, claim(jobs, 10), every)],
    ["a claim of three tasks", 500, (sql) => Claims.claim(sql, claim(both, 10), every)],
    ["a claim of many", 20_000, (sql) => Claims.claim(sql, claim(jobs, 1000), every)],
    ["a claim at the frontier", 300, (sql) => Claims.claim(sql, claim(jobs, 10), ahead)],
    ["a claim of three tasks at the frontier", 300, (sql) => Claims.claim(sql, claim(both, 10), ahead)],
    ["a claim of a piece", 300, (sql) => Claims.claim(sql, claim(both, 10), { from: due, to: due + 1000 })],
    ["a claim of the last piece", 500, (sql) => Claims.claim(sql, claim(jobs, 10), { from: undefined, to: due })],
    ["a claim of few bytes", 300, (sql) => Claims.claim(sql, { ...claim(jobs, 10), bytes: 50 }, ahead)],
    [
      "a claim behind locked rows",
      8000,
      (sql) => Claims.claimBehind(sql, claim(jobs, 10), Claims.positionAt(undefined))
    ],
    ["the same of three tasks", 8000, (sql) => Claims.claimBehind(sql, claim(both, 10), Claims.positionAt(due))],
    ["a suspect's claim", 50, (sql) => Claims.claimQuarantined(sql, { tasks: both, token, lease, maxCrashes: 3 })],
    [
      "giving back",
      8000,
      (sql) => Claims.releaseBehind(sql, { token, task: "Jobs", position: Claims.positionAt(due) })
    ],
    ["the next due", 500, next({ tasks: both, start: undefined, horizon: 1e4 })],
    ["the next due, much later", 20, next({ tasks: later, start: due, horizon: 1e9 })],
    ["the next due, too late", 20, next({ tasks: later, start: undefined, horizon: 1e4 })],
    ["a renewal", 4000, (sql) => Leases.renewLeases(sql, attempts, lease)],
    ["a look for expired leases in front", 1500, inFront],
    ["a look for expired leases in blocks", 300, (sql) => Leases.lookInBlocks(sql, names, { from: 0, to: 200 })],
    ["a rescue", 4000, (sql) => Leases.judge(sql, suspicions, { maxCrashes: 3, lease })],
    ["one transition", 50, store({ ends: [], changes: [{ kind: "Continued", step, ...fences[0]! }] })],
    ["a hundred ends", 2000, store({ ends: fences, changes: [] })],
    [
      "a hundred moves",
      4000,
      store({ ends: [], changes: fences.map((f) => ({ kind: "Rescheduled", step, delay: 0, ...f })) })
    ]
  ]
}

workerTests("beside very many rows that wait, are parked or due,", (test) => {
  test(
    "each statement reads a few pages only, with statistics of the table or without",
    Effect.gen(function*() {
      yield* fillTable
      const attempts = yield* run<Attempt>(
        "select id::text, lease_token::text as token, transitions from pg_task where is_running limit 100"
      )
      const [found] = yield* run<{ due: number }>(
        "select (extract(epoch from min(wakeup_at)) * 1000)::float8 as due from pg_task where not is_running and error is null"
      )
      const measure = Effect.forEach(
        statements({ attempts, due: found!.due + 1000 }),
        ([name, most, send]) => Effect.map(pagesRead(send), (pages) => ({ name, most, pages }))
      )
      for (const prepare of [Effect.void, run("analyze pg_task")]) {
        yield* prepare
        assert.deepStrictEqual((yield* measure).filter(({ most, pages }) => pages > most), [])
      }
    }),
    300_000
  )
})
