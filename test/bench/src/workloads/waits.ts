/** Tasks that wait for each other, and callers that wait for results. */
import { percentile, ratio } from "../Results.ts"
import type { SubjectName } from "../Subject.ts"
import type { Workload } from "../Workload.ts"

const peers: ReadonlyArray<SubjectName> = ["absurd", "dbos"]

const perSecond = "round trips/s"

export const pingPong: Workload = {
  number: 13,
  title: "two tasks that signal each other",
  note:
    "Two tasks on one worker, each of which waits for a message of the other one, and answers it: what it was sent, that " +
    "it went on, and what it sends are stored each time. Ours sends signals, in one commit with the move; DBOS `send` and " +
    "`recv`; Absurd events. Absurd makes 100 round trips, the others 500.",
  sizes: { ours: 500, absurd: 100, dbos: 500 },
  warmUp: true,
  measure: (bench, subject, rounds) =>
    bench.withDatabase(subject, async ({ url }, process) => ({
      [perSecond]: (rounds * 1000) / await process.call("pingPong", { url, rounds })
    })),
  targets: [{
    text: "ours / the better of DBOS and Absurd",
    value: (results) => ratio(results.median(13, perSecond, "ours"), results.best(13, perSecond, peers)),
    atLeast: 3
  }]
}

const p50 = "p50 ms"
const p99 = "p99 ms"

/** The lower one of the peers' medians. */
const best = (results: Parameters<Workload["targets"][number]["value"]>[0], measure: string): number | undefined => {
  const medians = peers.flatMap((peer) => results.median(14, measure, peer) ?? [])
  return medians.length === 0 ? undefined : Math.min(...medians)
}

export const execute: Workload = {
  number: 14,
  title: "a caller that waits for the result of a one-step task",
  note:
    "One after the other, on an idle worker, by a client of its own: from just before the enqueue until the caller has the " +
    "result. Ours `execute`; DBOS `enqueue` and `getResult`; Absurd `spawn` and `awaitTaskResult`. DBOS polls for the " +
    "result every 10 ms; Absurd can't be told how often.",
  sizes: { ours: 300, absurd: 50, dbos: 200 },
  warmUp: true,
  measure: (bench, subject, tasks) =>
    bench.withDatabase(subject, async ({ url }, process) => {
      const all = await process.call("execute", { url, tasks })
      const warm = all.slice(Math.floor(tasks / 10))
      return { [p50]: percentile(warm, 0.5), [p99]: percentile(warm, 0.99) }
    }),
  targets: [p50, p99].map((measure) => ({
    text: `${measure.slice(0, 3)}: ours / the better of DBOS and Absurd`,
    value: (results) => ratio(results.median(14, measure, "ours"), best(results, measure)),
    atMost: 0.5
  }))
}
