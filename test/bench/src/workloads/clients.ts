import { ratio } from "../Results.ts"
import type { Workload } from "../Workload.ts"

const clients = 32
const variants = [
  { name: "alone", inTransaction: false },
  { name: "in transactions", inTransaction: true }
] as const

const loud = (name: string) => `${name}/s`
const silent = (name: string) => `${name}, silent/s`

export const manyClients: Workload = {
  number: 11,
  title: `enqueue by SQL: ${clients} sessions at the same time, one task after the other`,
  note:
    "Plain `insert` statements of one Node process, each on its own, or in a transaction with one other statement. " +
    "No worker runs. Silent: the same on the same table, with its triggers disabled, so that nobody notifies.",
  // Seconds for each of the four figures.
  sizes: { ours: 5 },
  warmUp: true,
  measure: (bench, subject, seconds) =>
    bench.withDatabase(subject, async ({ url }, process) => {
      const figures: Record<string, number> = {}
      for (const { inTransaction, name } of variants) {
        for (const isSilent of [false, true]) {
          const request = { url, clients, seconds, inTransaction, silent: isSilent }
          figures[(isSilent ? silent : loud)(name)] = await process.call("insertBySql", request)
        }
      }
      return figures
    }),
  targets: variants.map(({ name }) => ({
    text: `${name}: with notifications / without`,
    value: (results) => ratio(results.median(11, loud(name), "ours"), results.median(11, silent(name), "ours")),
    atLeast: 0.7
  }))
}
