import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Limits from "../../Limits.ts"
import * as Pauses from "../../Pauses.ts"
import { connected, limits as timeLimits, within } from "../connection.ts"
import { NothingMatched } from "../exit.ts"
import { Json, limitKey, limitName } from "../input/flags.ts"
import { self } from "../output/ownCommand.ts"
import { titleOf, unusedNote } from "../output/paused.ts"
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

const stateOf = ({ backOff, itself, paused }: Limits.Count): string =>
  [
    paused ? "paused" : "",
    backOff === null ? "" : `backs off for ${formatDuration(backOff)}`,
    itself.running === null ? "" : `set to ${formatCount(itself.running)}`
  ].filter(Boolean).join(", ")

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

/** There may be a million keys. */
const maxKeys = 1000

const list = Effect.gen(function*() {
  const found = yield* connected(within(timeLimits.read)(Limits.list({ first: maxKeys })))
  const noteCut = Output.noteCut(found, maxKeys, "Those with the most waiting tasks are listed")
  if (yield* Json) {
    return yield* Effect.andThen(Output.json(found.map((one) => Schema.encodeSync(Limits.Count)(one))), noteCut)
  }
  if (found.length === 0) return yield* Console.log("No task is at a limit")
  yield* Output.lines(yield* Output.rows(columns, found))
  yield* noteCut
})

const target = { limit: limitName, key: limitKey }

/** Sets it, and returns whether something had this name before. Who sets it may not be allowed to look: then it had. */
const lookAndSet = (target: Limits.Target, running: number) =>
  Effect.tap(Effect.orElseSucceed(Pauses.isUsed(target), () => true), Limits.setRunning(target, running))

const set = Command.make(
  "set",
  {
    ...target,
    running: Flag.Int("running").pipe(Flag.withDescription("How many tasks may be at work: 1 to 10,000"))
  },
  Effect.fnUntraced(function*({ key, limit, running }) {
    const isUsed = yield* connected(within(timeLimits.write)(lookAndSet({ limit, key }, running)))
    const title = titleOf({ limit, key })
    yield* (yield* Json) ? Output.json({ running }) : Console.log(`Set ${title} to ${formatCount(running)}`)
    if (!isUsed) yield* unusedNote(title)
  })
).pipe(Command.withDescription("Change how many tasks of a limit, or of a key, may be at work, whatever the code says"))

const reset = Command.make(
  "reset",
  target,
  Effect.fnUntraced(function*({ key, limit }) {
    const title = titleOf({ limit, key })
    const wasSet = yield* connected(within(timeLimits.write)(Limits.resetRunning({ limit, key })))
    if (!wasSet) {
      return yield* new NothingMatched({ message: `No number is set for the ${title}: see ${self("limits")}` })
    }
    yield* (yield* Json) ? Output.json({ reset: true }) : Console.log(`The ${title} has the number of the code again`)
  })
).pipe(Command.withDescription("Let the number of the code hold again"))

export const limits = Command.make("limits", {}, () => list).pipe(
  Command.withDescription("List the limits: how many tasks are at work, and how many wait; change how many may be"),
  Command.withSubcommands([set, reset]),
  Command.withExamples([
    {
      command: "pg-task limits set --limit tenant --key acme --running 1",
      description: "One task of this key at a time"
    },
    { command: "pg-task limits reset --limit tenant --key acme", description: "As the code says" }
  ])
)
