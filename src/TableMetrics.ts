/**
 * The gauges that no single worker can know: how many tasks are in the table, how late the oldest ready one is, and how
 * many hold or wait for the slots of limits.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type { SqlClient } from "effect/sql/SqlClient"
import { type Count, counts } from "./Admin.ts"
import * as Metrics from "./Metrics.ts"
import { limitTotals } from "./internal/admin/limits.ts"
import type { LimitTotal } from "./internal/sql/limitAdmin.ts"
import { type Status, statuses } from "./internal/sql/row.ts"
import { messageOf } from "./internal/sql/errors.ts"

/** What a sample says of one task. */
interface Level {
  readonly counts: Record<Status, number>
  /** In milliseconds. */
  oldestReady: number
}

/**
 * Without a limit, a connection that broke silently would be waited for forever. Counting a huge table takes long, too.
 */
const sampleTimeout = Duration.minutes(1)

const none = (): Level => ({
  counts: { ready: 0, limited: 0, scheduled: 0, waiting: 0, running: 0, parked: 0, ended: 0 },
  oldestReady: 0
})

/** The levels of all tasks. Those that are gone get 0, because a gauge keeps its last value. */
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

const publish = (levels: ReadonlyMap<string, Level>) =>
  Effect.forEach(levels, ([task, level]) =>
    Effect.andThen(
      Effect.forEach(
        statuses,
        (status) => Metric.update(Metric.withAttributes(Metrics.tasks, { task, status }), level.counts[status]),
        { discard: true }
      ),
      Metric.update(Metric.withAttributes(Metrics.oldestReadyAge, { task }), level.oldestReady)
    ), { discard: true })

/** The same of limits. */
const publishLimits = (totals: ReadonlyArray<LimitTotal>, seen: Iterable<string>) => {
  const gone = [...seen].map((name) => ({ name, holders: 0, waiting: 0 }))
  const all = new Map([...gone, ...totals].map((total) => [total.name, total]))
  return Effect.as(
    Effect.forEach(all.values(), ({ holders, name, waiting }) =>
      Effect.andThen(
        Metric.update(Metric.withAttributes(Metrics.limitHolders, { limit: name }), holders),
        Metric.update(Metric.withAttributes(Metrics.limitWaiting, { limit: name }), waiting)
      ), { discard: true }),
    [...all.keys()]
  )
}

/** Why a sample could not be taken, in one line. */
type Failure = Effect.Error<ReturnType<typeof counts>>

const textOf = (error: Failure) => (error._tag === "SqlError" ? messageOf(error) : error.message)

/** Samples now, and then again after each interval. Never fails: what can't be counted now is counted later. */
const watch = (interval: Duration.Duration): Effect.Effect<never, never, SqlClient> =>
  Effect.suspend(() => {
    let seen: ReadonlyArray<string> = []
    let seenLimits: ReadonlyArray<string> = []
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
        return publish(levels)
      }),
      Effect.andThen(limitTotals),
      Effect.flatMap((totals) => publishLimits(totals, seenLimits)),
      Effect.flatMap((names) => {
        seenLimits = names
        return noteBack
      }),
      Effect.catch((error) => noteLost(textOf(error))),
      Effect.timeoutOrElse({
        duration: sampleTimeout,
        orElse: () => noteLost(`no answer within ${Duration.format(sampleTimeout)}`)
      })
    )
    return Effect.forever(Effect.andThen(sample, Effect.sleep(interval)))
  }).pipe(
    // Spans of these regular statements would only hide those of the steps.
    Effect.withTracerEnabled(false)
  )

/**
 * Options of {@link layer}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How long to wait between two samples. Default 15 seconds. Each reads the whole table, as `Admin.counts` does. */
  readonly interval?: Duration.Input | undefined
}

/**
 * Updates `Metrics.tasks`, `Metrics.oldestReadyAge`, `Metrics.limitHolders` and `Metrics.limitWaiting` for as long as the
 * layer is alive. They describe the table, not
 * a worker: one process is enough. If several processes have this layer, take the maximum, not the sum.
 *
 * It never fails. While the database is away, or the table isn't there yet, the gauges keep their last values: the
 * log says so once, and once more when they are back. A task, status or limit that is no longer in the table goes to 0.
 * Its statements make no spans.
 *
 * @example
 * ```ts
 * import { TableMetrics } from "effect-pg-task"
 *
 * // Layer<never, never, SqlClient>: merge it with your worker's layer.
 * export const TableMetricsLive = TableMetrics.layer({ interval: "1 minute" })
 * ```
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<never, never, SqlClient> =>
  Layer.effectDiscard(
    Effect.forkScoped(
      watch(Duration.fromInputUnsafe(options.interval ?? "15 seconds"))
    )
  )
