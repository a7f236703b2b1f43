import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import { connected, limits, within } from "../connection.ts"
import { errorColumns, statsColumns, toStats } from "../output/countTable.ts"
import { by, filter, Json, optionalModule } from "../input/flags.ts"
import { knownStates } from "../input/knownStates.ts"
import { readPaused } from "../output/paused.ts"
import * as Output from "../output/print.ts"

const byState = Effect.fnUntraced(function*(filter: Admin.Filter, module: string | undefined) {
  const known = yield* knownStates(module)
  const read = Effect.all({ counts: Admin.counts(filter), isPaused: readPaused })
  const { counts, isPaused } = yield* connected(within(limits.read)(read))
  if (yield* Json) {
    return yield* Output.json(
      counts.map((count) => ({
        ...Schema.encodeSync(Admin.Count)(count),
        ...(isPaused(count) && { paused: true }),
        ...known.facts(count)
      }))
    )
  }
  if (counts.length === 0) return yield* Console.log("No tasks")
  const stats = toStats(counts.map(known.name))
  const marked = stats.map((one) => isPaused(one) ? { ...one, task: `${one.task} (paused)` } : one)
  yield* Output.lines(yield* Output.rows(statsColumns, marked))
})

/** More kinds of errors than anybody reads. */
const maxErrors = 100

const byError = Effect.fnUntraced(function*(filter: Admin.Filter) {
  const counts = yield* connected(within(limits.read)(Admin.countErrors({ ...filter, limit: maxErrors })))
  const noteCut = Output.noteCut(counts, maxErrors, "The most frequent errors are listed")
  if (yield* Json) {
    return yield* Effect.andThen(
      Output.json(counts.map((count) => Schema.encodeSync(Admin.ErrorCount)(count))),
      noteCut
    )
  }
  if (counts.length === 0) return yield* Console.log("Nothing is parked")
  yield* Output.lines(yield* Output.rows(errorColumns, counts))
  yield* noteCut
})

export const stats = Command.make(
  "stats",
  { task: filter.task, step: filter.step, by, module: optionalModule },
  ({ by, module, ...filter }) => by === "error" ? byError(filter) : byState(filter, module)
).pipe(
  Command.withDescription("Count tasks by state and status, with the age of the oldest; or what is parked, by error"),
  Command.withExamples([
    { command: "pg-task stats", description: "Of all tasks" },
    { command: "pg-task stats --module ./tasks.ts", description: "Name the states that your code doesn't know" },
    { command: "pg-task stats --by error", description: "Why tasks are parked" }
  ])
)
