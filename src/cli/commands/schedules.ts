import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Schedules from "../../Schedules.ts"
import { connected, limits, within } from "../connection.ts"
import { NothingMatched, UsageError } from "../exit.ts"
import { confirm } from "../input/confirm.ts"
import { dryRun, Json, module, yes } from "../input/flags.ts"
import { loadRecurring } from "../input/tasksModule.ts"
import { self } from "../output/ownCommand.ts"
import * as Output from "../output/print.ts"
import type { Column } from "../output/table.ts"
import { oneLine, plural } from "../output/text.ts"

const time = (moment: DateTime.Utc | null) =>
  moment === null ? "" : DateTime.formatIso(moment).replace("T", " ").replace(/\.000Z$/, "Z")

/** Why it has no next tick, or how many it has not run. */
const detailOf = ({ error, missed, overlapped, paused }: Schedules.Schedule): string =>
  error !== null
    ? `parked: ${oneLine(error)}`
    : [paused ? "paused" : "", missed > 0 ? `${missed} missed` : "", overlapped > 0 ? `${overlapped} overlapped` : ""]
      .filter((part) => part !== "").join(", ")

const columns = (): ReadonlyArray<Column<Schedules.Schedule>> => [
  { title: "RECURRING", value: ({ recurring }) => oneLine(recurring), min: 8 },
  { title: "NAME", value: ({ name }) => oneLine(name), min: 8 },
  { title: "CRON", value: ({ cron }) => oneLine(cron ?? "?") },
  { title: "ZONE", value: ({ timeZone }) => oneLine(timeZone ?? "?") },
  { title: "NEXT", value: ({ next }) => time(next) },
  { title: "LAST", value: ({ last }) => time(last) },
  { title: "DETAIL", value: detailOf, min: 8 }
]

const toJson = (found: ReadonlyArray<Schedules.Schedule>) =>
  Output.json(found.map((one) => Schema.encodeSync(Schedules.Schedule)(one)))

const list = Effect.gen(function*() {
  const found = yield* connected(within(limits.read)(Schedules.list))
  if (yield* Json) return yield* toJson(found)
  if (found.length === 0) return yield* Console.log("No schedules")
  yield* Output.lines(yield* Output.rows(columns, found))
})

const recurring = Argument.String("recurring").pipe(Argument.withDescription("The name of the recurring task"))
const name = Argument.String("name").pipe(
  Argument.withDescription("The name of the schedule. Default: all of the recurring task"),
  Argument.optional
)

const changing = (
  command: "pause" | "resume" | "run",
  { change, description, done }: {
    readonly change: Schedules.Change
    readonly description: string
    readonly done: string
  }
) =>
  Command.make(
    command,
    { recurring, name },
    Effect.fnUntraced(function*({ name, recurring }) {
      const changed = yield* connected(within(limits.write)(change(recurring, Option.getOrUndefined(name))))
      if (changed === 0) return yield* new NothingMatched({ message: `No such schedule: see ${self("schedules")}` })
      yield* (yield* Json) ? Output.json({ changed }) : Console.log(`${done} ${plural(changed, "schedule")}`)
    })
  ).pipe(Command.withDescription(description))

interface Pruning {
  readonly recurring: ReadonlyArray<string>
  readonly module: string
  readonly all: boolean
  readonly dryRun: boolean
  readonly yes: boolean
}

/** Other programs may have schedules in the same table. Nobody deletes these unseen, or because of a wrong module. */
const checkPruning = ({ all, dryRun, module, recurring, yes }: Pruning, known: ReadonlyArray<unknown>) => {
  if (dryRun || all || recurring.length > 0 || (known.length > 0 && !yes)) return Effect.void
  const why = known.length === 0
    ? `${module} exports no recurring task, so the schedules of all programs would be deleted`
    : `With --yes, nobody sees which schedules are deleted, and other programs may have some in this table`
  return new UsageError({
    message: `${why}: name the recurring tasks whose schedules are to be deleted, or give --all. ${
      self("schedules prune --dry-run")
    } only shows them`
  })
}

const pruned = Effect.fnUntraced(function*({ dryRun, module, recurring, yes, ...given }: Pruning) {
  const known = yield* loadRecurring(module)
  yield* checkPruning({ dryRun, module, recurring, yes, ...given }, known)
  const wanted = (one: Schedules.Schedule) => recurring.length === 0 || recurring.includes(one.recurring)
  const found = (yield* within(limits.read)(Schedules.orphans(known))).filter(wanted)
  if (found.length === 0) {
    return yield* new NothingMatched({ message: `Nothing to delete: ${module} has all of these schedules` })
  }
  const table = Effect.flatMap(Output.rows(columns, found), Output.lines)
  if (dryRun) {
    if (yield* Json) return yield* toJson(found)
    return yield* Effect.andThen(table, Console.log(`Would delete ${plural(found.length, "schedule")}`))
  }
  yield* confirm(`Delete ${plural(found.length, "schedule")}, which ${module} does not have?`, { yes, details: table })
  const deleted = yield* within(limits.write)(Schedules.prune(known, { only: found }))
  if (yield* Json) return yield* toJson(deleted)
  // Those who gave --yes have not seen them.
  const names = deleted.map((one) => `${oneLine(one.recurring)} ${oneLine(one.name)}`)
  yield* Console.log([...names, `Deleted ${plural(deleted.length, "schedule")}`].join("\n"))
})

const prune = Command.make(
  "prune",
  {
    recurring: Argument.String("recurring").pipe(
      Argument.withDescription("Only those of recurring tasks with these names. Default: all that the module lacks"),
      Argument.variadic()
    ),
    module,
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Whatever the module lacks: it exports the recurring tasks of all programs"),
      Flag.withDefault(false)
    ),
    dryRun,
    yes
  },
  (given) => connected(pruned(given))
).pipe(Command.withDescription("Delete schedules that your code does not have any more"))

export const schedules = Command.make("schedules", {}, () => list).pipe(
  Command.withDescription("List the schedules of recurring tasks; pause them, resume them, let them tick now"),
  Command.withSubcommands([
    changing("pause", { change: Schedules.pause, description: "Let schedules have no ticks", done: "Paused" }),
    changing("resume", { change: Schedules.resume, description: "Let paused schedules go on", done: "Resumed" }),
    changing("run", { change: Schedules.runNow, description: "Let schedules tick now", done: "Due now:" }),
    prune
  ]),
  Command.withExamples([
    { command: "pg-task schedules pause nightly-report tenant-7", description: "One of them" },
    {
      command: "pg-task schedules prune --module ./tasks.ts --dry-run",
      description: "Which are no longer in the code?"
    }
  ])
)
