import * as Command from "effect/cli/Command"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import { connected, limits, within } from "../connection.ts"
import { pretty } from "../output/json.ts"
import { id, Json } from "../input/flags.ts"
import * as Output from "../output/print.ts"
import { historyColumns } from "../output/historyTable.ts"
import { fieldsOf, paintStatus } from "../output/rowTable.ts"
import { self } from "../output/ownCommand.ts"
import { formatDuration, oneLine, pad, printable } from "../output/text.ts"

const time = (moment: DateTime.Utc) => DateTime.formatIso(moment).replace("T", " ").replace(/\.000Z$/, "Z")

const indent = (text: string) => text.split("\n").map((line) => `  ${line}`).join("\n")

type Hint = readonly [command: string, why: string]

/** The commands that can be used next. */
const hintsOf = ({ id, status }: Admin.Row): ReadonlyArray<Hint> => {
  const short = id.slice(0, 8)
  const cancel: Hint = [`cancel ${short}`, "delete it for good"]
  switch (status) {
    case "parked":
      return [
        [`retry ${short}`, "go on from this step, counting tries from 1 again"],
        [`edit ${short} --retry`, "change its state first"],
        cancel
      ]
    case "scheduled":
      return [[`run-now ${short}`, "don't wait"], [`edit ${short}`, "change its state"], cancel]
    case "running":
      return [[`watch ${short}`, "see what becomes of it"], [`cancel ${short}`, "interrupt it, and delete it for good"]]
    case "ended":
      return [[`cancel ${short}`, "delete the result"]]
    case "ready":
      return [[`watch ${short}`, "see what becomes of it"], cancel]
  }
}

const describeHints = (row: Admin.Row, style: Output.Style): ReadonlyArray<string> => {
  const hints = hintsOf(row).map(([command, why]) => [self(command), why] as const)
  const width = Math.max(...hints.map(([command]) => command.length))
  return hints.map(([command, why]) => `  ${pad(command, width, "left")}  ${style.dim(why)}`)
}

/** The error for which it is parked, or for which its step was last retried. */
const failure = ({ error, lastError }: Admin.Row, style: Output.Style): ReadonlyArray<string> => {
  const text = error ?? lastError
  return text === null
    ? []
    : ["", style.bold(error === null ? "LAST ERROR" : "ERROR"), style.red(indent(printable(text)))]
}

const describe = (row: Admin.Row, style: Output.Style): ReadonlyArray<string> => {
  const status = `${paintStatus(style)(row.status, row)} for ${formatDuration(row.age)}`
  const facts: ReadonlyArray<readonly [string, string | undefined]> = [
    ["id", row.id],
    ["task", oneLine(row.task ?? "?")],
    ["step", oneLine(row.step ?? "?")],
    ["status", status],
    ["key", row.key === null ? undefined : oneLine(row.key)],
    ["due", row.endedAt === null ? time(row.wakeupAt) : undefined],
    ["tried", String(row.tried)],
    ["steps taken", String(row.transitions)],
    ["crashes", row.crashes === 0 ? undefined : `${row.crashes} in a row`],
    ["lease until", row.leaseUntil === null ? undefined : time(row.leaseUntil)],
    ["ended", row.endedAt === null ? undefined : time(row.endedAt)],
    ["kept until", row.keptUntil === null ? undefined : time(row.keptUntil)],
    ["created", time(row.createdAt)],
    ["changed", time(row.updatedAt)],
    ["trace", row.trace === null ? undefined : oneLine(row.trace)]
  ]
  const shown = facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${style.dim(pad(name, 12, "left"))}  ${value}`]
  )
  return [
    ...shown,
    "",
    style.bold("STATE"),
    indent(printable(pretty(fieldsOf(row)))),
    ...failure(row, style)
  ]
}

const describeNext = (row: Admin.Row, style: Output.Style): ReadonlyArray<string> => [
  "",
  style.bold("NEXT"),
  ...describeHints(row, style)
]

/** How many attempts of its history are shown with a task. */
const lastAttempts = 5

/** A role may read the tasks and not their history: then it is shown without. */
const read = Effect.fnUntraced(function*(id: string) {
  const row = yield* Effect.flatMap(Admin.findId(id), Admin.get)
  const attempts = yield* Effect.orElseSucceed(Admin.history(row.id, { limit: lastAttempts }), () => [])
  return { row, attempts }
})

export const show = Command.make(
  "show",
  { id },
  Effect.fnUntraced(function*({ id }) {
    const { attempts, row } = yield* connected(within(limits.read)(read(id)))
    if (yield* Json) return yield* Output.json(Schema.encodeSync(Admin.Row)(row))
    const style = yield* Output.style
    const past = attempts.length === 0 ? [] : [
      "",
      style.bold("LAST ATTEMPTS"),
      ...(yield* Output.rows(historyColumns, attempts)).map((line) => `  ${line}`)
    ]
    yield* Output.lines([...describe(row, style), ...past, ...describeNext(row, style)])
  })
).pipe(
  Command.withDescription("Show everything about one task"),
  Command.withExamples([{ command: "pg-task show 5d0bb27f", description: "By the first digits of its id" }])
)
