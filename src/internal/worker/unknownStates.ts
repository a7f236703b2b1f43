/**
 * Rows in states that this worker does not know wait for a worker of another build. This one only tells of them: with a
 * warning for each state, once, and a gauge.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Metrics from "../../Metrics.ts"
import { tagsIn, type TaskDefinition } from "../definition/task.ts"
import { type KnownTask, knownTask, type UnknownState, unknownStates } from "../sql/known.ts"
import type { Database } from "./database.ts"

/** How many due rows a look reads at most, in all tasks together, but at least so many of each. */
const mostRead = { together: 5000, each: 100 }

/** Between two looks: the poll interval, within these limits. In milliseconds. */
const interval = { shortest: 500, longest: 60_000 }

/** The states that a worker of these tasks claims, in a database of this encoding. */
export const knownOf = (tasks: ReadonlyMap<string, TaskDefinition>, encoding: string): ReadonlyArray<KnownTask> =>
  [...tasks.values()].map((task) => knownTask(task.name, tagsIn(task), encoding))

export interface UnknownStatesOptions {
  readonly sql: SqlClient
  readonly database: Database
  readonly known: ReadonlyArray<KnownTask>
  readonly pollInterval: number
}

export class UnknownStates {
  private readonly options: UnknownStatesOptions
  /** There may be some: the dispatcher has seen one, or was too busy to look. */
  private suspected = true
  /** Those of the last look. */
  private found: ReadonlyArray<UnknownState> = []
  private readonly warned = new Set<string>()

  constructor(options: UnknownStatesOptions) {
    this.options = options
  }

  /** The dispatcher has looked for what is due next: whether it has seen a row that it can't claim. */
  seen(unknown: boolean): void {
    this.suspected = unknown
  }

  get run(): Effect.Effect<never> {
    const { pollInterval } = this.options
    const pause = Math.min(Math.max(pollInterval, interval.shortest), interval.longest)
    return Effect.forever(Effect.andThen(Effect.sleep(pause), Effect.suspend(() => this.turn)))
  }

  /** A worker with nothing to do sends no statement for this. */
  private get turn(): Effect.Effect<void> {
    if (!this.suspected && this.found.length === 0) return Effect.void
    this.suspected = true
    const { database, known, sql } = this.options
    const limit = Math.max(Math.floor(mostRead.together / known.length), mostRead.each)
    return Effect.matchEffect(database.withTimeout(unknownStates(sql, { tasks: known, limit })), {
      // The worker's other statements will tell.
      onFailure: () => Effect.void,
      onSuccess: (found) => this.tell(found)
    })
  }

  private tell(found: ReadonlyArray<UnknownState>): Effect.Effect<void> {
    const gone = this.found.filter(({ state, task }) => !found.some((one) => one.task === task && one.state === state))
    this.found = found
    return Effect.forEach(
      [...found, ...gone.map((one) => ({ ...one, count: 0 }))],
      (one) => Effect.andThen(measure(one), this.warnOnce(one)),
      { discard: true }
    )
  }

  private warnOnce({ count, state, task }: UnknownState): Effect.Effect<void> {
    const key = JSON.stringify([task, state])
    if (count === 0 || this.warned.has(key)) return Effect.void
    this.warned.add(key)
    return Effect.annotateLogs(
      Effect.logWarning(
        `Tasks "${task}" wait in the state "${state}", which this worker does not know: another build wrote them. `
          + "They wait for a worker that knows it. If none is to come, see `pg-task check`"
      ),
      { task, step: state, count }
    )
  }
}

const measure = ({ count, state, task }: UnknownState) =>
  Metric.update(Metric.withAttributes(Metrics.unknownStates, { task, step: state }), count)
