/** Tasks in groups, of each of which only two may run at the same time. */
import { percentile, ratio } from "../Results.ts"
import { perGroup } from "../Subject.ts"
import type { SubjectName } from "../Subject.ts"
import type { Workload } from "../Workload.ts"

const perSecond = "tasks/s"
const ofEach = 50
const peers: ReadonlyArray<SubjectName> = ["graphile", "pgBoss"]

export const limits: Workload = {
  number: 15,
  title: `tasks in 1,000 groups, ${perGroup} of a group at a time`,
  note:
    `One-step tasks that do nothing, ${ofEach} of each group, enqueued beforehand, the groups in turn; from the first step's ` +
    "start until the last task is stored as done. Ours: a limit with a key for each group. pg-boss: groups with `groupConcurrency`. " +
    "graphile-worker: named queues, two for each group.",
  sizes: { ours: 50_000, graphile: 50_000, pgBoss: 50_000 },
  measure: (bench, subject, tasks) =>
    bench.withDatabase(subject, async (database, process) => {
      await process.call("fill", { url: database.url, tasks, groups: Math.ceil(tasks / ofEach) })
      await database.tidy()
      const ms = await process.call("drain", { url: database.url, tasks, steps: 1, grouped: true })
      return { [perSecond]: (tasks * 1000) / ms }
    }),
  targets: [{
    text: "ours / the better of graphile-worker and pg-boss",
    value: (results) => ratio(results.median(15, perSecond, "ours"), results.best(15, perSecond, peers)),
    atLeast: 3
  }]
}

const gapMs = 25
/** Until the workers have started whatever they start in the background. */
const settleMs = 1500

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const kinds = ["unlimited", "limited"] as const

export const limitedPickUp: Workload = {
  number: 16,
  title: "pick-up latency of a limited step on an idle worker, 200 tasks",
  note:
    `As (5), of tasks without a limit and of tasks with one: another process enqueues one task every ${gapMs} ms, jittered ` +
    "by half, with 20 groups in turn, so that the slot is always free; from just before the enqueue to the step's start.",
  sizes: { ours: 200 },
  measure: (bench, subject, tasks) =>
    bench.withDatabase(subject, async ({ url }, process) => {
      const producer = await bench.process(subject, 1)
      const latencyOf = async (kind: (typeof kinds)[number]) => {
        const grouped = kind === "limited"
        await process.call("serve", { url, grouped })
        await sleep(settleMs)
        await producer.call("trickle", { url, tasks, gap: gapMs, ...(grouped && { groups: 20 }) })
        while ((await process.call("stats")).tasks < tasks) await sleep(50)
        const { latencies } = await process.call("stop")
        // A tenth is left out, as both processes' warm-up.
        const warm = latencies.slice(Math.floor(tasks / 10))
        return { [`${kind} p50 ms`]: percentile(warm, 0.5), [`${kind} p99 ms`]: percentile(warm, 0.99) }
      }
      return { ...await latencyOf("unlimited"), ...await latencyOf("limited") }
    }),
  targets: [{
    text: "p50: limited / unlimited",
    value: (results) => {
      const [unlimited, limited] = kinds.map((kind) => results.median(16, `${kind} p50 ms`, "ours"))
      return ratio(limited, unlimited)
    },
    atMost: 2.5
  }]
}
