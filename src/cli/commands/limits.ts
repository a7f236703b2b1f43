import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Limits from "../../Limits.ts"
import { connected, limits as timeLimits, within } from "../connection.ts"
import { NothingMatched } from "../exit.ts"
import { Json } from "../input/flags.ts"
import { self } from "../output/ownCommand.ts"
import { pauseAndLook, unusedNote } from "../output/paused.ts"
import * as Output from "../output/print.ts"
import type { Column } from "../output/table.ts"
import { formatCount, formatDuration, oneLine } from "../output/text.ts"

const number = (title: string, value: (count: Limits.Count) => number | null): Column<Limits.Count> => ({
  title,
  value: (count) => {
    const found = value(count)
    return found === null ? "" : formatCount(found)
  },
  align: "right"
})

const stateOf = ({ backOff, paused }: Limits.Count): string =>
  [paused ? "paused" : "", backOff === null ? "" : `backs off for ${formatDuration(backOff)}`].filter(Boolean).join(
    ", "
  )

const columns = (): ReadonlyArray<Column<Limits.Count>> => [
  { title: "LIMIT", value: ({ limit }) => oneLine(limit), min: 8 },
  { title: "KEY", value: ({ key }) => oneLine(key ?? ""), min: 8 },
  number("RUNNING", ({ atWork }) => atWork),
  number("OF", ({ running }) => running),
  {
    title: "RATE",
    value: ({ rate }) => rate === null ? "" : `${formatCount(rate.limit)} per ${formatDuration(rate.per)}`
  },
  number("WAITING", ({ waiting }) => waiting),
  { title: "OLDEST", value: ({ oldest }) => oldest === null ? "" : formatDuration(oldest), align: "right" },
  { title: "", value: stateOf }
]

const list = Effect.gen(function*() {
  const found = yield* connected(within(timeLimits.read)(Limits.list()))
  if (yield* Json) return yield* Output.json(found.map((one) => Schema.encodeSync(Limits.Count)(one)))
  if (found.length === 0) return yield* Console.log("No task is at a limit")
  yield* Output.lines(yield* Output.rows(columns, found))
})

const limit = Argument.String("limit").pipe(Argument.withDescription("The name of the limit"))
const key = Argument.String("key").pipe(
  Argument.withDescription("One key of it. Default: all of them"),
  Argument.optional
)

const targetOf = (limit: string, key: Option.Option<string>) => ({ limit, key: Option.getOrUndefined(key) })

const titleOf = ({ key, limit }: ReturnType<typeof targetOf>) => oneLine(key === undefined ? limit : `${limit} ${key}`)

const pause = Command.make(
  "pause",
  { limit, key },
  Effect.fnUntraced(function*({ key, limit }) {
    const target = targetOf(limit, key)
    const isUsed = yield* connected(within(timeLimits.write)(pauseAndLook(target)))
    yield* (yield* Json) ? Output.json({ paused: true }) : Console.log(`Paused ${titleOf(target)}`)
    if (!isUsed) yield* unusedNote(`limit ${titleOf(target)}`)
  })
).pipe(Command.withDescription("Let no task of a limit begin"))

const resume = Command.make(
  "resume",
  { limit, key },
  Effect.fnUntraced(function*({ key, limit }) {
    const target = targetOf(limit, key)
    const resumed = yield* connected(within(timeLimits.write)(Limits.resume(target)))
    if (!resumed) {
      return yield* new NothingMatched({ message: `${titleOf(target)} is not paused: see ${self("limits")}` })
    }
    yield* (yield* Json) ? Output.json({ resumed }) : Console.log(`Resumed ${titleOf(target)}`)
  })
).pipe(Command.withDescription("Let a paused limit go on"))

export const limits = Command.make("limits", {}, () => list).pipe(
  Command.withDescription("List the limits: how many tasks are at work, and how many wait; pause them, resume them"),
  Command.withSubcommands([pause, resume]),
  Command.withExamples([
    { command: "pg-task limits pause tenant acme", description: "One key of a limit" }
  ])
)
