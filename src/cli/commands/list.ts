import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import { TaskId } from "../../TaskId.ts"
import { connected, limits, within } from "../connection.ts"
import { stringify } from "../output/json.ts"
import { filter, Json, optional, optionalModule, status, waitsFor } from "../input/flags.ts"
import { type KnownStates, knownStates } from "../input/knownStates.ts"
import * as Output from "../output/print.ts"
import { rowColumns } from "../output/rowTable.ts"
import { self } from "../output/ownCommand.ts"
import { oneLine } from "../output/text.ts"

/** How many rows one statement reads. */
const pageSize = 1000

const encode = Schema.encodeSync(Admin.Row)

/** Reads up to `limit` rows, page by page, and calls `onPage` for each page. */
const eachPage = <E, R>(
  { limit, ...options }: Admin.ListOptions & { readonly limit: number },
  onPage: (rows: ReadonlyArray<Admin.Row>, isFirst: boolean) => Effect.Effect<void, E, R>
) =>
  Effect.gen(function*() {
    let { after } = options
    let read = 0
    do {
      const page = yield* within(limits.read)(
        Admin.list({ ...options, after, limit: Math.min(limit - read, pageSize) })
      )
      yield* onPage(page.rows, read === 0)
      read += page.rows.length
      after = page.next
    } while (after !== undefined && read < limit)
    return { next: after, read }
  })

type Options = Parameters<typeof eachPage>[0] & { readonly known: KnownStates }

/** The output is one JSON document, but each page is printed when it was read: there may be a million rows. */
const printJson = Effect.fnUntraced(function*({ known, ...options }: Options) {
  const { next } = yield* eachPage(options, (rows, isFirst) => {
    const lines = rows.map((row) => stringify({ ...encode(row), ...known.facts(row) }))
    // The beginning is printed with the first page: an error before that leaves no half of a document.
    if (isFirst) return Console.log(`{"tasks":[\n${lines.join("\n,")}`)
    return lines.length === 0 ? Effect.void : Console.log(`,${lines.join("\n,")}`)
  })
  yield* Console.log(`],"next":${JSON.stringify(next ?? null)}}`)
})

const printTable = Effect.fnUntraced(function*({ known, ...options }: Options) {
  const { next, read } = yield* eachPage(
    options,
    (rows, isFirst) =>
      Effect.flatMap(
        Output.rows(rowColumns, rows.map((row) => known.name(row))),
        (lines) => rows.length === 0 ? Effect.void : Output.lines(isFirst ? lines : lines.slice(1))
      )
  )
  if (read === 0) yield* Output.note(`No task matches: see ${self("stats")}`)
  if (next !== undefined) {
    yield* Output.note(`There are more: give a greater --limit, or --after '${oneLine(next)}'`)
  }
})

/** A whole id may be that of a task that is gone: its children may still be there. */
const findParent = (given: string | undefined) =>
  given === undefined || Schema.is(TaskId)(given)
    ? Effect.succeed(given)
    : within(limits.read)(Admin.findId(given))

export const list = Command.make(
  "list",
  {
    ...filter,
    status,
    waitsFor,
    module: optionalModule,
    newest: Flag.Boolean("newest").pipe(
      Flag.withDescription("The last due one comes first. Default: the first due one comes first"),
      Flag.withDefault(false)
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withAlias("n"),
      Flag.withDescription("How many at most. Default 50"),
      Flag.filter((limit) => limit > 0, () => "a number of 1 or more"),
      Flag.withDefault(50)
    ),
    parent: optional(
      Flag.String("parent").pipe(
        Flag.withMetavar("id"),
        Flag.withDescription("The children of this task: its id, or its first 4 or more digits")
      )
    ),
    all: Flag.Boolean("all").pipe(Flag.withDescription("All of them, however many"), Flag.withDefault(false)),
    after: optional(
      Flag.String("after").pipe(
        Flag.withMetavar("cursor"),
        Flag.withDescription("Go on from here: the `next` of the page before"),
        Flag.withSchema(Admin.Cursor)
      )
    )
  },
  Effect.fnUntraced(function*({ all, limit, module, newest, parent: given, ...options }) {
    const order = newest ? "newestFirst" : "oldestFirst"
    const wanted = { ...options, order, limit: all ? Infinity : limit, known: yield* knownStates(module) } as const
    const print = (yield* Json) ? printJson : printTable
    yield* connected(Effect.flatMap(findParent(given), (parent) => print({ ...wanted, parent })))
  })
).pipe(
  Command.withAlias("ls"),
  Command.withDescription("List tasks, in the order in which they are or were due"),
  Command.withExamples([
    { command: "pg-task list --status parked", description: "What has failed for good" },
    { command: "pg-task list --waits-for Approved", description: "What waits for this signal" },
    { command: "pg-task list --status ready --older-than 10m", description: "What no worker takes" },
    {
      command: "pg-task list -t Greeter -e 'connect*timeout' --json | jq -r '.tasks[].id'",
      description: "Ids for a script"
    }
  ])
)
