/**
 * What workers measure, as Effect metrics: any of Effect's exporters (`effect/observability`: OTLP, Prometheus) reads
 * them. Names begin with `pg_task_`; times are in milliseconds. Units are in the attributes `unit` and `time_unit`,
 * where Effect's exporters look for them.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"
import { durationBoundaries, inMillis } from "./internal/definition/series.ts"

// Effect's exporters read units from attributes. Without one, a gauge becomes a ratio on its way to Prometheus.
const inTasks = { unit: "{task}" } as const
const inSteps = { unit: "{step}" } as const

/**
 * Attempts that ended, with attributes `task`, `step` and `outcome`: `finished`, `continued`, `rescheduled`, `waiting` (on to a state that waits, or to wait
 * again), `retried`, `parked`, `rejected` (the row could not be decoded; `task` and `step` are empty), `released` (the worker stopped, and
 * gave the task back), `lost` (the lease was lost), `cancelled` (the row was deleted while the step ran).
 *
 * @category metrics
 * @since 0.1.0
 */
export const steps: Metric.Counter<number> = Metric.counter("pg_task_steps_total", {
  description: "Attempts of steps that ended, by outcome",
  incremental: true
})

/**
 * Attempts whose outcome was not written, because `onConflict: "replace"` had put another state in its place meanwhile.
 * `pg_task_steps_total` counts them, too, with the same attributes `task`, `step` and `outcome`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const replaced: Metric.Counter<number> = Metric.counter("pg_task_steps_replaced_total", {
  description: "Attempts of steps whose outcome was replaced by a newer state",
  incremental: true
})

/**
 * Signals, with attributes `task` and `outcome`. Whoever sends them counts `sent`, `duplicate` (one with the same
 * `dedupe` had been sent before) and `refused` (the task has ended, or holds too many). What is sent in a transaction
 * counts once that commits. Workers count `taken` (a waiting state has handled it) and `left` (its task ended without
 * having taken it). `task` is empty if the sender names none, as on the command line. Signals that SQL sends are counted
 * only when they are taken or left.
 *
 * @category metrics
 * @since 0.1.0
 */
export const signals: Metric.Counter<number> = Metric.counter("pg_task_signals_total", {
  description: "Signals that were sent or refused, and that tasks have taken, or left behind when they ended",
  incremental: true
})

/**
 * How long attempts took, with attributes `task` and `step`. In milliseconds.
 *
 * @category metrics
 * @since 0.1.0
 */
export const stepDuration: Metric.Histogram<number> = Metric.histogram("pg_task_step_duration_milliseconds", {
  description: "Duration of attempts of steps",
  attributes: inMillis,
  boundaries: durationBoundaries
})

/**
 * How long steps had been due when they began, with attributes `task` and `step`. In milliseconds.
 *
 * @category metrics
 * @since 0.1.0
 */
export const stepWait: Metric.Histogram<number> = Metric.histogram("pg_task_step_wait_milliseconds", {
  description: "Time from when a step was due to when it began",
  attributes: inMillis,
  boundaries: durationBoundaries
})

/**
 * Attempts whose lease was lost: their worker was frozen, or cut off from the database, for longer than its lease. An
 * attempt whose task was cancelled counts only if its lease had expired, too.
 *
 * @category metrics
 * @since 0.1.0
 */
export const leasesLost: Metric.Counter<number> = Metric.counter("pg_task_leases_lost_total", {
  description: "Attempts that lost their lease",
  incremental: true
})

/**
 * Tasks of dead workers that the workers of this process rescued.
 *
 * @category metrics
 * @since 0.1.0
 */
export const leasesRescued: Metric.Counter<number> = Metric.counter("pg_task_leases_rescued_total", {
  description: "Rows that were rescued because the lease of their worker had expired",
  incremental: true
})

/**
 * Claimed tasks that wait for a free slot, in all workers of the process.
 *
 * @category metrics
 * @since 0.1.0
 */
export const buffered: Metric.Gauge<number> = Metric.gauge("pg_task_buffered", {
  description: "Claimed tasks that wait for a free slot",
  attributes: inTasks
})

/**
 * Steps that are running, in all workers of the process.
 *
 * @category metrics
 * @since 0.1.0
 */
export const running: Metric.Gauge<number> = Metric.gauge("pg_task_running", {
  description: "Steps that are running",
  attributes: inSteps
})

/**
 * How many outcomes one statement stored.
 *
 * @category metrics
 * @since 0.1.0
 */
export const batchSize: Metric.Histogram<number> = Metric.histogram("pg_task_batch_size", {
  description: "Outcomes stored with one statement",
  boundaries: Metric.exponentialBoundaries({ start: 1, factor: 2, count: 11 })
})

/**
 * How often workers lost their database and got it back.
 *
 * @category metrics
 * @since 0.1.0
 */
export const reconnects: Metric.Counter<number> = Metric.counter("pg_task_database_reconnects_total", {
  description: "Times the database was lost and came back",
  incremental: true
})

/**
 * Ticks of recurring tasks, with attributes `recurring` (its name) and `outcome`: `started`, `missed` (no worker ran at
 * that time, or not in time), `overlapped` (the run of an earlier tick had not ended).
 *
 * @category metrics
 * @since 0.1.0
 */
export const ticks: Metric.Counter<number> = Metric.counter("pg_task_ticks_total", {
  description: "Ticks of recurring tasks, by outcome",
  incremental: true
})

/**
 * How many tasks are in the table, with attributes `task` and `status`: `ready`, `scheduled`, `running`, `parked` (as
 * `Admin.Status` describes them). `task` is empty for rows that don't have the shape of a task. Only
 * `TableMetrics.layer` updates it.
 *
 * @category metrics
 * @since 0.1.0
 */
export const tasks: Metric.Gauge<number> = Metric.gauge("pg_task_tasks", {
  description: "Tasks in the table, by status",
  attributes: inTasks
})

/**
 * For how long the oldest ready task has been due, with attribute `task`; 0 if none is ready. In milliseconds. Only
 * `TableMetrics.layer` updates it.
 *
 * @category metrics
 * @since 0.1.0
 */
export const oldestReadyAge: Metric.Gauge<number> = Metric.gauge("pg_task_oldest_ready_age_milliseconds", {
  description: "For how long the oldest ready task has been due",
  attributes: inMillis
})

/**
 * How many tasks hold a slot of a limit, all of its keys together, with attribute `limit`. Only `TableMetrics.layer`
 * updates it.
 *
 * @category metrics
 * @since 0.1.0
 */
export const limitHolders: Metric.Gauge<number> = Metric.gauge("pg_task_limit_holders", {
  description: "Tasks that hold a slot of a limit",
  attributes: inTasks
})

/**
 * How many due tasks wait for a slot of a limit, all of its keys together, with attribute `limit`. Only
 * `TableMetrics.layer` updates it.
 *
 * @category metrics
 * @since 0.1.0
 */
export const limitWaiting: Metric.Gauge<number> = Metric.gauge("pg_task_limit_waiting", {
  description: "Due tasks that wait for a slot of a limit",
  attributes: inTasks
})

/**
 * How many due tasks wait in a state that this worker does not know, with attributes `task` and `step`: another build
 * wrote them. It counts among the first due ones, up to 5,000. In a rolling deploy the old workers see some, until the
 * new ones have worked them off. If every worker sees some for long, none of them knows the state.
 *
 * @category metrics
 * @since 0.1.0
 */
export const unknownStates: Metric.Gauge<number> = Metric.gauge("pg_task_unknown_states", {
  description: "Due tasks in states that this worker does not know",
  attributes: inTasks
})
