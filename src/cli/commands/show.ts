import * as Command from "effect/cli/Command"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import type { TaskId } from "../../TaskId.ts"
import { connected, limits, within } from "../connection.ts"
import { pretty } from "../output/json.ts"
import { id, Json } from "../input/flags.ts"
import { readPaused } from "../output/paused.ts"
import * as Output from "../output/print.ts"
import { historyColumns } from "../output/historyTable.ts"
import { fieldsOf, paintStatus, signalsOf, waitsForOf } from "../output/rowTable.ts"
import { self } from "../output/ownCommand.ts"
import { formatDuration, oneLine, pad, printable } from "../output/text.ts"

const time = (moment: DateTime.Utc) => DateTime.formatIso(moment).replace("T", " ").replace(/\.000Z$/, "Z")

const indent = (text: string) => text.split("\n").map((line) => `  ${line}`).join("\n")

type Hint = readonly [command: string, why: string]

/** How many children a task has with each status. */
type Children = ReadonlyMap<Admin.Status, number>

/** How to let a task that waits go on. */
const waitHints = (row: Admin.Row, short: string, children: Children): ReadonlyArray<Hint> => {
  const [signal] = signalsOf(row)
  return [
    ...(signal === undefined ? [] : [[`signal ${short} ${signal} '{…}'`, "send it what it waits for"] as const]),
    ...(children.has("parked")
      ? [[`list --parent ${short} --status parked`, "see which of its children need help"] as const]
      : []),
    ...(row.waitUntil === null ? [] : [[`end-wait ${short}`, "let its time be over"] as const])
  ]
}

/** The commands that can be used next. */
const hintsOf = (row: Admin.Row, children: Children): ReadonlyArray<Hint> => {
  const { id, status } = row
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
    case "waiting":
      return [...waitHints(row, short, children), cancel]
    case "running":
      return [[`watch ${short}`, "see what becomes of it"], [`cancel ${short}`, "interrupt it, and delete it for good"]]
    case "ended":
      return [[`cancel ${short}`, "delete the result"]]
    case "ready":
    case "limited":
      return [[`watch ${short}`, "see what becomes of it"], cancel]
  }
}

const describeHints = (row: Admin.Row, children: Children, style: Output.Style): ReadonlyArray<string> => {
  const hints = hintsOf(row, children).map(([command, why]) => [oneLine(self(command)), why] as const)
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

const childrenOf = Effect.fnUntraced(function*(parent: TaskId) {
  const counts = new Map<Admin.Status, number>()
  for (const { count, status } of yield* Admin.counts({ parent })) counts.set(status, (counts.get(status) ?? 0) + count)
  return counts
})

const describeChildren = (children: Children): string | undefined =>
  children.size === 0 ? undefined : Array.from(children, ([status, count]) => `${count} ${status}`).join(", ")

/** The signals that it has not taken. */
const signalLines = (signals: ReadonlyArray<Admin.InboxSignal>, style: Output.Style): ReadonlyArray<string> =>
  signals.length === 0 ? [] : [
    "",
    style.bold("SIGNALS"),
    ...signals.map(({ dedupe, fields, sentAt, signal }) =>
      [
        `  ${oneLine(signal ?? "?")}  ${oneLine(fields)}`,
        style.dim(
          [sentAt === null ? "" : time(sentAt), dedupe === null ? "" : `key ${oneLine(dedupe)}`].filter(Boolean).join(
            ", "
          )
        )
      ].join("  ")
    )
  ]

const limitOf = ({ limit, slot }: Admin.Row) =>
  limit === null || slot === null ? limit && oneLine(limit) : `${oneLine(limit)}, slot ${slot}`

const pausedNote = (isPaused: boolean): string => isPaused ? ", its task is paused" : ""

const describe = (
  row: Admin.Row,
  { children, isPaused, signals }: Pick<Effect.Success<ReturnType<typeof read>>, "children" | "isPaused" | "signals">,
  style: Output.Style
): ReadonlyArray<string> => {
  const status = `${paintStatus(style)(row.status, row)} for ${formatDuration(row.age)}${pausedNote(isPaused(row))}`
  const facts: ReadonlyArray<readonly [string, string | null | undefined]> = [
    ["id", row.id],
    ["task", oneLine(row.task ?? "?")],
    ["step", oneLine(row.step ?? "?")],
    ["status", status],
    ["parent", row.parent],
    ["children", describeChildren(children)],
    ["key", row.key === null ? undefined : oneLine(row.key)],
    ["limit", limitOf(row)],
    ["due", row.endedAt === null ? time(row.wakeupAt) : undefined],
    ["tried", String(row.tried)],
    ["steps taken", String(row.transitions)],
    ["crashes", row.crashes === 0 ? undefined : `${row.crashes} in a row`],
    ["waits for", row.waitsFor === null ? undefined : waitsForOf(row)],
    ["wait until", row.waitUntil === null ? undefined : time(row.waitUntil)],
    ["lease until", row.leaseUntil === null ? undefined : time(row.leaseUntil)],
    ["ended", row.endedAt === null ? undefined : time(row.endedAt)],
    ["kept until", row.keptUntil === null ? undefined : time(row.keptUntil)],
    ["created", time(row.createdAt)],
    ["changed", time(row.updatedAt)],
    ["trace", row.trace === null ? undefined : oneLine(row.trace)]
  ]
  const shown = facts.flatMap(([name, value]) =>
    value === undefined || value === null ? [] : [`${style.dim(pad(name, 12, "left"))}  ${value}`]
  )
  return [
    ...shown,
    "",
    style.bold("STATE"),
    indent(printable(pretty(fieldsOf(row)))),
    ...signalLines(signals, style),
    ...failure(row, style)
  ]
}

const describeNext = (row: Admin.Row, children: Children, style: Output.Style): ReadonlyArray<string> => [
  "",
  style.bold("NEXT"),
  ...describeHints(row, children, style)
]

/** How many attempts of its history are shown with a task. */
const lastAttempts = 5

/** A role may read the tasks and not their history: then it is shown without. */
const read = Effect.fnUntraced(function*(id: string) {
  const row = yield* Effect.flatMap(Admin.findId(id), Admin.get)
  const attempts = yield* Effect.orElseSucceed(Admin.history(row.id, { limit: lastAttempts }), () => [])
  const signals = row.signals === 0 ? [] : yield* Admin.inbox(row.id)
  return { row, attempts, signals, children: yield* childrenOf(row.id), isPaused: yield* readPaused }
})

export const show = Command.make(
  "show",
  { id },
  Effect.fnUntraced(function*({ id }) {
    const { attempts, row, ...more } = yield* connected(within(limits.read)(read(id)))
    if (yield* Json) return yield* Output.json({ ...Schema.encodeSync(Admin.Row)(row), inbox: more.signals })
    const style = yield* Output.style
    const past = attempts.length === 0 ? [] : [
      "",
      style.bold("LAST ATTEMPTS"),
      ...(yield* Output.rows(historyColumns, attempts)).map((line) => `  ${line}`)
    ]
    yield* Output.lines([...describe(row, more, style), ...past, ...describeNext(row, more.children, style)])
  })
).pipe(
  Command.withDescription("Show everything about one task"),
  Command.withExamples([{ command: "pg-task show 5d0bb27f", description: "By the first digits of its id" }])
)
