import { ratio } from "../Results.ts"
import type { Workload } from "../Workload.ts"

const concurrency = 200
const measure = "steps/s"

export const mix: Workload = {
  number: 6,
  title: "steps that wait 5–50 ms, concurrency 200",
  note:
    "One-step tasks, enqueued beforehand; from the first step's start until the last task is stored as done. Floor: " +
    "the same timers, 200 at a time, without a database. DBOS and OpenWorkflow run a tenth of them.",
  sizes: {
    floorWaits: 20_000,
    ours: 20_000,
    graphile: 20_000,
    pgBoss: 20_000,
    persistedQueue: 8000,
    dbos: 2000,
    openWorkflow: 2000
  },
  measure: (bench, subject, tasks) =>
    bench.withDatabase(subject, async (database, process) => {
      await process.call("fill", { url: database.url, tasks, waits: true })
      await database.tidy()
      const ms = await process.call("drain", { url: database.url, tasks, steps: 1, concurrency })
      return { [measure]: (tasks * 1000) / ms }
    }),
  targets: [
    {
      text: "ours / the waiting alone",
      value: (results) => ratio(results.median(6, measure, "ours"), results.median(6, measure, "floorWaits")),
      atLeast: 0.95
    }
  ]
}
