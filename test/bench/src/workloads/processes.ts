import type { Bench } from "../Bench.ts"
import { settledSql, sleep, untilSettled, withClient } from "../Commands.ts"
import { ratio } from "../Results.ts"
import { now } from "../Subject.ts"
import type { SubjectName } from "../Subject.ts"
import type { SubjectProcess } from "../SubjectProcess.ts"
import type { Figures, Workload } from "../Workload.ts"

const counts = [1, 2, 4]
const measure = (count: number): string => `tasks/s with ${count}`

const drainTogether = (bench: Bench, subject: SubjectName, tasks: number, count: number): Promise<number> =>
  bench.withDatabase(subject, async (database, process) => {
    const { url } = database
    await process.call("fill", { url, tasks })
    await database.tidy()
    const workers = await Promise.all(Array.from({ length: count }, (_, index) => bench.process(subject, index)))
    await Promise.all(workers.map((worker) => worker.call("serve", { url })))
    await untilAllRan(workers, tasks)
    return withClient(url, async (client) => {
      await untilSettled(client, settledSql(bench.descriptions.get(subject)!))
      const end = now()
      const stats = await Promise.all(workers.map((worker) => worker.call("stop")))
      const steps = stats.reduce((sum, { steps }) => sum + steps, 0)
      if (steps !== tasks) throw new Error(`${steps} steps ran instead of ${tasks}`)
      await assertNoDeadlock(client)
      return end - Math.min(...stats.filter(({ first }) => first > 0).map(({ first }) => first))
    })
  })

/** Asks the workers, not the database: a look at the table costs the more, the larger a subject's table is. */
const untilAllRan = async (workers: ReadonlyArray<SubjectProcess>, tasks: number): Promise<void> => {
  for (;;) {
    const stats = await Promise.all(workers.map((worker) => worker.call("stats")))
    if (stats.reduce((sum, { steps }) => sum + steps, 0) >= tasks) return
    await sleep(10)
  }
}

const assertNoDeadlock = async (client: { query: (sql: string) => Promise<{ rows: Array<any> }> }): Promise<void> => {
  const { rows } = await client.query("select deadlocks from pg_stat_database where datname = current_database()")
  if (Number(rows[0].deadlocks) > 0) throw new Error(`${rows[0].deadlocks} deadlocks`)
}

export const processes: Workload = {
  number: 9,
  title: "(3) with 1, 2 and 4 worker processes",
  note: "From the first process's first step until the last task is stored. The processes and the server share the " +
    "machine's cores. A deadlock, or a task run twice, fails it.",
  sizes: { ours: 50_000, graphile: 50_000 },
  warmUp: true,
  measure: async (bench, subject, tasks) => {
    const figures: Record<string, number> = {}
    for (const count of counts) {
      figures[measure(count)] = (tasks * 1000) / (await drainTogether(bench, subject, tasks, count))
    }
    return figures satisfies Figures
  },
  targets: [
    {
      text: "ours: two / one",
      value: (results) => ratio(results.median(9, measure(2), "ours"), results.median(9, measure(1), "ours")),
      atLeast: 1
    }
  ]
}
