import * as Command from "effect/cli/Command"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import { connected, limits, within } from "../connection.ts"
import { id, Json } from "../input/flags.ts"
import { historyColumns } from "../output/historyTable.ts"
import * as Output from "../output/print.ts"
import { oneLine } from "../output/text.ts"

/** More would be too much to read. */
const maxEntries = 1000

const encode = Schema.encodeSync(Admin.HistoryEntry)

export const history = Command.make(
  "history",
  { id },
  Effect.fnUntraced(function*({ id }) {
    const entries = yield* connected(within(limits.read)(Admin.history(id, { limit: maxEntries })))
    const noteCut = Output.noteCut(entries, maxEntries, "The last attempts of it are listed")
    if (yield* Json) return yield* Effect.andThen(Output.json(entries.map((entry) => encode(entry))), noteCut)
    if (entries.length === 0) {
      return yield* Output.note(`No history of a task ${id}: its task keeps none, or keeps it for a shorter time`)
    }
    const [first] = entries
    yield* Output.lines([
      `${oneLine(first!.task)} ${first!.id}, last attempt ${DateTime.formatIso(entries.at(-1)!.endedAt)}`,
      ...(yield* Output.rows(historyColumns, entries))
    ])
    yield* noteCut
  })
).pipe(
  Command.withDescription("Show the attempts of one task that keeps a history, also after its end"),
  Command.withExamples([{ command: "pg-task history 5d0bb27f", description: "By the first digits of its id" }])
)
