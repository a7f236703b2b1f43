/**
 * What the dashboard costs the database, and how long its pages take.
 *
 *   npm run bench:dashboard -- [--rows 5000000] [--viewers 50] [--seconds 30] [--write]
 *
 * The table is filled with tasks of four states, of which most are due, some are due later, some wait for a slot of
 * their limit, and some are parked. With 5,000,000 rows that takes some minutes, and 4 GB of the disk. Then
 * `viewers` feeds are open for some seconds: how much CPU time the processes of the server took meanwhile. That needs a
 * server on this machine, and Linux.
 */
import { PgClient } from "@effect/sql-pg"
import { Console, Duration, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Migrations } from "../../../src/index.ts"
import * as EmbeddedPostgres from "../../../src/testing/EmbeddedPostgres.ts"
import { serve } from "../../support/dashboard/Server.ts"
import { Order, Sweep } from "../../support/dashboard/Shop.ts"
import { serverCpu } from "./ServerCpu.ts"

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "5000000" },
    viewers: { type: "string", default: "50" },
    seconds: { type: "string", default: "30" },
    /** Also writes the result to docs/dashboard.md. */
    write: { type: "boolean", default: false }
  }
})
const rows = Number(values.rows)
const viewers = Number(values.viewers)
const seconds = Number(values.seconds)

/** How many keys the limit of the limited tasks has. */
const keys = 10_000

/**
 * One in a hundred is parked, one in ten is due later. One in ten waits for a slot of its key: half of these have the
 * same key, the others one of very many, of which each has one task at work.
 */
const insertRows = `insert into pg_task (task, state, step, wakeup_at, error, limit_key, slots, slot)
select 'Order', state, '{"Order":{"' || state || '":{"order":' || n || '}}}',
  now() + (case when n % 10 = 0 then n else n - $1 end) * interval '1 millisecond',
  case when n % 100 = 1 then 'Error: the bank said no ' || n % 7 || e'\\n  at charge' end,
  case n % 20 when 5 then 'tenant:noisy' when 15 then 'tenant:' || n / 20 % $2 end,
  case when n % 10 = 5 then 1 end, case when n % 20 = 15 and n / 20 < $2 then 1 end
from generate_series(1, $1::int) n, lateral (select (array['Place','Charge','Pack','Ship'])[1 + n % 4] as state) s`

/**
 * Fills the table. Triggers would set the names, and take most of the time; indexes that are made afterwards take a part
 * of it. Without the log the disk has half to write: what is measured only reads.
 */
