import { withClient } from "../Commands.ts"
import type { Bench } from "../Bench.ts"
import { ratio } from "../Results.ts"
import type { Database } from "../Server.ts"
import type { SubjectName } from "../Subject.ts"
import type { Workload } from "../Workload.ts"

const measure = "tasks/s"
const sizes = { waiting: 1_000_000, parked: 100_000, foreign: 100_000 }

const filled = async (bench: Bench, subject: SubjectName): Promise<Database> => {
  const process = await bench.process(subject)
  const database = await bench.server.fresh()
  await process.call("prepare", { url: database.url })
  const scale = (count: number) => Math.ceil(count / bench.options.divisor)
  await process.call("backlog", {
    url: database.url,
    waiting: scale(sizes.waiting),
    parked: scale(sizes.parked),
    foreign: scale(sizes.foreign)
  })
  await database.tidy()
  return database
}

/** Where in the table the tasks to be worked off will begin. */
const nextBlock = (url: string, table: string): Promise<number> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ block: string }>(
      `select greatest(0, pg_relation_size('${table}') / current_setting('block_size')::int - 1) as block`
    )
    return Number(rows[0]!.block)
  })

export const backlog: Workload = {
  number: 7,
  title: "(3) beside a backlog of 1,200,000 rows",
  note:
    "As (3), with 1,000,000 tasks due tomorrow, 100,000 that failed for good, and 100,000 ready rows of a task that no " +
    "running worker knows, older than all others, in the same table. The target compares with ours in (3).",
  sizes: { ours: 50_000, graphile: 50_000, pgBoss: 50_000 },
  measure: async (bench, subject, tasks) => {
    const process = await bench.process(subject)
    const { table } = bench.descriptions.get(subject)!
    const database = await (await bench.keep(subject, () => filled(bench, subject))).copy()
    try {
      const { url } = database
      const fromBlock = await nextBlock(url, table)
      await process.call("fill", { url, tasks })
      await database.tidy()
      const ms = await process.call("drain", { url, tasks, steps: 1, fromBlock })
      return { [measure]: (tasks * 1000) / ms }
    } finally {
      await database.drop()
    }
  },
  targets: [
    {
      text: "ours / ours in (3)",
      value: (results) => ratio(results.median(7, measure, "ours"), results.median(3, measure, "ours")),
      atLeast: 0.85
    }
  ]
}
