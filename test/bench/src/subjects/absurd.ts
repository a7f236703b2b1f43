import { Absurd } from "absurd-sdk"
import { readFileSync } from "node:fs"
import pg from "pg"
import { withClient } from "../Commands.ts"
import { forEachInFlight } from "../Subject.ts"
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
  }
}
