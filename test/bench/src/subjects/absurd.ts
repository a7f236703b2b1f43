import { Absurd } from "absurd-sdk"
import { readFileSync } from "node:fs"
import pg from "pg"
import { withClient } from "../Commands.ts"
import { forEachInFlight, now } from "../Subject.ts"
import type { Job, Subject } from "../Subject.ts"

const queueName = "bench"
/** Absurd's schema is not in its npm package: `sql/absurd.sql` of its repository, release 0.5.0. */
const schemaFile = process.env["ABSURD_SQL"]

const connect = (url: string) => {
  // Its database is dropped while the pool may still have a connection to close: no reason to end the process.
  const pool = new pg.Pool({ connectionString: url, max: 20 }).on("error", console.error)
  return { pool, app: new Absurd({ db: pool, queueName }) }
}

export const subject: Subject = {
  ...(schemaFile === undefined ? { missing: "its SQL, not part of its npm package: name the file in ABSURD_SQL" } : {}),
  title: "Absurd 0.5.0",
  settings: "concurrency 100, batchSize 100, pollInterval 10 ms, pool of 20; no bulk spawn: 64 in flight",
  table: `absurd.r_${queueName}`,
  unfinished: "state in ('pending', 'running', 'sleeping')",
  prepare: async (url) => {
    await withClient(url, (client) => client.query(readFileSync(schemaFile!, "utf8")))
    const { app, pool } = connect(url)
    await app.createQueue(queueName)
    await pool.end()
  },
  connect: async (url) => {
    const { app, pool } = connect(url)
    const one = (job: Job) => app.spawn("bench", job, { queue: queueName })
    return { one, all: (jobs) => forEachInFlight(jobs, 64, one), close: () => pool.end() }
  },
  work: async (url, { body, concurrency = 100 }) => {
    const { app, pool } = connect(url)
    app.registerTask<Job>({ name: "bench" }, async (job, ctx) => {
      for (let index = 0; index < job.steps; index++) await ctx.step("step", async () => body(job, index))
    })
    const worker = await app.startWorker({ concurrency, batchSize: concurrency, pollInterval: 0.01 })
    return {
      stop: async () => {
        await worker.close()
        await pool.end()
      }
    }
  },
  pingPong: async (url, rounds) => {
    const { app, pool } = connect(url)
    const register = (name: string, hits: string, waits: string, first: boolean) =>
      app.registerTask<{ rounds: number }>({ name }, async ({ rounds }, ctx) => {
        for (let n = 0; n < rounds; n++) {
          if (first) await ctx.emitEvent(`${hits} ${n}`, n)
          await ctx.awaitEvent(`${waits} ${n}`, { timeout: 60 })
          if (!first) await ctx.emitEvent(`${hits} ${n}`, n)
        }
      })
    register("ping", "to pong", "to ping", true)
    register("pong", "to ping", "to pong", false)
    const worker = await app.startWorker({ concurrency: 100, batchSize: 100, pollInterval: 0.01 })
    const second = await app.spawn("pong", { rounds }, { queue: queueName })
    const start = now()
    const first = await app.spawn("ping", { rounds }, { queue: queueName })
    for (const { taskID } of [first, second]) await app.awaitTaskResult(taskID, { queue: queueName })
    const took = now() - start
    await worker.close()
    await pool.end()
    return took
  },
  execute: async (url, tasks) => {
    const worker = await subject.work(url, { body: () => undefined, concurrency: undefined, grouped: false })
    const { app, pool } = connect(url)
    const all: Array<number> = []
    for (let seq = 0; seq < tasks; seq++) {
      const start = now()
      const { taskID } = await app.spawn("bench", { seq, steps: 1, waits: false, sentAt: 0 }, { queue: queueName })
      await app.awaitTaskResult(taskID, { queue: queueName })
      all.push(now() - start)
    }
    await pool.end()
    await worker.stop()
    return all
  }
}
