/** No statement of a worker reads more when more rows wait, are parked, are due or run. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { workerTests } from "../support/worker/Fixture.ts"
import { pagesRead } from "../support/worker/Pages.ts"
import { type Attempt, statements, token } from "../support/worker/Statements.ts"
import { run } from "../support/worker/Table.ts"

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
    })
  )
})
