/**
 * What the dashboard costs the database, and how long its pages take.
 *
 *   npm run bench:dashboard -- [--rows 5000000] [--viewers 50] [--seconds 30]
 *
 * The table is filled with tasks of four states, of which most are due, some are due later, and some are parked. Then
 * `viewers` feeds are open for some seconds: Postgres says how long its sessions were at work meanwhile
 * (`pg_stat_database.active_time`; Postgres 14 or newer).
 */
import { PgClient } from "@effect/sql-pg"
import { Console, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { parseArgs } from "node:util"
import { randomBytes } from "node:crypto"
import { Migrations } from "../../../src/index.ts"
import * as EmbeddedPostgres from "../../../src/testing/EmbeddedPostgres.ts"
import { serve } from "../../support/dashboard/Server.ts"
import { Order, Sweep } from "../../support/dashboard/Shop.ts"

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "5000000" },
    viewers: { type: "string", default: "50" },
    seconds: { type: "string", default: "30" }
  }
})
const rows = Number(values.rows)
const viewers = Number(values.viewers)
const seconds = Number(values.seconds)

/** One in a hundred is parked, one in ten is due later. */
const fill = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe("alter table pg_task disable trigger user")
  yield* sql.unsafe(
    `insert into pg_task (step, wakeup_at, error)
select '{"Order":{"' || (array['Place','Charge','Pack','Ship'])[1 + n % 4] || '":{"order":' || n || '}}}',
  now() + (case when n % 10 = 0 then n else n - $1 end) * interval '1 millisecond',
  case when n % 100 = 1 then 'Error: the bank said no ' || n % 7 || e'\\n  at charge' end
from generate_series(1, $1::int) n`,
    [rows]
  )
  yield* sql.unsafe("alter table pg_task enable trigger user")
  yield* sql.unsafe("vacuum analyze pg_task")
})

/** In seconds. An idle session counts what it has done up to ten seconds late. */
const lateness = 11

/** How long the sessions of this database have been at work, in milliseconds. */
const activeTime = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.sleep(`${lateness} seconds`)
  const [found] = yield* sql.unsafe<{ readonly ms: number }>(
    "select active_time as ms from pg_stat_database where datname = current_database()"
  )
  return found!.ms
})

const pagesOf = (id: string): ReadonlyArray<string> => [
  "",
  "rows",
  "rows?task=Order",
  "rows?task=Order&state=Pack&status=ready",
  "rows?task=Order&status=parked",
  "rows?task=Order&status=scheduled",
  "rows?task=Order&text=nothing-like-it",
  "errors",
  `row?id=${id}`,
  `edit?id=${id}`,
  "workers"
]

/** The middle and the slowest of some tries. */
const timesOf = Effect.fnUntraced(function*(address: string) {
  const times: Array<number> = []
  for (let attempt = 0; attempt < 15; attempt++) {
    const start = performance.now()
    yield* Effect.promise(() => fetch(address).then((answer) => answer.text()))
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  return { middle: times[7]!, slowest: times[14]! }
})

const openFeed = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const abort = new AbortController()
      const { body } = await fetch(`${url}events`, { signal: abort.signal })
      const reader = body!.getReader()
      const read = (): Promise<void> => reader.read().then(({ done }) => done ? undefined : read(), () => undefined)
      void read()
      return abort
    }),
    (abort) => Effect.sync(() => abort.abort())
  )

const measure = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [parked] = yield* sql.unsafe<{ readonly id: string }>("select id from pg_task where error is not null limit 1")
  const access = Effect.succeed({ name: "bench", may: "write" as const })
  const url = yield* serve({ tasks: [Order, Sweep], access })
  const before = yield* activeTime
  yield* Effect.forEach(Array.from({ length: viewers }), () => openFeed(url), { concurrency: 10 })
  yield* Effect.sleep(`${seconds} seconds`)
  const share = ((yield* activeTime) - before) / ((seconds + lateness) * 1000)
  yield* Console.log(`${viewers} viewers, ${rows} rows: ${(share * 100).toFixed(1)} % of one session of the database`)
  for (const page of pagesOf(parked!.id)) {
    const { middle, slowest } = yield* timesOf(`${url}${page}`)
    yield* Console.log(`${middle.toFixed(0).padStart(6)} ms, at most ${slowest.toFixed(0).padStart(6)} ms  ${page}`)
  }
})

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
  yield* Effect.scoped(Effect.andThen(fill, measure)).pipe(Effect.provide(live))
})

await Effect.runPromise(Effect.scoped(program))
process.exit()
