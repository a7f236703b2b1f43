import { ratio } from "../Results.ts"
import type { SubjectName } from "../Subject.ts"
import type { Workload } from "../Workload.ts"

const durable: ReadonlyArray<SubjectName> = ["absurd", "dbos", "openWorkflow", "effectWorkflow", "rust"]
const measure = "steps/s"

export const chain: Workload = {
  number: 1,
  title: "one chain of 1,000 immediate steps",
  note:
    "One task, enqueued beforehand, on a worker that has nothing else to do; from the first step's start until the " +
    "last is stored. Floor: one UPDATE of one row by its key after the other, on a plain table, and on ours. Effect " +
    "Workflow runs 300 steps.",
  sizes: {
    floor: 1000,
    floorTable: 1000,
    ours: 1000,
    oursAsync: 1000,
    absurd: 1000,
    dbos: 1000,
    openWorkflow: 1000,
    effectWorkflow: 300,
    rust: 1000
  },
  warmUp: true,
  measure: (bench, subject, steps) =>
    bench.withDatabase(subject, async (database, process) => {
      await process.call("fill", { url: database.url, tasks: 1, steps })
      await database.tidy()
      const ms = await process.call("drain", { url: database.url, tasks: 1, steps })
      return { [measure]: (steps * 1000) / ms }
    }),
  targets: [
    {
      text: "ours / floor",
      value: (results) => ratio(results.median(1, measure, "ours"), results.median(1, measure, "floor")),
      atLeast: 0.8
    },
    {
      text: "ours / floor on the same table",
      value: (results) => ratio(results.median(1, measure, "ours"), results.median(1, measure, "floorTable")),
      atLeast: 0.8
    },
    {
      text: "ours / best durable-step peer or Rust sequence",
      value: (results) => ratio(results.median(1, measure, "ours"), results.best(1, measure, durable)),
      atLeast: 4
    }
  ]
}
