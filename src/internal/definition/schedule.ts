/** The state of a schedule, as its row has it, and what a tick makes of it. */
import type * as Cron from "effect/Cron"
import { isObject } from "effect/Predicate"
import * as Result from "effect/Result"
import { scheduleTag, type StoredSchedule } from "../sql/schedules.ts"
import { lastTick, type Missed, nextTick, parseSpec, type RecurringDefinition, type Spec } from "./recurring.ts"

/** The fields of its state. Those that a hand leaves out are not known. */
export interface Schedule extends Spec {
  readonly version: number
  /** The next tick, in milliseconds since 1970. The row may be due later, by its jitter. */
  readonly next: number | undefined
  /** The last tick that was run. */
  readonly last: number | undefined
  /** How many ticks were not run: they were missed, or the run of another one had not ended. */
  readonly missed: number
  readonly overlapped: number
}

const numberIn = (fields: Record<string, unknown>, name: string): number =>
  Number.isFinite(fields[name]) ? fields[name] as number : 0

const timeIn = (fields: Record<string, unknown>, name: string): number | undefined => {
  const time = typeof fields[name] === "string" ? Date.parse(fields[name]) : NaN
  return Number.isNaN(time) ? undefined : time
}

const fieldsIn = (step: string, task: string): Record<string, unknown> | undefined => {
  try {
    const json = JSON.parse(step) as Record<string, Record<string, Record<string, unknown>>>
    const fields = json[task]?.[scheduleTag]
    return isObject(fields) ? fields : undefined
  } catch {
    return undefined
  }
}

/** Reads what is in the row, or says what is wrong with it. */
export const readSchedule = (step: string, task: string): Result.Result<Schedule, string> => {
  const fields = fieldsIn(step, task)
  if (fields === undefined) {
    return Result.fail(`a schedule must have the shape {"${task}":{"${scheduleTag}":{"cron":…}}}`)
  }
  const { cron, dst, timeZone = "UTC" } = fields
  if (typeof cron !== "string" || typeof timeZone !== "string") {
    return Result.fail("`cron` must be a cron expression, and `timeZone` the name of a zone")
  }
  return Result.succeed({
    cron,
    timeZone,
    ...(dst === "earlier" || dst === "later" || dst === "both" ? { dst } : {}),
    version: numberIn(fields, "version"),
    next: timeIn(fields, "next"),
    last: timeIn(fields, "last"),
    missed: numberIn(fields, "missed"),
    overlapped: numberIn(fields, "overlapped")
  })
}

const iso = (time: number | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString()

export const writeSchedule = (task: string, schedule: Schedule): string =>
  JSON.stringify({ [task]: { [scheduleTag]: { ...schedule, next: iso(schedule.next), last: iso(schedule.last) } } })

/** A new schedule, or a new spec for one that is there. */
export const newSchedule = (
  { jitter, name }: RecurringDefinition,
  key: string,
  { now, spec, version }: { readonly spec: Spec; readonly version: number; readonly now: number }
): StoredSchedule => {
  const next = nextTick(Result.getOrThrow(parseSpec(spec)), now)
  const fields = { ...spec, version, next: iso(next) }
  const step = JSON.stringify({ [name]: { [scheduleTag]: fields } })
  return { task: name, key, step, fields: JSON.stringify(fields), due: next + Math.random() * jitter }
}

/** Later than this, a tick was missed. In milliseconds. */
const grace = 60_000

/** Not more than these at a time: the others follow at once. */
const maxTicks = 1000

/** The ticks to run, and how many were missed. */
export interface DueTicks {
  readonly run: ReadonlyArray<number>
  readonly missed: number
  /** The first one that is not among them. */
  readonly next: number
}

const countBetween = (cron: Cron.Cron, first: number, last: number): number => {
  let count = 0
  for (let tick = first; tick < last && count < maxTicks; tick = nextTick(cron, tick)) count++
  return count
}

/** The ticks from `first` to now, by the policy for those that were missed. `jitter` is no delay. */
export const dueTicks = (
  cron: Cron.Cron,
  { first, jitter, missed, now }: {
    readonly first: number
    readonly now: number
    readonly jitter: number
    readonly missed: Missed
  }
): DueTicks => {
  if (missed === "all") {
    const run: Array<number> = []
    let next = first
    for (; next <= now && run.length < maxTicks; next = nextTick(cron, next)) run.push(next)
    return { run, missed: 0, next }
  }
  const last = Math.max(lastTick(cron, now), first)
  const earlier = countBetween(cron, first, last)
  const isLate = missed === "skip" && now - last > grace + jitter
  return { run: isLate ? [] : [last], missed: earlier + (isLate ? 1 : 0), next: nextTick(cron, last) }
}
