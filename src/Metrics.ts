/**
 * What workers measure, as Effect metrics: any exporter of Effect's (`effect/observability`: OTLP, Prometheus) takes
 * them from here. Names begin with `pg_task_`; times are in milliseconds.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/** 1 millisecond to about 9 hours, in powers of 4. */
const millis = Metric.exponentialBoundaries({ start: 1, factor: 4, count: 13 })

/**
 * Attempts that ended, with attributes `task`, `step` and `outcome`: `finished`, `moved`, `retried`, `parked`,
 * `rejected` (the row could not be decoded), `released` (interrupted by a shutdown, or never begun), `lost` (the
 * lease was taken over).
 *
 * @category metrics
 * @since 0.1.0
 */
export const steps: Metric.Counter<number> = Metric.counter("pg_task_steps_total", {
  description: "Attempts of steps that ended, by outcome",
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
  boundaries: millis
})

/**
 * How long steps had been due when they began, with attributes `task` and `step`. In milliseconds.
 *
 * @category metrics
 * @since 0.1.0
 */
export const stepWait: Metric.Histogram<number> = Metric.histogram("pg_task_step_wait_milliseconds", {
  description: "Time from when a step was due to when it began",
  boundaries: millis
})

/**
 * Attempts whose lease was lost: their worker was frozen or cut off for longer than its lease, or the task was
 * cancelled.
 *
 * @category metrics
 * @since 0.1.0
 */
export const leasesLost: Metric.Counter<number> = Metric.counter("pg_task_leases_lost_total", {
  description: "Attempts that lost their lease",
  incremental: true
})

/**
 * Tasks of dead workers that this one freed.
 *
 * @category metrics
 * @since 0.1.0
 */
export const leasesTakenOver: Metric.Counter<number> = Metric.counter("pg_task_leases_taken_over_total", {
  description: "Leases of dead workers that were taken over",
  incremental: true
})

/**
 * Claimed tasks that wait in the worker for a free slot.
 *
 * @category metrics
 * @since 0.1.0
 */
export const buffered: Metric.Gauge<number> = Metric.gauge("pg_task_buffered", {
  description: "Claimed tasks that wait for a free slot"
})

/**
 * Steps that are running in the worker.
 *
 * @category metrics
 * @since 0.1.0
 */
export const running: Metric.Gauge<number> = Metric.gauge("pg_task_running", {
  description: "Steps that are running in this worker"
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
 * How often the worker lost its database and got it back.
 *
 * @category metrics
 * @since 0.1.0
 */
export const reconnects: Metric.Counter<number> = Metric.counter("pg_task_database_reconnects_total", {
  description: "Times the database was lost and came back",
  incremental: true
})
