/** Samples the table for the gauges that no single worker can know. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { SqlClient } from "effect/sql/SqlClient"
import { type Count, counts } from "../../Admin.ts"
import { type Status, statuses } from "../sql/row.ts"
import { messageOf } from "../sql/errors.ts"

/** What a sample says of one task. */
interface Level {
  readonly counts: Record<Status, number>
  /** In milliseconds. */
  oldestReady: number
}

/** The gauges that are fed. */
export interface TableGauges {
  readonly tasks: Metric.Gauge<number>
  readonly oldestReady: Metric.Gauge<number>
}

/** A connection that has died without a word would be waited for without end. Counting a huge table takes long, too. */
const patience = Duration.minutes(1)

const none = (): Level => ({ counts: { ready: 0, waiting: 0, running: 0, parked: 0 }, oldestReady: 0 })

/** The levels of all tasks, of those that have gone, too: a gauge keeps its last value until it gets another. */
const levelsOf = (rows: ReadonlyArray<Count>, seen: ReadonlyArray<string>): ReadonlyMap<string, Level> => {
  const levels = new Map(seen.map((task) => [task, none()]))
  for (const { count, oldest, status, task } of rows) {
    const name = task ?? ""
    const level = levels.get(name) ?? none()
    levels.set(name, level)
    level.counts[status] += count
    if (status === "ready") level.oldestReady = Math.max(level.oldestReady, Duration.toMillis(oldest))
  }
  return levels
}

const publish = (gauges: TableGauges, levels: ReadonlyMap<string, Level>) =>
  Effect.forEach(levels, ([task, level]) =>
    Effect.andThen(
      Effect.forEach(
        statuses,
        (status) => Metric.update(Metric.withAttributes(gauges.tasks, { task, status }), level.counts[status]),
        { discard: true }
      ),
      Metric.update(Metric.withAttributes(gauges.oldestReady, { task }), level.oldestReady)
    ), { discard: true })

/** Why a sample could not be taken, in one line. */
type Failure = Effect.Error<ReturnType<typeof counts>>

const textOf = (error: Failure) => (error._tag === "SqlError" ? messageOf(error) : error.message)

/** Samples now, and then again after each interval. Never fails: what can't be counted now is counted later. */
export const watchTable = (gauges: TableGauges, interval: Duration.Duration): Effect.Effect<never, never, SqlClient> =>
  Effect.suspend(() => {
    let seen: ReadonlyArray<string> = []
    let lost = false
    const noteLost = (why: string) => {
      if (lost) return Effect.void
      lost = true
      return Effect.logWarning(`The gauges of the table keep their last values: ${why}`)
    }
    const noteBack = Effect.suspend(() => {
      if (!lost) return Effect.void
      lost = false
      return Effect.logInfo("The gauges of the table are back")
    })
    const sample = counts().pipe(
      Effect.flatMap((rows) => {
        const levels = levelsOf(rows, seen)
        seen = [...levels.keys()]
        return Effect.andThen(publish(gauges, levels), noteBack)
      }),
      Effect.catch((error) => noteLost(textOf(error))),
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => noteLost(`no answer within ${Duration.format(patience)}`)
      })
    )
    return Effect.forever(Effect.andThen(sample, Effect.sleep(interval)))
  }).pipe(
    // Statements that nobody waits for would drown the traces of the steps.
    Effect.withTracerEnabled(false)
  )
