import { ratio } from "../Results.ts"
import type { Workload } from "../Workload.ts"

const measure = "tasks/s"

export const noops: Workload = {
  number: 3,
  title: "50,000 one-step no-op tasks",
  note:
    "Enqueued beforehand; from the first step's start until the last task is stored as done. Floor: a batched claim " +
    "and a batched delete. PersistedQueue drains 10,000, DBOS, Absurd, OpenWorkflow and the Rust sequence 3,000.",
  sizes: {
    floor: 50_000,
    ours: 50_000,
    graphile: 50_000,
    pgBoss: 50_000,
    persistedQueue: 10_000,
    absurd: 3000,
    dbos: 3000,
    openWorkflow: 3000,
    rust: 3000
  },
  warmUp: true,
  measure: (bench, subject, tasks) =>
    bench.withDatabase(subject, async (database, process) => {
      await process.call("fill", { url: database.url, tasks })
      await database.tidy()
      const ms = await process.call("drain", { url: database.url, tasks, steps: 1 })
      return { [measure]: (tasks * 1000) / ms }
    }),
  targets: [
    {
      text: "ours / graphile-worker",
      value: (results) => ratio(results.median(3, measure, "ours"), results.median(3, measure, "graphile")),
      atLeast: 1.3
    },
    {
      text: "ours / floor",
      value: (results) => ratio(results.median(3, measure, "ours"), results.median(3, measure, "floor")),
      atLeast: 0.6
    }
  ]
}
