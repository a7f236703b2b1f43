/** What a due schedule starts, and when it is due next. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { formatCause } from "../attempt/causeText.ts"
import { nextTick, parseSpec, type RecurringDefinition } from "../definition/recurring.ts"
import { dueTicks, readSchedule, type Schedule, writeSchedule } from "../definition/schedule.ts"
import type { DueSchedule, Ticked } from "../sql/schedules.ts"

export interface Planned {
  readonly row: DueSchedule
  /** The recurring task. */
  readonly name: string
  readonly schedule: Schedule | undefined
  /** The name of the task that its ticks start, their states, and the key that they share, if they must not overlap. */
  readonly task: string
  readonly steps: ReadonlyArray<string>
  readonly key: string | undefined
  readonly due: number
  readonly error: string | null
  readonly started: number
  readonly missed: number
  readonly overlapped: number
}

const nothing = { steps: [], key: undefined, started: 0, missed: 0, overlapped: 0 }

const parked = ({ name, task }: RecurringDefinition, row: DueSchedule, error: string): Planned => ({
  ...nothing,
  row,
  name,
  schedule: undefined,
  task: task.name,
  due: row.now,
  error
})

/** The key of the task that a tick starts. Only one row of that task can have it, until it has ended. */
export const runKey = (recurring: string, schedule: string): string =>
  recurring === schedule ? `${recurring}: run` : `${recurring}/${schedule}: run`

const jittered = (time: number, { jitter }: RecurringDefinition): number => time + Math.random() * jitter

/** What the ticks from the stored one to now are; a row that is due before its tick was made due by hand. */
const ticksOf = (definition: RecurringDefinition, schedule: Schedule, now: number) =>
  Result.map(parseSpec(schedule), (cron) => {
    const { next } = schedule
    if (next === undefined) return { run: [], missed: 0, next: nextTick(cron, now) }
    return next > now
      ? { run: [now], missed: 0, next }
      : dueTicks(cron, { first: next, now, jitter: definition.jitter, missed: definition.missed })
  })

/** The states of ticks, encoded. What user code throws is a defect: it parks the schedule. */
const statesOf = (
  definition: RecurringDefinition,
  name: string,
  { missed, timeZone, ticks }: {
    readonly ticks: ReadonlyArray<number>
    readonly timeZone: string
    readonly missed: number
  }
): Effect.Effect<ReadonlyArray<string>, unknown> =>
  Effect.forEach(ticks, (tick, index) =>
    Effect.suspend(() => {
      const date = DateTime.makeZonedUnsafe(tick, { timeZone })
      return definition.task.codec.encode(definition.state({ date, name, missed: index === 0 ? missed : 0 }))
    }))

export const planTicks = (definition: RecurringDefinition, row: DueSchedule): Effect.Effect<Planned> => {
  const { name, overlap, task } = definition
  const read = readSchedule(row.step, row.task)
  if (Result.isFailure(read)) return Effect.succeed(parked(definition, row, read.failure))
  const ticks = ticksOf(definition, read.success, row.now)
  if (Result.isFailure(ticks)) return Effect.succeed(parked(definition, row, ticks.failure))
  const schedule = read.success
  const { missed, next, run } = ticks.success
  const key = row.key ?? name
  return statesOf(definition, key, { ticks: run, timeZone: schedule.timeZone, missed }).pipe(
    Effect.map((steps): Planned => ({
      row,
      name,
      task: task.name,
      steps,
      key: overlap === "skip" ? runKey(name, key) : undefined,
      schedule: { ...schedule, next, last: run.at(-1) ?? schedule.last, missed: schedule.missed + missed },
      due: next > row.now ? jittered(next, definition) : row.now,
      error: null,
      started: steps.length,
      missed,
      overlapped: 0
    })),
    Effect.catchCause((cause) => Effect.succeed(parked(definition, row, formatCause(cause))))
  )
}

/** What the row of the schedule becomes. */
export const toTicked = ({ due, error, overlapped, row, schedule }: Planned): Ticked => ({
  id: row.id,
  step: schedule === undefined
    ? row.step
    : writeSchedule(row.task, { ...schedule, overlapped: schedule.overlapped + overlapped }),
  due,
  error
})
