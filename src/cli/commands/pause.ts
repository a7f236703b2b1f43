import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import { connected, limits, within } from "../connection.ts"
import { NothingMatched, UsageError } from "../exit.ts"
import { Json, limitKey, limitName, optional, taskName } from "../input/flags.ts"
import { pauseAndLook, titleOf, unusedNote } from "../output/paused.ts"
import { self } from "../output/ownCommand.ts"
import * as Output from "../output/print.ts"
import type { Column } from "../output/table.ts"
import { formatDuration } from "../output/text.ts"

const flags = {
  task: optional(taskName.pipe(Flag.withDescription("The name of a task"))),
  limit: optional(limitName),
  key: limitKey
}

interface Given {
  readonly task: string | undefined
  readonly limit: string | undefined
  readonly key: string | undefined
}

const targetOf = ({ key, limit, task }: Given): Effect.Effect<Admin.PauseTarget, UsageError> =>
  task !== undefined && limit === undefined && key === undefined
    ? Effect.succeed({ task })
    : task === undefined && limit !== undefined
    ? Effect.succeed({ limit, key })
    : new UsageError({ message: "Give --task, or --limit with or without --key" })

const columns = (): ReadonlyArray<Column<Admin.Pause>> => [
  { title: "PAUSED", value: titleOf, min: 8 },
  { title: "FOR", value: ({ age }) => formatDuration(age), align: "right" }
]

const list = Effect.gen(function*() {
  const found = yield* connected(within(limits.read)(Admin.pauses))
  if (yield* Json) return yield* Output.json(found.map((one) => Schema.encodeSync(Admin.Pause)(one)))
  if (found.length === 0) return yield* Console.log("Nothing is paused")
  yield* Output.lines(yield* Output.rows(columns, found))
})

const pauseOne = Effect.fnUntraced(function*(given: Given) {
  const target = yield* targetOf(given)
  const isUsed = yield* connected(within(limits.write)(pauseAndLook(target)))
  yield* (yield* Json) ? Output.json({ paused: true }) : Console.log(`Paused ${titleOf(given)}`)
  if (!isUsed) yield* unusedNote(titleOf(given))
})

export const pause = Command.make(
  "pause",
  flags,
  (given) => Object.values(given).every((value) => value === undefined) ? list : pauseOne(given)
).pipe(
  Command.withDescription("Let no step of a task, or of a limit, begin; without a flag: list what is paused"),
  Command.withExamples([
    { command: "pg-task pause --task Mails", description: "All workers stop beginning steps of this task" },
    { command: "pg-task pause --limit tenant --key acme", description: "One key of a limit" },
    { command: "pg-task pause", description: "What is paused?" }
  ])
)

export const resume = Command.make(
  "resume",
  flags,
  Effect.fnUntraced(function*(given) {
    const target = yield* targetOf(given)
    const resumed = yield* connected(within(limits.write)(Admin.resume(target)))
    if (!resumed) {
      return yield* new NothingMatched({ message: `The ${titleOf(given)} is not paused: see ${self("pause")}` })
    }
    yield* (yield* Json) ? Output.json({ resumed }) : Console.log(`Resumed ${titleOf(given)}`)
  })
).pipe(
  Command.withDescription("Let what is paused go on"),
  Command.withExamples([{ command: "pg-task resume --task Mails", description: "Its tasks begin again" }])
)
