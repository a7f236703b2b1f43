import type { Bench } from "../Bench.ts"
import { withClient } from "../Commands.ts"
import { median, ratio } from "../Results.ts"
import type { Window } from "../Recorder.ts"
import type { SubjectName } from "../Subject.ts"
import type { Workload } from "../Workload.ts"

interface Sizes {
  readonly table: string
  readonly indexes: string
  readonly dead: string
}

const share = 0.6

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

/** The subject's own peak in (3), or where (3) wasn't run, a guess that it can hold. */
const peak = (bench: Bench, subject: SubjectName): number => bench.results.median(3, "tasks/s", subject) ?? 10_000

const measureTable = (url: string, table: string): Promise<Sizes> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<Sizes>(`
      select pg_relation_size('${table}') as table, pg_indexes_size('${table}') as indexes,
        pg_stat_get_dead_tuples('${table}'::regclass) as dead`)
    return rows[0]!
  })

const megabytes = (bytes: string): number => Number(bytes) / 1024 / 1024

/** A fifth of the run at its begin, or at its end; the very first and last seconds are cut. */
const part = (windows: ReadonlyArray<Window>, end: boolean): ReadonlyArray<Window> => {
  const length = Math.max(1, Math.floor(windows.length / 5))
  return end ? windows.slice(-1 - length, -1) : windows.slice(1, 1 + length)
}

export const steady: Workload = {
  number: 8,
  title: "steady at 60 % of the peak, beside an idle transaction",
  note:
    "60 s (300 s with `--long`) of bulk enqueues from another process at 60 % of the subject's own median in (3), " +
    "while another session holds a snapshot open, so that no dead row can be removed. Rates and the longest pick-up of " +
    "a second: medians over the first and the last fifth of the time.",
  sizes: { ours: 1, graphile: 1 },
  rounds: 1,
  measure: (bench, subject) =>
    bench.withDatabase(subject, ({ url }, process) =>
      withClient(url, async (idle) => {
        const { table } = bench.descriptions.get(subject)!
        const seconds = bench.seconds(bench.options.long ? 300 : 60)
        const perSecond = peak(bench, subject) * share
        const producer = await bench.process(subject, 1)
        await idle.query("begin isolation level repeatable read")
        await idle.query("select 1")
        await process.call("serve", { url })
        const feeding = producer.call("feed", { url, perSecond, seconds })
        await sleep(seconds / 2)
        const halfway = await measureTable(url, table)
        const sent = await feeding
        await sleep(1)
        const sizes = await measureTable(url, table)
        const { windows, tasks } = await process.call("stop")
        return {
          "asked tasks/s": perSecond,
          "first tasks/s": median(part(windows, false).map(({ tasks }) => tasks)),
          "last tasks/s": median(part(windows, true).map(({ tasks }) => tasks)),
          "last pick-up ms": median(part(windows, true).map(({ latencyMax }) => latencyMax)),
          "left over": sent - tasks,
          "dead rows": Number(sizes.dead),
          "table MB at half-time": megabytes(halfway.table),
          "table MB": megabytes(sizes.table),
          "indexes MB at half-time": megabytes(halfway.indexes),
          "indexes MB": megabytes(sizes.indexes)
        }
      })),
  targets: [
    {
      text: "ours: last / first",
      value: (results) => ratio(results.median(8, "last tasks/s", "ours"), results.median(8, "first tasks/s", "ours")),
      atLeast: 0.9
    }
  ]
}
