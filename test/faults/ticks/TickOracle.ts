/** No tick of a schedule is missing, and none comes twice: against Effect's own sequence. */
import * as Cron from "effect/Cron"
import type { Clockwork, ScheduleRow, Ticking } from "./TickLedger.ts"
import { isEach } from "./TickTasks.ts"

type Complain = (what: string) => void

/** The ticks of a schedule, from its first one to those that are not due yet. */
const expected = ({ cron, first, zone }: Clockwork, { next }: ScheduleRow): ReadonlyArray<number> => {
  const ticks: Array<number> = []
  for (const tick of Cron.sequence(Cron.parseUnsafe(cron, zone), new Date(first - 1000))) {
    if (tick.getTime() >= next) return ticks
    if (tick.getTime() >= first) ticks.push(tick.getTime())
  }
  return ticks
}

const times = (ticks: Iterable<number>) => [...ticks].map((tick) => new Date(tick).toISOString()).join(", ")

const judgeSchedule = (
  work: Clockwork,
  row: ScheduleRow,
  ticks: ReadonlyArray<number>,
  complain: Complain
): void => {
  const due = expected(work, row)
  const run = new Set(ticks)
  const doubled = ticks.filter((tick, n) => ticks.indexOf(tick) !== n)
  const strange = ticks.filter((tick) => !due.includes(tick))
  const missing = due.filter((tick) => !run.has(tick))
  if (row.error !== null) complain(`the schedule ${work.key} is parked: ${row.error}`)
  if (doubled.length > 0) complain(`${work.key} ticked twice at ${times(doubled)}`)
  if (strange.length > 0) complain(`${work.key} ticked at ${times(strange)}, which is none of its ticks`)
  const excused = row.missed + row.overlapped
  if (missing.length !== excused || (isEach(work.key) && missing.length > 0)) {
    complain(`${work.key} did not tick at ${times(missing)}; it says: ${JSON.stringify(row)}`)
  }
}

export const judgeTicking = ({ clockworks, schedules, ticks, turnedBack }: Ticking, complain: Complain): void => {
  for (const work of clockworks) {
    const rows = schedules.filter(({ key }) => key === work.key)
    if (rows.length !== 1) complain(`${work.key} has ${rows.length} rows`)
    const own = ticks.filter(({ key }) => key === work.key).map(({ tick }) => tick)
    if (rows[0] !== undefined) judgeSchedule(work, rows[0], own, complain)
  }
  for (const key of turnedBack) complain(`${key} got the spec of an older build`)
}
