import { ratio } from "../Results.ts"
import type { Workload } from "../Workload.ts"

const stepsPerTask = 10
const measure = "steps/s"

export const tasksOfSteps: Workload = {
  number: 2,
  title: "1,000 tasks of 10 steps",
  note:
    "Enqueued beforehand; from the first step's start until the last is stored. DBOS and OpenWorkflow run 500 of the " +
    "tasks, the Rust sequence 300, Effect Workflow 100.",
  sizes: { ours: 1000, oursAsync: 1000, absurd: 1000, dbos: 500, openWorkflow: 500, effectWorkflow: 100, rust: 300 },
  warmUp: true,
  measure: (bench, subject, tasks) =>
    bench.withDatabase(subject, async (database, process) => {
      await process.call("fill", { url: database.url, tasks, steps: stepsPerTask })
      await database.tidy()
      const ms = await process.call("drain", { url: database.url, tasks, steps: stepsPerTask })
      return { [measure]: (tasks * stepsPerTask * 1000) / ms }
    }),
  targets: [
    {
      text: "ours / best durable-step peer",
      value: (results) =>
        ratio(
          results.median(2, measure, "ours"),
          results.best(2, measure, ["absurd", "dbos", "openWorkflow", "effectWorkflow"])
        ),
      atLeast: 12
    }
  ]
}
