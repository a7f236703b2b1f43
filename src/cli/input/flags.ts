/** The flags and arguments that several commands share. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as Admin from "../../Admin.ts"

export const Url = GlobalFlag.Setting("url")({
  flag: Flag.String("url").pipe(
    Flag.withMetavar("postgres://…"),
    Flag.withDescription("The database. Default: the environment variable DATABASE_URL"),
    Flag.optional
  )
})

export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
})

const units: Record<string, Duration.Unit> = {
  ms: "millis",
  s: "seconds",
  m: "minutes",
  h: "hours",
  d: "days",
  w: "weeks"
}

const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)$/.exec(text.trim())
  return match === null
    ? Duration.fromInput(text as Duration.Input)
    : Option.some(Duration.fromInputUnsafe(`${Number(match[1])} ${units[match[2]!]!}`))
}

export const duration = (name: string): Flag.Flag<Duration.Duration> =>
  Flag.String(name).pipe(
    Flag.withMetavar("30s|5m|2h|1d"),
    Flag.filterMap(parseDuration, () => "a duration with its unit, such as 500ms, 30s, 5m, 2h or 1d")
  )

export const dateTime = (name: string): Flag.Flag<DateTime.Utc> =>
  Flag.String(name).pipe(
    Flag.withMetavar("2030-01-31T08:00:00Z"),
    Flag.filterMap(
      (text) => DateTime.make(text),
      () => "a time such as 2030-01-31T08:00:00Z"
    )
  )

const optional = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> =>
  flag.pipe(Flag.optional, Flag.map(Option.getOrUndefined))

export const yes = Flag.Boolean("yes").pipe(
  Flag.withAlias("y"),
  Flag.withDescription("Don't ask"),
  Flag.withDefault(false)
)

export const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Only say what would be changed"),
  Flag.withDefault(false)
)

const statuses = ["ready", "limited", "scheduled", "waiting", "running", "parked", "ended"] as const

/** Stands for rows without a task's name, in the output and in flags. */
const unnamed = "?"

export const taskName = Flag.String("task").pipe(Flag.withAlias("t"), Flag.withDescription("The task's name"))

export const limitName = Flag.String("limit").pipe(Flag.withAlias("l"), Flag.withDescription("The name of a limit"))
export const limitKey = optional(
  Flag.String("key").pipe(Flag.withAlias("k"), Flag.withDescription("One key of the limit"))
)

/** Which tasks. */
export const filter = {
  task: optional(
    taskName.pipe(
      Flag.withDescription("The task's name; '?' for rows that are no task"),
      Flag.map((name) => name === unnamed ? null : name)
    )
  ),
  step: optional(Flag.String("step").pipe(Flag.withAlias("s"), Flag.withDescription("The tag of its state"))),
  key: optional(Flag.String("key").pipe(Flag.withAlias("k"), Flag.withDescription("Its key"))),
  error: optional(
    Flag.String("error").pipe(
      Flag.withAlias("e"),
      Flag.withMetavar("text"),
      Flag.withDescription("A part of its error, in upper or lower case; * stands for anything")
    )
  ),
  olderThan: optional(
    duration("older-than").pipe(Flag.withDescription("It has had its status for this long, or longer"))
  ),
  newerThan: optional(duration("newer-than").pipe(Flag.withDescription("It has had its status for less than this")))
}

export const status = Flag.Literals("status", statuses).pipe(
  Flag.withDescription("Its status; give it again for more than one"),
  Flag.atLeast(0),
  Flag.map((given): ReadonlyArray<Admin.Status> | undefined => given.length === 0 ? undefined : given)
)

export const waitsFor = optional(
  Flag.String("waits-for").pipe(
    Flag.withMetavar("signal"),
    Flag.withDescription("It waits for the signal with this tag")
  )
)

/** How parked tasks are counted. */
export const by = optional(
  Flag.Literals("by", ["error"]).pipe(
    Flag.withDescription("Count what is parked by the first line of its error")
  )
)

export const id = Argument.String("id").pipe(
  Argument.withDescription("The task's id, or its first 4 or more digits")
)

export const ids = id.pipe(Argument.variadic())

export const module = Flag.File("module").pipe(
  Flag.withAlias("m"),
  Flag.withMetavar("./tasks.ts"),
  Flag.withDescription("The module that exports your tasks")
)

/** What happens if the key of a new task is taken. */
export const onConflict = optional(
  Flag.Literals("on-conflict", ["keep", "fail", "replace", "debounce", "throttle"]).pipe(
    Flag.withDescription("If the key is taken: keep the task that has it (the default), fail, or replace its state")
  )
)

export const optionalModule = optional(module)

export { optional }
