import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { isObject } from "effect/Predicate"
import * as Admin from "../../Admin.ts"
import { connected, limits, within } from "../connection.ts"
import { editText } from "../input/editor.ts"
import { Declined, UsageError } from "../exit.ts"
import { compact, isJson, membersOf, objectOf, pretty } from "../output/json.ts"
import { id, Json, optional, optionalModule } from "../input/flags.ts"
import * as Output from "../output/print.ts"
import { fieldsIn } from "../output/rowTable.ts"
import { self } from "../output/ownCommand.ts"
import { checkWith } from "../input/tasksModule.ts"
import { oneLine } from "../output/text.ts"

interface Changes {
  readonly set: Readonly<Record<string, string>> | undefined
  readonly fields: string | undefined
  readonly state: string | undefined
  readonly raw: string | undefined
}

type Members = ReadonlyMap<string, string>

const parseJson = (text: string) =>
  Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: (error) => new UsageError({ message: `That is not JSON: ${oneLine((error as Error).message)}` })
  })

/** The new value of a field. A text stays a text. Another field takes JSON; what is no JSON is a text. */
const valueOf = (before: string | undefined, given: string): string =>
  before?.startsWith("\"") !== true && isJson(given) ? compact(given) : JSON.stringify(given)

/** Fields that aren't set stay as they were written. */
const setFields = (fields: Members, set: Readonly<Record<string, string>>): Members =>
  new Map([...fields, ...Object.entries(set).map(([name, given]) => [name, valueOf(fields.get(name), given)] as const)])

/** Opens the whole state in an editor, as formatted JSON. */
const editRow = Effect.fnUntraced(function*(row: Admin.Row) {
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  if (!canPrompt) return yield* new UsageError({ message: "Say what to change: --set, --fields, --state or --raw" })
  const before = isJson(row.raw) ? pretty(row.raw) : row.raw
  const after = yield* editText(`${before}\n`, `${row.id.slice(0, 8)}.json`)
  if (after.trim() === before.trim()) return yield* new Declined({ message: "Nothing was changed" })
  yield* parseJson(after)
  return compact(after)
})

/** A new field may be a typing error, which no schema notices: it ignores fields that it doesn't have. */
const noteNewFields = (before: Members, set: Readonly<Record<string, string>>) =>
  Effect.forEach(
    Object.keys(set).filter((name) => !before.has(name)),
    (name) => Output.note(`${oneLine(name)} is a new field: this state had none of that name`),
    { discard: true }
  )

const parseFields = Effect.fnUntraced(function*(fields: string) {
  const given = yield* parseJson(fields)
  if (isObject(given) && !Array.isArray(given)) return membersOf(fields)
  return yield* new UsageError({ message: "The fields must be a JSON object" })
})

const changed = Effect.fnUntraced(function*(row: Admin.Row, { fields, raw, set, state }: Changes) {
  if (raw !== undefined) return raw.trim()
  if (fields === undefined && set === undefined && state === undefined) return yield* editRow(row)
  const parsed = yield* Admin.parse(row.raw)
  const base = fields === undefined ? membersOf(fieldsIn(row.raw) ?? "{}") : yield* parseFields(fields)
  if (set !== undefined && state === undefined) yield* noteNewFields(base, set)
  const object = objectOf(setFields(base, set ?? {}))
  return objectOf(new Map([[parsed.task, objectOf(new Map([[state ?? parsed.state, object]]))]]))
})

const run = Effect.fnUntraced(function*(given: string, changes: Changes, options: {
  readonly module: string | undefined
  readonly retry: boolean
}) {
  if (changes.raw !== undefined && (changes.fields ?? changes.set ?? changes.state) !== undefined) {
    return yield* new UsageError({ message: "--raw replaces it all: give it without --set, --fields and --state" })
  }
  const row = yield* within(limits.read)(Effect.flatMap(Admin.findId(given), Admin.get))
  const raw = yield* changed(row, changes)
  const parsed = yield* Admin.parse(raw)
  if (options.module !== undefined) yield* checkWith(options.module, parsed.task, raw)
  yield* within(limits.read)(Admin.editRaw(row.id, raw, { transitions: row.transitions }))
  const retried = options.retry ? yield* within(limits.read)(Admin.retry(row.id)) : 0
  if (yield* Json) return yield* Output.json({ id: row.id, step: raw, retried: retried > 0 })
  yield* Console.log(`${row.id} is now ${oneLine(raw)}`)
  if (retried > 0) return yield* Console.log("Retried")
  if (row.status === "parked") yield* Output.note(`It is still parked: ${self(`retry ${row.id.slice(0, 8)}`)}`)
})

export const edit = Command.make(
  "edit",
  {
    id,
    set: optional(
      Flag.KeyValuePair("set").pipe(
        Flag.withDescription("Change a field of the state; give it again for more than one")
      )
    ),
    fields: optional(Flag.String("fields").pipe(Flag.withMetavar("json"), Flag.withDescription("Replace all fields"))),
    state: optional(Flag.String("state").pipe(Flag.withMetavar("tag"), Flag.withDescription("Move to another state"))),
    raw: optional(
      Flag.String("raw").pipe(
        Flag.withMetavar("json"),
        Flag.withDescription("Replace it all: {\"Task\":{\"State\":{…}}}")
      )
    ),
    retry: Flag.Boolean("retry").pipe(Flag.withDescription("Retry it afterwards"), Flag.withDefault(false)),
    module: optionalModule
  },
  ({ id, module, retry, ...changes }) => connected(run(id, changes, { module, retry }))
).pipe(
  Command.withDescription(
    "Replace the state of a task that doesn't run: in your editor, or by flags. With --module, its schema checks it"
  ),
  Command.withExamples([
    { command: "pg-task edit 5d0bb27f --set filename=name.txt --retry", description: "Change a field, and go on" },
    { command: "pg-task edit 5d0bb27f --module ./tasks.ts", description: "In your editor, checked by the schema" }
  ])
)
