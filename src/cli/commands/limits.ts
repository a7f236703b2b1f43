import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Limits from "../../Limits.ts"
import { connected, limits as timeLimits, within } from "../connection.ts"
import { Json } from "../input/flags.ts"
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

export const limits = Command.make("limits", {}, () => list).pipe(
  Command.withDescription("List the limits: how many tasks are at work, and how many wait")
)
