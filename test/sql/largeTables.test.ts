/** The guide `docs/large-tables.md`: its statements move every row, below producers and workers that go on. */
import { assert } from "@effect/vitest"
import { Effect, Fiber, Queue, Ref } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import { Migrations, NextStep } from "../../src/index.ts"
import { codeOf } from "../../src/internal/sql/errors.ts"
import { ownDatabaseTest as test } from "../support/database/ownDatabase.ts"
import { makeCrateTable } from "../support/database/tableShape.ts"
import { type Job, jobs, start } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

const guide = fs.readFileSync(new URL("../../docs/large-tables.md", import.meta.url), "utf8")

const block = (name: string): string => {
  const found = new RegExp(`^\`\`\`sql ${name}\n([^]*?)^\`\`\`$`, "m").exec(guide)
  assert.isNotNull(found, `the guide has no block "${name}"`)
  return found[1]!
}

/** What stands between the `begin` and the `commit` of the guide. */
const setAside = block("psql").split(/;\n|\n(?=\\i)|(?<=\.sql)\n/).map((statement) => statement.trim())
  .filter((statement) => statement !== "" && !statement.startsWith("--") && !/^(begin|commit)$/.test(statement))
  .map((statement) => statement === "\\i pg_task.sql" ? Migrations.script : statement)

const job = (name: string) => `{"Jobs":{"Job":{"name":"${name}"}}}`

const old = 12_000
const parked = 100

test("the guide for large tables moves each row once, and keeps what it was", () =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* makeCrateTable
    yield* run(
      `insert into pg_task (step, tried, error)
      select replace($1, '#', n::text), n % 3, case when n <= $2 then 'broken ' || n end from generate_series(1, $3::int) n`,
      [job("#"), parked, old]
    )
    const before = yield* run("select id, step, tried, error from pg_task where error is not null order by id")

    // Somebody goes on storing tasks, by SQL, while everything happens.
    const stored = yield* Ref.make(old)
    const isOver = yield* Ref.make(false)
    const produceOne = Effect.flatMap(
      Ref.updateAndGet(stored, (n) => n + 1),
      (n) => run("insert into pg_task (step) values ($1)", [job(String(n))])
    )
    const producing = yield* Effect.forkScoped(
      Effect.repeat(produceOne, { until: () => Ref.get(isOver) })
    )

    assert.include(setAside, Migrations.script)
    // As the guide says: tried again where others held the table for longer than its time limit for locks.
    yield* Effect.retry(sql.withTransaction(Effect.forEach(setAside, (statement) => run(statement))), {
      while: (error) => codeOf(error) === "55P03"
    })
    const seen = yield* Queue.unbounded<string>()
    yield* start({ tasks: [jobs((state: Job) => Effect.as(Queue.offer(seen, state.name), NextStep.none))] })
    const moveOnce = run(`${block("move").trim().replace(/;$/, "")} returning 1`)
    let moves = 0
    while ((yield* moveOnce).length > 0) moves++
    assert.isAtLeast(moves, 2)
    yield* Ref.set(isOver, true)
    yield* Fiber.join(producing)
    yield* Effect.forEach(block("drop").split(";").filter((text) => text.trim() !== ""), (text) => run(text))
    yield* Migrations.run

    const count = (yield* Ref.get(stored)) - parked
    const names = new Set<string>()
    for (let n = 0; n < count; n++) names.add(yield* within(Queue.take(seen), `task ${n} of ${count}`))
    assert.strictEqual(names.size, count)
    assert.strictEqual(yield* Queue.size(seen), 0)
    assert.deepStrictEqual(
      yield* run("select id, step, tried, error from pg_task where error is not null order by id"),
      before
    )
  }))
