import { percentile, ratio } from "../Results.ts"
import type { SubjectName } from "../Subject.ts"
import type { Workload } from "../Workload.ts"

const p50 = "p50 ms"
const p99 = "p99 ms"
const gapMs = 25
/** Until every subject has started whatever it starts in the background. */
const settleMs = 1500

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const compare = (measure: string, other: SubjectName, text: string, atMost: number) => ({
  text,
  value: (results: Parameters<Workload["targets"][number]["value"]>[0]) =>
    ratio(results.median(5, measure, "ours"), results.median(5, measure, other)),
  atMost
})

export const pickUp: Workload = {
  number: 5,
  title: "pick-up latency on an idle worker, 200 tasks",
  note: `Another process enqueues one task every ${gapMs} ms, jittered by half; from just before the enqueue to the ` +
    "step's start. Floor: `pg_notify` to `LISTEN` between two processes. Those that poll do so " +
    "every 10 ms where that can be set (see the settings), which costs them queries in (10).",
  sizes: {
    floorNotify: 200,
    ours: 200,
    graphile: 200,
    pgBoss: 200,
    persistedQueue: 200,
    absurd: 50,
    dbos: 50,
    openWorkflow: 50,
    rust: 200
  },
  measure: (bench, subject, tasks) =>
    bench.withDatabase(subject, async ({ url }, process) => {
      const producer = await bench.process(subject, 1)
      await process.call("serve", { url })
      await sleep(settleMs)
      await producer.call("trickle", { url, tasks, gap: gapMs })
      while ((await process.call("stats")).tasks < tasks) await sleep(50)
      const { latencies } = await process.call("stop")
      // A tenth is left out, as both processes' warm-up.
      const warm = latencies.slice(Math.floor(tasks / 10))
      return { [p50]: percentile(warm, 0.5), [p99]: percentile(warm, 0.99) }
    }),
  targets: [
    compare(p50, "graphile", "p50: ours / graphile-worker", 1),
    compare(p99, "graphile", "p99: ours / graphile-worker", 1),
    compare(p50, "floorNotify", "p50: ours / floor", 2),
    compare(p99, "floorNotify", "p99: ours / floor", 2)
  ]
}
