import { ratio } from "../Results.ts"
import type { Results } from "../Results.ts"
import type { Workload } from "../Workload.ts"

const single = "single/s"
const bulk = "bulk/s"
const inFlight = 64

export const enqueue: Workload = {
  number: 4,
  title: "enqueue: one by one with 64 in flight, and 50,000 in bulk",
  note:
    "No worker runs. One by one: a tenth as many as in bulk. Floor: INSERT into the plain eight columns and their " +
    "indexes, without a trigger. With keys: each task has one of its own. PersistedQueue, DBOS and OpenWorkflow have no " +
    "bulk: 64 in flight, and fewer of them.",
  sizes: {
    floor: 50_000,
    ours: 50_000,
    oursKeyed: 50_000,
    graphile: 50_000,
    pgBoss: 50_000,
    persistedQueue: 10_000,
    absurd: 10_000,
    dbos: 5000,
    openWorkflow: 5000
  },
  warmUp: true,
  measure: (bench, subject, tasks) =>
    bench.withDatabase(subject, async (database, process) => {
      const few = Math.ceil(tasks / 10)
      const bulkMs = await process.call("fill", { url: database.url, tasks })
      await database.tidy()
      const singleMs = await process.call("single", { url: database.url, tasks: few, inFlight })
      return { [bulk]: (tasks * 1000) / bulkMs, [single]: (few * 1000) / singleMs }
    }),
  targets: [
    {
      text: "bulk: ours / graphile-worker",
      value: (results) => ratio(results.median(4, bulk, "ours"), results.median(4, bulk, "graphile")),
      atLeast: 1.2
    },
    {
      text: "one by one: ours / bare INSERT",
      value: (results) => ratio(results.median(4, single, "ours"), results.median(4, single, "floor")),
      atLeast: 0.85
    },
    ...[single, bulk].map((measure) => ({
      text: `${measure === single ? "one by one" : "bulk"}: with keys / without`,
      value: (results: Results) => ratio(results.median(4, measure, "oursKeyed"), results.median(4, measure, "ours")),
      atLeast: 0.8
    }))
  ]
}
