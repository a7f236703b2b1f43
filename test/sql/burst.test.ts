/**
 * A worker that was idle on an empty table keeps the plans that it made there, until autovacuum has looked at the table.
 * Then comes a burst.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { TaskId } from "../../src/TaskId.ts"
import { database } from "../support/worker/Fixture.ts"
import { keepPlans } from "../support/worker/Pages.ts"
import { type Attempt, statements, token } from "../support/worker/Statements.ts"
import { run } from "../support/worker/Table.ts"

const running = 100

const fill = Effect.gen(function*() {
  yield* run(
    `insert into pg_task (step, is_running, lease_token, lease_until, wakeup_at)
    select '{"Jobs":{"Job":{"name":"' || n || '"}}}', true, $1::uuid, now() + interval '1 hour', now() - interval '1 day'
    from generate_series(1, ${running}) n`,
    [token]
  )
  yield* run(`insert into pg_task (step, wakeup_at)
    select '{"Jobs":{"Job":{"name":"' || n || '"}}}', now() - interval '1 hour' + n * interval '1 millisecond'
    from generate_series(1, 50000) n`)
})

layer(database, { excludeTestServices: true })("when a burst comes into an empty table", (it) => {
  it.effect(
    "no statement reads the whole table by a plan of before",
    () =>
      Effect.gen(function*() {
        yield* run("alter table pg_task set (autovacuum_enabled = off)")
        yield* run("vacuum analyze pg_task")
        const nobody = Array.from(
          { length: running },
          (_, n): Attempt => ({
            id: `00000000-0000-0000-0000-${String(n).padStart(12, "0")}` as TaskId,
            token,
            transitions: 0
          })
        )
        const before = statements({ attempts: nobody, due: Date.now() })
        const measure = yield* keepPlans(before.map(([, , send]) => send))
        yield* fill
        const attempts = yield* run<Attempt>(
          "select id::text, lease_token::text as token, transitions from pg_task where is_running"
        )
        const [found] = yield* run<{ due: number }>(
          "select (extract(epoch from min(wakeup_at)) * 1000)::float8 as due from pg_task where not is_running"
        )
        const now = statements({ attempts, due: found!.due + 1000 })
        const pages = yield* measure(now.map(([, , send]) => send))
        const read = now.map(([name, most], n) => ({ name, most, pages: pages[n]! }))
        assert.deepStrictEqual(read.filter(({ most, pages }) => pages > most), [])
      })
  )

  it.effect("pg_task_make_room adds pages after the table was written anew, also where others are free", () =>
    Effect.gen(function*() {
      const size = Effect.map(
        run<{ kilobytes: number }>(
          "select (pg_relation_size('pg_task') / 1024)::int as kilobytes from pg_task limit 1"
        ),
        ([found]) => found!.kilobytes
      )
      yield* run("truncate pg_task")
      yield* run("insert into pg_task (step) select repeat('x', 1500) from generate_series(1, 100)")
      yield* run("delete from pg_task where ctid <> (select max(ctid) from pg_task)")
      yield* run("vacuum pg_task")
      assert.isBelow(yield* size, 1024)
      yield* run("select pg_task_make_room()")
      assert.strictEqual(yield* size, 1024)
      assert.lengthOf(yield* run("select from pg_task"), 1)
    }))

  it.effect("a constraint of somebody's own, which refuses such rows, does not stop the migration", () =>
    Effect.gen(function*() {
      yield* run("truncate pg_task")
      yield* run("alter table pg_task add constraint is_json check (step like '{%')")
      yield* run("select pg_task_make_room()")
      assert.deepStrictEqual(yield* run("select from pg_task"), [])
      yield* run("alter table pg_task drop constraint is_json")
    }))
})
