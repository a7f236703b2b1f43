import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import { connected, limits, within } from "../connection.ts"
import { statsColumns, toStats } from "../countView.ts"
import { filter, Json } from "../options.ts"
import * as Output from "../output.ts"

export const stats = Command.make(
  "stats",
  { task: filter.task, step: filter.step },
  Effect.fnUntraced(function*(options) {
    const counts = yield* connected(within(limits.read)(Admin.counts(options)))
    if (yield* Json) return yield* Output.json(counts.map((count) => Schema.encodeSync(Admin.Count)(count)))
    if (counts.length === 0) return yield* Console.log("No tasks")
    yield* Output.lines(yield* Output.rows(statsColumns, toStats(counts)))
  })
).pipe(
  Command.withDescription("Count tasks by state and status, with the age of the oldest"),
  Command.withExamples([{ command: "pg-task stats", description: "Of all tasks" }])
)
