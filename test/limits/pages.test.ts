/** No statement about limits reads more for a key when more rows of other keys wait, whatever the planner believes. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { deleteUnusedKeys } from "../../src/internal/sql/limitNotes.ts"
import {
  findAllOpenKeys,
  findOpenKeys,
  grantSlots,
  nextMoments,
  takeMoments,
  takeSlotsBack
} from "../../src/internal/sql/limits.ts"
import type { TaskId } from "../../src/TaskId.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { pagesRead } from "../support/worker/Pages.ts"
import { run } from "../support/worker/Table.ts"

const keys = 1000
const ofEach = 50

/** Statistics of a time in which no row had a limit: a burst of limited rows comes before the next ones. */
const fill = Effect.gen(function*() {
  yield* run("alter table pg_task set (autovacuum_enabled = off)")
  yield* run("alter table pg_task_limit set (autovacuum_enabled = off)")
  yield* run(`insert into pg_task (step) select '{"Mails":{"Mail":{"n":' || n || '}}}' from generate_series(1, 5000) n`)
  yield* run("vacuum analyze pg_task")
  yield* run("vacuum analyze pg_task_limit")
  yield* run(`insert into pg_task (step, limit_key, slots, wakeup_at)
    select '{"Syncs":{"Sync":{"n":' || n || '}}}', 'tenant:' || k, 2, now() - interval '1 hour' + n * interval '1 second'
    from generate_series(1, ${ofEach}) n, generate_series(1, ${keys}) k`)
  yield* run(`insert into pg_task_limit (key, slots, noted_at)
    select 'tenant:' || k, 2, now() - interval '2 hours' from generate_series(1, ${keys}) k`)
})

type Send = (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError>

/** Each statement, how many keys it is about, and the most pages that it may read of each of them. */
const statements = (claimed: { readonly id: TaskId; readonly token: string }): ReadonlyArray<
  readonly [name: string, keys: number, pages: number, send: Send]
> => {
  const some = Array.from({ length: 50 }, (_, index) => `tenant:${index + 1}`)
  const entering = { ...claimed, key: "tenant:1", slots: 2, rate: { limit: 100, per: 1000 } }
  return [
    ["a look for free slots", keys, 60, (sql) => findOpenKeys(sql, { after: "", most: 1000 })],
    ["a look at all of them", keys, 60, findAllOpenKeys],
    ["handing on", some.length, 150, (sql) => grantSlots(sql, some)],
    ["a start", 1, 1500, (sql) => takeMoments(sql, [entering])],
    ["the next moments", some.length, 50, (sql) => nextMoments(sql, some)],
    ["taking back", 1, 500, (sql) => takeSlotsBack(sql, [{ name: "Syncs", states: ["Sync"] }])],
    ["unused keys", keys, 60, (sql) => deleteUnusedKeys(sql, "")]
  ]
}

workerTests("with many rows at the door,", (test) => {
  test(
    "each statement reads a few pages for each key, with statistics of before, or of now",
    Effect.gen(function*() {
      yield* fill
      const [claimed] = yield* run<{ id: TaskId; token: string }>(`update pg_task set is_running = true, slot = 1,
        lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour'
        where id = (select id from pg_task where limit_key = 'tenant:1' limit 1) returning id, lease_token::text as token`)
      const measure = Effect.forEach(
        statements(claimed!),
        ([name, keys, most, send]) =>
          Effect.map(pagesRead(send), (pages) => ({ name, most, pages: Math.ceil(pages / keys) }))
      )
      for (const prepare of [Effect.void, run("analyze pg_task"), run("analyze pg_task_limit")]) {
        yield* prepare
        assert.deepStrictEqual((yield* measure).filter(({ most, pages }) => pages > most), [])
      }
    })
  )
})
