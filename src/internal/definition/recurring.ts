/** A recurring task at run time: its checks, and when its ticks are. */
import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { hasProperty, isFunction, isObject } from "effect/Predicate"
import * as Result from "effect/Result"
import type { Tagged } from "../../NextStep.ts"
import { TaskDefinitionError } from "../../TaskError.ts"
import { type DeclarationDefinition, isDeclaration } from "./declaration.ts"

/** `Recurring.Tick`. */
export interface Tick {
  /** When it is due, in the zone of its schedule. If somebody made it due by hand: when that was. */
  readonly date: DateTime.Zoned
  /** The name of its schedule. */
  readonly name: string
  /** How many ticks before it were missed, and are not run. */
  readonly missed: number
}

/** When a schedule is due. */
export interface Spec {
  readonly cron: string
  readonly timeZone: string
  /** What `cron` does with an hour that comes twice. */
  readonly dst?: Cron.DstOverlapPolicy | undefined
}

export type Missed = "once" | "all" | "skip"
export type Overlap = "skip" | "allow"

/** A recurring task as the worker sees it. */
export interface RecurringDefinition {
  readonly name: string
  /** Its own schedule. Undefined: it has only those that `schedule` makes. */
  readonly spec: Spec | undefined
  readonly version: number
  readonly task: DeclarationDefinition
  readonly state: (tick: Tick) => Tagged
  readonly missed: Missed
  readonly overlap: Overlap
  /** In milliseconds. */
  readonly jitter: number
}

interface Options {
  readonly cron?: string | Cron.Cron | undefined
  readonly timeZone?: string | undefined
  readonly version?: number | undefined
  readonly task: unknown
  readonly state: RecurringDefinition["state"]
  readonly missed?: Missed | undefined
  readonly overlap?: Overlap | undefined
  readonly jitter?: Duration.Input | undefined
}

export const isRecurring = (u: unknown): u is RecurringDefinition => hasProperty(u, "~effect-pg-task/Recurring")

/** The parsed form of a spec, or what is wrong with it. */
export const parseSpec = ({ cron, dst, timeZone }: Spec): Result.Result<Cron.Cron, string> =>
  Result.mapError(
    Cron.parse(cron, timeZone, dst === undefined ? {} : { onDstOverlap: dst }),
    ({ message }) => `"${cron}" in the zone "${timeZone}" is no schedule: ${message}`
  )

const formatZone = (cron: Cron.Cron): string =>
  Option.match(cron.tz, { onNone: () => "UTC", onSome: DateTime.zoneToString })

/** A spec from what users give, or what is wrong with it. Callers in plain JavaScript may give anything. */
export const specOf = (
  { cron, timeZone }: { readonly cron: unknown; readonly timeZone?: unknown }
): Result.Result<Spec, string> => {
  if (Cron.isCron(cron)) {
    return timeZone === undefined
      ? Result.succeed({
        cron: Cron.format(cron, { includeSeconds: true }),
        timeZone: formatZone(cron),
        dst: cron.onDstOverlap
      })
      : Result.fail("give the time zone to the Cron, not beside it")
  }
  if (typeof cron !== "string") return Result.fail("`cron` must be a cron expression, or a Cron of Effect")
  if (timeZone !== undefined && typeof timeZone !== "string") {
    return Result.fail("`timeZone` must be the name of a zone")
  }
  const spec = { cron, timeZone: timeZone ?? "UTC" }
  return Result.map(parseSpec(spec), () => spec)
}

/** The first tick after a moment. Milliseconds since 1970, as all times here. */
export const nextTick = (cron: Cron.Cron, after: number): number => Cron.next(cron, new Date(after)).getTime()

/** The last tick at a moment or before it. */
export const lastTick = (cron: Cron.Cron, at: number): number => Cron.prev(cron, new Date(at + 1)).getTime()

const isOneOf = (values: ReadonlyArray<string>, value: unknown) => values.includes(value as string)

/** What is wrong with the policies. */
const findMistakeInPolicies = ({ missed = "once", overlap = "skip" }: Options): string | undefined => {
  if (!isOneOf(["once", "all", "skip"], missed)) return "`missed` must be \"once\", \"all\" or \"skip\""
  if (!isOneOf(["skip", "allow"], overlap)) return "`overlap` must be \"skip\" or \"allow\""
  return missed === "all" && overlap !== "allow"
    ? "`missed: \"all\"` needs `overlap: \"allow\"`: the runs of missed ticks begin together"
    : undefined
}

const isVersion = (version: number) => Number.isInteger(version) && version >= 0 && version < 2 ** 31

/** What is wrong with options that are not about times. */
const findMistake = (options: Options): string | undefined => {
  const { state, task, version = 0 } = options
  if (!isDeclaration(task)) return "`task` must be a task, or its declaration"
  if (!isFunction(state)) return "`state` must be a function that returns a state of the task"
  if (!isVersion(version)) return "`version` must be a whole number of 0 or more"
  return findMistakeInPolicies(options)
}

const maxNameLength = 200

/** Whether it can be the name of a recurring task, or of a schedule: together they are the key of what it starts. */
export const isScheduleName = (name: unknown): name is string =>
  typeof name === "string" && name.length > 0 && name.length <= maxNameLength && !/[\0\uD800-\uDFFF]/u.test(name)

/** In milliseconds. NaN for what is no finite duration. */
const toJitter = (jitter: Duration.Input | undefined): number => {
  const spread = Option.map(Duration.fromInput(jitter ?? 0), Duration.toMillis)
  return Option.isSome(spread) && spread.value >= 0 && spread.value < Infinity ? spread.value : NaN
}

/** Makes a recurring task. Throws a `TaskDefinitionError` for what can't work. */
export const makeRecurring = (name: string, options: Options): RecurringDefinition => {
  const fail = (message: string): never => {
    throw new TaskDefinitionError({ message: `Recurring ${JSON.stringify(name)}: ${message}` })
  }
  if (!isScheduleName(name)) {
    fail(`its name must be a text of 1 to ${maxNameLength} characters, without NUL or half surrogate pairs`)
  }
  if (!isObject(options)) fail("its options must be an object with `task` and `state`")
  const mistake = findMistake(options)
  if (mistake !== undefined) fail(mistake)
  const { cron, missed = "once", overlap = "skip", state, timeZone, version = 0 } = options
  const spec = cron === undefined ? undefined : Result.getOrElse(specOf({ cron, timeZone }), fail)
  const jitter = toJitter(options.jitter)
  if (Number.isNaN(jitter)) fail("`jitter` must be a finite duration of 0 or more")
  return { name, spec, version, task: options.task as DeclarationDefinition, state, missed, overlap, jitter }
}
