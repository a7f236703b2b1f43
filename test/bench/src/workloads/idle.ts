import { countQueries } from "../CountingProxy.ts"
import type { Workload } from "../Workload.ts"

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

export const idle: Workload = {
  number: 10,
  title: "an idle worker",
  note:
    "Statements that reach the server, counted by a proxy between, and CPU time of the worker's process, over 20 s " +
    "(60 s with `--long`) after 3 s to settle. Settings as in (5).",
  sizes: { ours: 1, graphile: 1, pgBoss: 1, persistedQueue: 1, absurd: 1, dbos: 1, openWorkflow: 1, effectWorkflow: 1 },
  rounds: 1,
  measure: (bench, subject) =>
    bench.withDatabase(subject, async ({ url }, process) => {
      const seconds = bench.seconds(bench.options.long ? 60 : 20)
      const proxy = await countQueries(url)
      await process.call("serve", { url: proxy.url })
      await sleep(3)
      const [queriesBefore, { cpuMs: cpuBefore }] = [proxy.queries(), await process.call("stats")]
      await sleep(seconds)
      const [queriesAfter, { cpuMs: cpuAfter }] = [proxy.queries(), await process.call("stats")]
      await process.call("stop")
      await proxy.close()
      return {
        "queries/min": ((queriesAfter - queriesBefore) * 60) / seconds,
        "CPU %": (cpuAfter - cpuBefore) / (seconds * 10)
      }
    }),
  targets: [
    { text: "ours: queries a minute", value: (results) => results.median(10, "queries/min", "ours"), atMost: 6 },
    { text: "ours: CPU %", value: (results) => results.median(10, "CPU %", "ours"), atMost: 1 }
  ]
}
