import * as Command from "effect/cli/Command"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import { connected, limits, within } from "../connection.ts"
import { id, Json } from "../options.ts"
import * as Output from "../output.ts"
import { fieldsOf, paintStatus } from "../rowView.ts"
import { formatDuration, oneLine, pad, printable } from "../text.ts"

const time = (moment: DateTime.Utc) => DateTime.formatIso(moment).replace("T", " ").replace(/\.000Z$/, "Z")

const indent = (text: string) => text.split("\n").map((line) => `  ${line}`).join("\n")

/** What can be done about it next. */
const hints = (row: Admin.Row): ReadonlyArray<string> => {
  const short = row.id.slice(0, 8)
  switch (row.status) {
    case "parked":
      return [
        `pg-task retry ${short}`,
        `pg-task edit ${short} --retry`,
        `pg-task cancel ${short}`
      ]
    case "waiting":
      return [`pg-task run-now ${short}`, `pg-task cancel ${short}`]
    case "running":
    case "ready":
      return [`pg-task watch ${short}`, `pg-task cancel ${short}`]
  }
}

const describe = (row: Admin.Row, style: Output.Style): ReadonlyArray<string> => {
  const status = `${paintStatus(style)(row.status, row)} for ${formatDuration(row.age)}`
  const facts: ReadonlyArray<readonly [string, string | undefined]> = [
    ["id", row.id],
    ["task", oneLine(row.task ?? "?")],
    ["step", oneLine(row.step ?? "?")],
    ["status", status],
    ["due", time(row.wakeupAt)],
    ["tried", String(row.tried)],
    ["steps taken", String(row.transitions)],
    ["workers died", row.deaths === 0 ? undefined : `${row.deaths} in a row`],
    ["lease until", row.leaseUntil === null ? undefined : time(row.leaseUntil)],
    ["created", time(row.createdAt)],
    ["changed", time(row.updatedAt)],
    ["trace", row.trace ?? undefined]
  ]
  const shown = facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`${style.dim(pad(name, 12, "left"))}  ${value}`]
  )
  const state = JSON.stringify(fieldsOf(row), undefined, 2)
  return [
    ...shown,
    "",
    style.bold("STATE"),
    indent(printable(state)),
    ...(row.error === null ? [] : ["", style.bold("ERROR"), style.red(indent(printable(row.error)))]),
    "",
    style.bold("NEXT"),
    ...hints(row).map(indent)
  ]
}

export const show = Command.make(
  "show",
  { id },
  Effect.fnUntraced(function*({ id }) {
    const row = yield* connected(within(limits.read)(Effect.flatMap(Admin.findId(id), Admin.get)))
    if (yield* Json) return yield* Output.json(Schema.encodeSync(Admin.Row)(row))
    yield* Output.lines(describe(row, yield* Output.style))
  })
).pipe(
  Command.withDescription("Show all there is to know about one task"),
  Command.withExamples([{ command: "pg-task show 5d0bb27f", description: "By the first digits of its id" }])
)
