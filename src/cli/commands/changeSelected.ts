/** The commands that change tasks: they select tasks, count them, and ask for confirmation. */
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import { confirm } from "../input/confirm.ts"
import { connected, limits, within } from "../connection.ts"
import { statsColumns, toStats } from "../output/countTable.ts"
import { NothingMatched, UsageError } from "../exit.ts"
import { dryRun, filter, ids, Json, status, yes } from "../input/flags.ts"
import * as Output from "../output/print.ts"
import { self } from "../output/ownCommand.ts"
import { plural } from "../output/text.ts"

const all = Flag.Boolean("all").pipe(Flag.withDescription("All of them"), Flag.withDefault(false))

/** The flags of every such command; `status` only if it changes tasks of more than one status. */
export const selectionFlags = { ids, ...filter, all, yes, dryRun }
export const selectionFlagsWithStatus = { ...selectionFlags, status }

/** A command that changes tasks. */
export interface Change {
  /** For example "Retry", and, when it was done, "Retried". */
  readonly verb: string
  readonly done: string
  /** It changes only tasks of this status. Undefined: of any. */
  readonly touches: Admin.Status | undefined
  /** Whether it asks even about tasks that were named by their ids. */
  readonly asksAlways: boolean
  readonly run: (target: Admin.Target) => ReturnType<typeof Admin.retry>
}

interface Selection extends Admin.Filter {
  readonly ids: ReadonlyArray<string>
  readonly all: boolean
  readonly yes: boolean
  readonly dryRun: boolean
}

/** The selected tasks, and their counts. */
interface Selected {
  readonly target: Admin.Target
  readonly counts: ReadonlyArray<Admin.Count>
  /** The message when there is nothing to change. */
  readonly nothing: string
  /** Messages about tasks that were named, but can't be changed. */
  readonly others: ReadonlyArray<string>
}

const countOf = (row: Admin.Row): Admin.Count =>
  new Admin.Count({
    task: row.task,
    step: row.step,
    status: row.status,
    count: 1,
    retrying: row.tried > 0 ? 1 : 0,
    oldest: row.age
  })

const selectIds = Effect.fnUntraced(function*(given: ReadonlyArray<string>, { touches, verb }: Change) {
  const named = yield* Effect.forEach(given, (id) => Admin.findId(id))
  const rows = yield* Effect.forEach(new Set(named), (id) => Admin.get(id))
  const isTouched = (row: Admin.Row) => touches === undefined || row.status === touches
  const touched = rows.filter(isTouched)
  const others = rows.filter((row) => !isTouched(row)).map(({ id, status }) => `${id} is ${status}, not ${touches}`)
  const selected: Selected = {
    target: touched.map((row) => row.id),
    counts: touched.map(countOf),
    nothing: `Nothing to ${verb.toLowerCase()}: ${others.join(", ")}`,
    others
  }
  return selected
})

const selectAll = Effect.fnUntraced(function*(filter: Admin.Filter, { touches }: Change) {
  const target = touches === undefined ? filter : { ...filter, status: touches }
  const selected: Selected = {
    target: Object.values(target).every((criterion) => criterion === undefined)
      ? { status: Admin.Status.literals }
      : target,
    counts: yield* Admin.counts(target),
    nothing: `No ${touches ?? ""} task matches: see ${self("stats")}`.replace("  ", " "),
    others: []
  }
  return selected
})

const filterOf = ({ all: _, dryRun: __, ids: ___, yes: ____, ...filter }: Selection): Admin.Filter => filter

const misuseOf = (selection: Selection, verb: string): string | undefined => {
  const filtered = selection.all || Object.values(filterOf(selection)).some((criterion) => criterion !== undefined)
  if (selection.ids.length > 0) {
    return filtered
      ? "Give only one of these: ids, filters, or --all"
      : undefined
  }
  return filtered ? undefined : `${verb} which tasks? Give ids, filters such as --task, or --all`
}

const select = (selection: Selection, change: Change) =>
  selection.ids.length > 0 ? selectIds(selection.ids, change) : selectAll(filterOf(selection), change)

const total = (counts: ReadonlyArray<Admin.Count>) => counts.reduce((sum, { count }) => sum + count, 0)

const describe = (counts: ReadonlyArray<Admin.Count>) =>
  Effect.flatMap(Output.rows(statsColumns, toStats(counts)), Output.lines)

const dryRunOf = Effect.fnUntraced(function*(change: Change, counts: ReadonlyArray<Admin.Count>, tasks: string) {
  if (yield* Json) return yield* Output.json({ wouldChange: total(counts) })
  yield* describe(counts)
  yield* Console.log(`Would ${change.verb.toLowerCase()} ${tasks}`)
})

const perform = Effect.fnUntraced(function*(change: Change, selection: Selection) {
  const { counts, nothing, others, target } = yield* within(limits.read)(select(selection, change))
  if (counts.length === 0) return yield* new NothingMatched({ message: nothing })
  const json = yield* Json
  const tasks = plural(total(counts), `${change.touches ?? ""} task`.trim())
  const noteOthers = Effect.forEach(others, Output.note, { discard: true })
  if (selection.dryRun) return yield* Effect.andThen(noteOthers, dryRunOf(change, counts, tasks))
  if (change.asksAlways || selection.ids.length === 0) {
    yield* confirm(`${change.verb} ${tasks}?`, { yes: selection.yes, details: describe(counts) })
  }
  const changed = yield* within(limits.write)(change.run(target))
  yield* noteOthers
  yield* json ? Output.json({ changed }) : Console.log(`${change.done} ${plural(changed, "task")}`)
})

/** Selects tasks, shows how many there are, asks, and changes them. */
export const changeSelected = (change: Change) =>
  Effect.fnUntraced(function*(selection: Selection) {
    const misuse = misuseOf(selection, change.verb)
    if (misuse !== undefined) return yield* new UsageError({ message: misuse })
    yield* connected(perform(change, selection))
  })
