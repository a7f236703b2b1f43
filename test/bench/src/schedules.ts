/**
 * What recurring tasks cost: how a worker starts beside many schedules, whether it keeps up with their ticks, and how late
 * a tick is beside many due tasks.
 *
 *   npm run bench:schedules -- [--schedules 100000] [--seconds 60] [--due 100000]
 */
import { DateTime, Duration, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { parseArgs } from "node:util"
import { Migrations, NextStep, Recurring, Step, Task, Worker } from "../../../src/index.ts"
import { median, percentile } from "./Results.ts"
import { startServer } from "./Server.ts"
import { client, open } from "./subjects/support/effect.ts"

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "100000" },
    seconds: { type: "string", default: "60" },
    due: { type: "string", default: "100000" }
  }
})
const [schedules, seconds, due] = [Number(values.schedules), Number(values.seconds), Number(values.due)]

const say = (line: string) => Effect.sync(() => console.log(line))

/** Milliseconds since 1970: server and worker share the clock of this machine. */
const now = () => performance.timeOrigin + performance.now()

const round = (n: number) => Math.round(n).toLocaleString("en")

/** The work of a tick: it notes how late it is. */
class Build extends Schema.TaggedClass<Build>()("Build", { tick: Schema.Number }) {}
let late: Array<number> = []
const Report = Task.make("Report", [
  Step.make(Build, {
    handler: ({ tick }) => Effect.as(Effect.sync(() => late.push(now() - tick)), NextStep.none)
  })
])
const state = ({ date }: Recurring.Tick) => new Build({ tick: DateTime.toEpochMillis(date) })
const Tenants = Recurring.make("tenants", { task: Report, state, overlap: "allow" })

/**
 * As many schedules as wanted, each of which ticks once a minute: copies of one that the API has stored, spread over the
 * seconds of a minute. Their first ticks are still to come.
 */
const fill = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* Tenants.schedule("tenant-0", { cron: "0 * * * * *" })
  yield* sql.unsafe(
    `with seconds as (
  select n, date_trunc('minute', now()) + n % 60 * interval '1 second' as second from generate_series(1, $1::int - 1) n
), moments as (
  select n, second + case when second < now() + interval '10 seconds' then 1 else 0 end * interval '1 minute' as next
  from seconds
) insert into pg_task (step, key, wakeup_at)
select jsonb_set(jsonb_set(step::jsonb, '{tenants,$schedule,cron}', to_jsonb(n % 60 || ' * * * * *')),
  '{tenants,$schedule,next}', to_jsonb(to_char(next at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))::text,
  'tenant-' || n, next
from moments, pg_task where key = 'tenant-0'`,
    [schedules]
  )
  yield* sql`vacuum analyze pg_task`
  yield* sql`checkpoint`
})

/** Ticks that were missed, over all schedules: each of them was later than the next one. */
const missedTicks = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql.unsafe<{ missed: number }>(
    `select coalesce(sum((step::jsonb #>> '{tenants,$schedule,missed}')::int), 0)::int as missed
    from pg_task where state = '$schedule'`
  )
  return found!.missed
})

/** Deletes the schedules, and all that they have started. */
const clear = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`truncate pg_task`
  yield* sql`select pg_task_make_room()`
  yield* sql`checkpoint`
})

const manySchedules = Effect.gen(function*() {
  yield* fill
  const [started] = yield* Effect.timed(Worker.make({ tasks: [Report, Tenants], concurrency: 100 }))
  yield* say(`a worker started beside ${round(schedules)} schedules in ${round(Duration.toMillis(started))} ms`)
  // All of them tick in the minute that begins in ten seconds.
  yield* Effect.sleep(10_000)
  late = []
  yield* Effect.sleep(seconds * 1000)
  const seen = late
  yield* say(
    `${round(seen.length)} ticks in ${seconds} s (${round(seen.length / seconds)}/s; due were ${
      round(schedules / 60)
    }/s): their tasks ran ${round(percentile(seen, 0.5))} ms after the tick in the median, ${
      round(percentile(seen, 0.99))
    } ms in p99, ${round(percentile(seen, 1))} ms at most; ${yield* missedTicks} were missed`
  )
}).pipe(Effect.scoped, Effect.andThen(clear))

/** All due at the same moment: how long until each has ticked. */
const oneMoment = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* fill
  yield* sql`update pg_task set wakeup_at = now() + interval '1 day'`
  yield* sql`vacuum analyze pg_task`
  yield* Worker.make({ tasks: [Report, Tenants], concurrency: 100 })
  late = []
  const start = now()
  yield* sql`update pg_task set wakeup_at = now() where state = '$schedule'`
  const stored = now()
  while (late.length < schedules) yield* Effect.sleep(20)
  yield* say(
    `${round(schedules)} schedules that are due at the same moment: the update by hand took ${
      round(stored - start)
    } ms, and all had ticked, and their tasks had run, ${round(now() - stored)} ms later`
  )
}).pipe(Effect.scoped, Effect.andThen(clear))

/** A backlog that keeps the worker busy for longer than this measurement takes. */
class Wait extends Schema.TaggedClass<Wait>()("Wait", {}) {}
const Backlog = Task.make("Backlog", [
  Step.make(Wait, { handler: () => Effect.as(Effect.sleep(20), NextStep.none) })
])
/** No worker runs what these ticks start: their rows stay, and say when they came. */
const Started = Task.declare("Started", { states: [Build] })
const Secondly = Recurring.make("secondly", {
  cron: "* * * * * *",
  task: Started,
  state,
  overlap: "allow",
  missed: "all"
})

/** How long after their ticks the first tasks were seen, in milliseconds: looked for every 5 ms. */
const watchTicks = (count: number) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const seen = new Map<number, number>()
    while (seen.size < count) {
      const rows = yield* sql.unsafe<{ tick: number }>(
        `select (step::jsonb #>> '{Started,Build,tick}')::float8 as tick from pg_task where task = 'Started'`
      )
      const at = now()
      for (const { tick } of rows) if (!seen.has(tick)) seen.set(tick, at - tick)
      yield* Effect.sleep(5)
    }
    return [...seen.values()].sort((a, b) => a - b)
  })

const besideBacklog = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe(`insert into pg_task (step) select '{"Backlog":{"Wait":{}}}' from generate_series(1, $1::int)`, [
    due
  ])
  yield* sql`vacuum analyze pg_task`
  yield* Worker.make({ tasks: [Backlog, Secondly] })
  const ticks = yield* watchTicks(20)
  const [left] = yield* sql<{ count: number }>`select count(*)::int as count from pg_task where task = 'Backlog'`
  yield* say(
    `beside ${round(due)} due tasks (${
      round(left!.count)
    } were left in the end), of ${ticks.length} ticks one each second: what they start is stored ${
      round(median(ticks))
    } ms after the tick in the median, ${round(ticks.at(-1)!)} ms at most`
  )
}).pipe(Effect.scoped, Effect.andThen(clear))

const server = await startServer()
const { url } = await server.fresh()
const { close, run } = await open(Layer.provideMerge(Migrations.layer, client(url)))
await run(manySchedules)
await run(oneMoment)
await run(besideBacklog)
await close()
await server.close()
process.exit()
