/**
 * How soon a task of high priority begins beside a backlog of low ones, and what is left to these while high ones are
 * due all the time.
 *
 *   npm run bench:priority -- [--rows 1000000] [--high 200] [--concurrency 10] [--step 0]
 *
 * The first is timed from before the enqueue until the step begins, while the worker works off the backlog; `--step` is
 * how long a low step takes, in milliseconds. Everything is in one process, so its event loop is part of it.
 */
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { parseArgs } from "node:util"
import { Migrations, NextStep, Step, Task, Worker } from "../../../src/index.ts"
import { percentile } from "./Results.ts"
import { startServer } from "./Server.ts"
import { client, open } from "./subjects/support/effect.ts"

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "1000000" },
    high: { type: "string", default: "200" },
    concurrency: { type: "string", default: "10" },
    step: { type: "string", default: "0" }
  }
})
const rows = Number(values.rows)
const step = Number(values.step)

class Work extends Schema.TaggedClass<Work>()("Work", { n: Schema.Number }) {}

const begun = { low: 0, endless: 0, high: new Map<number, number>() }

const Low = Task.make("Low", [
  Step.make(Work, {
    handler: () =>
      Effect.suspend(() => {
        begun.low++
        return step === 0 ? Effect.succeed(NextStep.none) : Effect.as(Effect.sleep(step), NextStep.none)
      })
  })
], { priority: "low" })

const High = Task.make("High", [
  Step.make(Work, {
    handler: ({ n }) =>
      Effect.sync(() => {
        begun.high.set(n, performance.now())
        return NextStep.none
      })
  })
], { priority: "high" })

const Endless = Task.make("Endless", [
  Step.make(Work, {
    next: [Work],
    handler: (work) =>
      Effect.sync(() => {
        begun.endless++
        return NextStep.delay(work, 0)
      })
  })
], { priority: "high" })

/** Triggers would set the names, and take most of the time. */
const fill = (task: string, count: number) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql.unsafe("alter table pg_task disable trigger user")
    yield* sql.unsafe(
      `insert into pg_task (task, state, step, wakeup_at)
select $2::text, 'Work', '{"' || $2::text || '":{"Work":{"n":' || n || '}}}', now() - interval '1 hour'
from generate_series(1, $1::int) n`,
      [count, task]
    )
    yield* sql.unsafe("alter table pg_task enable trigger user")
    yield* sql.unsafe("vacuum analyze pg_task")
  })

const say = (line: string) => Effect.sync(() => console.log(line))

const latency = Effect.gen(function*() {
  const waits: Array<number> = []
  const [before, startedAt] = [begun.low, performance.now()]
  for (let n = 0; n < Number(values.high); n++) {
    const at = performance.now()
    yield* High.enqueue(new Work({ n }))
    while (!begun.high.has(n)) yield* Effect.sleep(1)
    waits.push(begun.high.get(n)! - at)
    yield* Effect.sleep(20 * Math.random())
  }
  const rate = (begun.low - before) / (performance.now() - startedAt) * 1000
  const [p50, p99, most] = [0.5, 0.99, 1].map((p) => percentile(waits, p).toFixed(1))
  yield* say(
    `${waits.length} high tasks beside ${rows} low ones, ${rate.toFixed(0)} of which begin a second: `
      + `p50 ${p50} ms, p99 ${p99} ms, most ${most} ms`
  )
})

const share = Effect.gen(function*() {
  yield* fill("Endless", 1000)
  // Their trigger has not notified the worker.
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe("select pg_notify('pg_task_changed', '')"))
  yield* Effect.sleep(2000)
  const before = { ...begun }
  yield* Effect.sleep(5000)
  const [low, endless] = [begun.low - before.low, begun.endless - before.endless]
  yield* say(
    `beside endless high tasks: ${low} low ones of ${low + endless} in 5 s, ${(low / (low + endless)).toFixed(3)}`
  )
})

const server = await startServer()
const { url } = await server.fresh()
const table = await open(Layer.provideMerge(Migrations.layer, client(url)))
await table.run(fill("Low", rows))
await table.close()
const worker = Worker.layer({ tasks: [Low, High, Endless], concurrency: Number(values.concurrency) })
const { close, run } = await open(Layer.provideMerge(worker, client(url)))
await run(Effect.sleep(1000))
await run(latency)
await run(share)
await close()
await server.close()
process.exit()