const fill = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const run = (text: string) => sql.unsafe(text)
  const indexes = yield* sql.unsafe<{ readonly name: string; readonly text: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as text from pg_index
where indrelid = 'pg_task'::regclass and not indisprimary`
  )
  yield* run("alter table pg_task disable trigger user")
  yield* run("alter table pg_task set unlogged")
  for (const { name } of indexes) yield* run(`drop index ${name}`)
  yield* sql.unsafe(insertRows, [rows, keys])
  for (const { text } of indexes) {
    yield* sql.withTransaction(Effect.andThen(run("set local maintenance_work_mem = '512MB'"), run(text)))
  }
  yield* run("alter table pg_task enable trigger user")
  yield* run("vacuum analyze pg_task")
})

/** In milliseconds. */
const cpuTime = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const query = (text: string) => Effect.runPromise(Effect.map(sql.unsafe(text), (rows) => ({ rows })))
  return yield* Effect.promise(() => serverCpu({ query }))
})

/** What share of one core the whole server takes while time passes. */
const coreShare = Effect.gen(function*() {
  const before = yield* cpuTime
  yield* Effect.sleep(`${seconds} seconds`)
  return ((yield* cpuTime) - before) / (seconds * 1000)
})

const pagesOf = (id: string): ReadonlyArray<string> => [
  "",
  "rows",
  "rows?task=Order",
  "rows?task=Order&state=Pack&status=ready",
  "rows?task=Order&status=parked",
  "rows?task=Order&status=scheduled",
  "rows?task=Order&text=nothing-like-it",
  "rows?task=Order&state=Charge",
  "rows?key=nobody",
  "find?q=nothing-like-it",
  "errors",
  "bulk?action=retry&task=Order&status=parked",
  "bulk?action=cancel&task=Order",
  "schedules",
  "limits",
  "limits?limit=tenant",
  "limit?limit=tenant&key=noisy",
  `row?id=${id}`,
  `edit?id=${id}`,
  "workers"
]

/** The middle and the slowest of some tries. */
const timesOf = Effect.fnUntraced(function*(address: string) {
  const times: Array<number> = []
  for (let attempt = 0; attempt < 15; attempt++) {
    const start = performance.now()
    yield* Effect.promise(() =>
      fetch(address).then(async (answer) => {
        const text = await answer.text()
        // A refusal is quick, too.
        if (!answer.ok) throw new Error(`${address}: ${answer.status} ${text}`)
      })
    )
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  return { middle: times[7]!, slowest: times[14]! }
})

const openFeed = (address: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const abort = new AbortController()
      const { body } = await fetch(address, { signal: abort.signal })
      const reader = body!.getReader()
      const read = (): Promise<void> => reader.read().then(({ done }) => done ? undefined : read(), () => undefined)
      void read()
      return abort
    }),
    (abort) => Effect.sync(() => abort.abort())
  )

/** While `viewers` look at one page. */
const watched = (address: string) =>
  Effect.scoped(Effect.andThen(
    Effect.forEach(Array.from({ length: viewers }), () => openFeed(address), { concurrency: 10 }),
    coreShare
  ))

const percent = (share: number) => `${(share * 100).toFixed(1)} %`

const measure = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [parked] = yield* sql.unsafe<{ readonly id: string }>("select id from pg_task where error is not null limit 1")
  const access = Effect.succeed({ name: "bench", may: "write" as const })
  const url = yield* serve({ tasks: [Order, Sweep], access })
  const lines = [
    `${rows.toLocaleString("en-US")} rows, ${viewers} viewers, ${seconds} s each. Server: ${yield* settingsOf(sql)}.`,
    "",
    "| what                         | share of one core of the database |",
    "| ---------------------------- | --------------------------------- |",
    `| nobody looks                 | ${percent(yield* coreShare)} |`,
    `| all look at the machines     | ${percent(yield* watched(`${url}events`))} |`,
    `| all look at one task         | ${percent(yield* watched(`${url}events?id=${parked!.id}`))} |`,
    "",
    "| page | middle of 15 | slowest |",
    "| ---- | ------------ | ------- |"
  ]
  for (const page of pagesOf(parked!.id)) {
    const { middle, slowest } = yield* timesOf(`${url}${page}`)
    lines.push(`| \`${page.replace(parked!.id, "…") || "./"}\` | ${middle.toFixed(0)} ms | ${slowest.toFixed(0)} ms |`)
  }
  yield* Console.log(lines.join("\n"))
  if (values.write) yield* Effect.sync(() => write(lines.join("\n")))
})

const settingsOf = (sql: SqlClient.SqlClient) =>
  Effect.map(
    sql.unsafe<{ readonly text: string }>(
      "select 'Postgres ' || current_setting('server_version') || ', shared_buffers ' || current_setting('shared_buffers') as text"
    ),
    ([found]) => found!.text
  )

/** Puts the result into the guide. */
const write = (text: string): void => {
  const file = fileURLToPath(new URL("../../../docs/dashboard.md", import.meta.url))
  const guide = readFileSync(file, "utf8")
  const [begin, end] = ["<!-- npm run bench:dashboard -- --write -->", "<!-- end -->"]
  const at = guide.indexOf(begin) + begin.length
  writeFileSync(file, `${guide.slice(0, at)}\n\n${text}\n\n${guide.slice(guide.indexOf(end, at))}`)
  execFileSync("npx", ["dprint", "fmt", file], { cwd: fileURLToPath(new URL("../../..", import.meta.url)) })
}

const database = Effect.gen(function*() {
  const given = process.env["DATABASE_URL"]
  const server = given === undefined || given === "" ? (yield* EmbeddedPostgres.start()).url : given
  const name = `bench_${randomBytes(6).toString("hex")}`
  const administer = (statement: string) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement)).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(server), maxConnections: 1 }))
    )
  yield* Effect.acquireRelease(
    administer(`create database ${name}`),
    () => Effect.orDie(administer(`drop database ${name} with (force)`))
  )
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
})

const program = Effect.gen(function*() {
  const url = yield* database
  const live = Layer.provideMerge(Migrations.layer, PgClient.layer({ url: Redacted.make(url) }))
  const filled = Effect.flatMap(Effect.timed(fill), ([took]) => Console.log(`Filled in ${Duration.format(took)}`))
  yield* Effect.scoped(Effect.andThen(filled, measure)).pipe(Effect.provide(live))
})

await Effect.runPromise(Effect.scoped(program))
process.exit()
