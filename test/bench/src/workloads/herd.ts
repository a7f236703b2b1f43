import { withClient } from "../Commands.ts"
import type { Bench } from "../Bench.ts"
import { percentile, ratio } from "../Results.ts"
import type { Results } from "../Results.ts"
import { serverCpu } from "../ServerCpu.ts"
import type { SubjectName } from "../Subject.ts"
import type { Figures, Workload } from "../Workload.ts"

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

interface Scenario {
  readonly name: string
  readonly workers: number
  readonly concurrency: number
  readonly gap: number
  /** How long a step takes, in ms. */
  readonly step: number
}

const scenarios: ReadonlyArray<Scenario> = [
  { name: "1 at 50/s", workers: 1, concurrency: 10, gap: 20, step: 0 },
  { name: "10 at 50/s", workers: 10, concurrency: 10, gap: 20, step: 0 },
  { name: "100 at 50/s", workers: 100, concurrency: 10, gap: 20, step: 0 },
  { name: "1 at 200/s", workers: 1, concurrency: 10, gap: 5, step: 0 },
  { name: "100 at 200/s", workers: 100, concurrency: 10, gap: 5, step: 0 },
  { name: "1 of 20 slots", workers: 1, concurrency: 20, gap: 20, step: 100 },
  { name: "20 of one slot", workers: 20, concurrency: 1, gap: 20, step: 100 }
]

/** The workers are spread over this many processes. */
const processCount = 4

/** Until workers have started, have seen their peers, and are idle. */
const settleMs = (workers: number) => 1500 + workers * 50

const measureOne = (bench: Bench, subject: SubjectName, tasks: number, scenario: Scenario): Promise<Figures> =>
  bench.withDatabase(subject, async ({ url }, producer) => {
    const { concurrency, gap, name, step, workers } = scenario
    const count = Math.min(workers, processCount)
    const processes = await Promise.all(Array.from({ length: count }, (_, index) => bench.process(subject, index + 1)))
    await Promise.all(
      processes.map((process) => process.call("serve", { url, concurrency, workers: workers / count, step }))
    )
    await sleep(settleMs(workers))
    return withClient(url, async (client) => {
      const stats = async () => Promise.all(processes.map((process) => process.call("stats")))
      const total = (all: Awaited<ReturnType<typeof stats>>) => all.reduce((sum, one) => sum + one.statements, 0)
      const [before, cpuBefore] = [total(await stats()), await serverCpu(client)]
      await producer.call("trickle", { url, tasks, gap })
      while ((await stats()).reduce((sum, one) => sum + one.tasks, 0) < tasks) await sleep(50)
      await sleep(step)
      const [after, cpuAfter] = [total(await stats()), await serverCpu(client)]
      const stopped = await Promise.all(processes.map((process) => process.call("stop")))
      const latencies = stopped.flatMap((one) => one.latencies.slice(Math.floor(one.latencies.length / 10)))
      return {
        [`statements/task, ${name}`]: (after - before) / tasks,
        [`CPU ms/task, ${name}`]: (cpuAfter - cpuBefore) / tasks,
        [`p50 ms, ${name}`]: percentile(latencies, 0.5),
        [`p99 ms, ${name}`]: percentile(latencies, 0.99)
      }
    })
  })

const compare = (measure: string, many: string, one: string, atMost: number) => ({
  text: `ours: ${measure}, ${many} / ${one}`,
  value: (results: Results) =>
    ratio(results.median(12, `${measure}, ${many}`, "ours"), results.median(12, `${measure}, ${one}`, "ours")),
  atMost
})

const targetsOf = (many: string, one: string): Workload["targets"] => [
  {
    text: `ours: statements/task, ${many}`,
    value: (results) => results.median(12, `statements/task, ${many}`, "ours"),
    atMost: 8
  },
  compare("CPU ms/task", many, one, 2),
  compare("p50 ms", many, one, 2),
  compare("p99 ms", many, one, 3)
]

export const herd: Workload = {
  number: 12,
  title: "many idle workers, one task after the other, 1,000 tasks",
  note:
    "Another process enqueues one task every 20 ms or 5 ms, jittered by half; all workers are idle, each with a pool of " +
    "its own, over four processes. Statements that the workers send (a task needs two: its claim and its outcome), CPU " +
    "time of the server, and pick-up latency. A worker has ten slots, unless it says otherwise, and steps do nothing, " +
    "but for the last two: there each step takes 100 ms.",
  sizes: { ours: 1000, graphile: 1000 },
  rounds: 2,
  seconds: 600,
  measure: async (bench, subject, tasks) => {
    const figures: Record<string, number> = {}
    for (const scenario of scenarios) Object.assign(figures, await measureOne(bench, subject, tasks, scenario))
    return figures
  },
  targets: [
    ...targetsOf("100 at 50/s", "1 at 50/s"),
    ...targetsOf("100 at 200/s", "1 at 200/s"),
    ...targetsOf("20 of one slot", "1 of 20 slots")
  ]
}
