/** What changes tasks: at once for one, after a look at what would be changed for many. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Admin from "../../Admin.ts"
import * as Activity from "../../Activity.ts"
import { type Asked, askedOf, filterOf, lookAt } from "../filter.ts"
import { address, type Html, html } from "../html.ts"
import { hidden, respond, seeOther } from "../shell.ts"
import {
  type Action,
  actions,
  type BulkAction,
  bulkActions,
  type Handler,
  may,
  type PageError,
  Refusal,
  type Visit
} from "../site.ts"
import { several } from "../text.ts"
import { maxText, rowTable } from "./rowTable.ts"

export const titleOf: Readonly<Record<Action, string>> = {
  retry: "Retry",
  runNow: "Run now",
  endWait: "End the wait",
  cancel: "Cancel",
  edit: "Edit",
  signal: "Signal",
  pause: "Pause"
}

const doneOf: Readonly<Record<Action, string>> = {
  retry: "will run again",
  runNow: "due now",
  endWait: "will not wait any longer",
  cancel: "cancelled",
  edit: "saved",
  signal: "got the signal",
  pause: "paused"
}

const isAction = (text: string | null): text is Action => actions.some((action) => action === text)

/** Says what was done. The address has only a number and a known word, because anybody may have made it. */
export const doneNote = (query: URLSearchParams): Html => {
  const action = query.get("done")
  const n = Number(query.get("n") ?? 1)
  if (!isAction(action) || !Number.isSafeInteger(n) || n < 0) return html``
  return html`<p class="note" role="status">${several(n, "task")} ${doneOf[action]}.</p>`
}

export const refuseUnless = (visit: Visit, action: Action): Effect.Effect<void, Refusal> =>
  may(visit, action)
    ? Effect.void
    : new Refusal({
      status: 403,
      title: "Refused",
      message: `${visit.visitor.name} may not do this: ${titleOf[action]}. Nothing was changed.`
    })

const actionOf = (params: URLSearchParams): Effect.Effect<BulkAction, Refusal> => {
  const action = params.get("action")
  const known = bulkActions.find((one) => one === action)
  return known !== undefined
    ? Effect.succeed(known)
    : new Refusal({ status: 400, title: "Not understood", message: "There is no such action." })
}

const run: Readonly<Record<BulkAction, typeof Admin.retry>> = {
  retry: Admin.retry,
  runNow: Admin.runNow,
  endWait: Admin.endWait,
  cancel: Admin.cancel
}

/** Notes who did what, in the log and as a span. */
export const noted = <A, E, R>(
  { visitor }: Visit,
  action: Action,
  { effect, target, text, title = titleOf[action] }: {
    readonly target: string
    /** What was done, if the action says too little. */
    readonly title?: string
    readonly effect: Effect.Effect<A, E, R>
    readonly text: (result: A) => string
  }
): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.tap((result) => Effect.logInfo(`${visitor.name}: ${title}, ${text(result)}`)),
    Effect.annotateLogs({ visitor: visitor.name, action, target }),
    Effect.withSpan(`Dashboard.${action}`, { attributes: { visitor: visitor.name, target } })
  )

const perform = (
  visit: Visit,
  action: BulkAction,
  target: Admin.Target,
  name: string
): Effect.Effect<number, PageError, SqlClient> =>
  Effect.andThen(
    refuseUnless(visit, action),
    noted<number, Admin.TargetError, SqlClient>(visit, action, {
      effect: Effect.tap(run[action](target), (changed) => Effect.annotateCurrentSpan({ changed })),
      target: name,
      text: (changed) => several(changed, "task")
    })
  )

/** One task, from its own page. */
export const act: Handler = Effect.fnUntraced(function*(visit) {
  const action = yield* actionOf(visit.form)
  const id = visit.form.get("id") ?? ""
  const n = yield* perform(visit, action, id, id)
  return seeOther(address("row", { id, done: action, n }))
})

// ---------------------------------------------------------------------------------------------------------------
// Many
// ---------------------------------------------------------------------------------------------------------------

interface Selection {
  readonly action: BulkAction
  readonly ids: ReadonlyArray<string>
  readonly asked: Asked
  readonly target: ReadonlyArray<string> | Admin.Filter
}

/** What an action changes. A retry is of what is parked, whatever the filter says of the status. */
export const statusFor: Readonly<Record<BulkAction, Admin.Status | undefined>> = {
  retry: "parked",
  runNow: "scheduled",
  endWait: "waiting",
  cancel: undefined
}

const narrowed = (action: BulkAction, filter: Admin.Filter): Admin.Filter => {
  const status = statusFor[action]
  return status === undefined ? filter : { ...filter, status }
}

const selectionOf = Effect.fnUntraced(function*(
  params: URLSearchParams
): Effect.fn.Return<Selection, Refusal> {
  const action = yield* actionOf(params)
  const ids = params.getAll("id")
  const asked = ids.length > 0 ? {} : askedOf(params)
  const filter = yield* filterOf(asked)
  if (ids.length === 0 && Object.keys(asked).length === 0) {
    return yield* new Refusal({
      status: 400,
      title: "Nothing was chosen",
      message: "Check some tasks, or set a filter."
    })
  }
  return { action, ids, asked, target: ids.length > 0 ? ids : narrowed(action, filter) }
})

const sample = 10

/** Rows of each task, in each part of the table: however many there are, a look is quick. */
const counted = 20_000

/** What would be changed: how many, and the first of them. */
interface Preview {
  readonly count: number
  readonly atLeast: boolean
  readonly rows: ReadonlyArray<Admin.Row>
}

const previewIds = (ids: ReadonlyArray<string>, action: BulkAction) =>
  Effect.map(
    Effect.forEach(ids.slice(0, 200), (id) => Effect.option(Admin.get(id)), { concurrency: 4 }),
    (found): Preview => {
      const rows = found.flatMap((one) => one._tag === "Some" ? [one.value] : [])
        .filter(({ status }) => statusFor[action] === undefined || status === statusFor[action])
      return { count: rows.length, atLeast: false, rows: rows.slice(0, sample) }
    }
  )

const previewFilter = Effect.fnUntraced(function*(asked: Asked, filter: Admin.Filter) {
  const bound = lookAt(asked)
  const { atLeast, count } = bound === undefined
    ? { count: yield* Admin.count(filter), atLeast: false }
    : yield* Activity.count(filter, counted)
  const { rows } = yield* Admin.list({ ...filter, limit: sample, lookAt: bound, maxText })
  const preview: Preview = { count, atLeast, rows }
  return preview
})

/** Those that would be changed: how many, and the first of them. */
const preview = ({ action, asked, ids, target }: Selection) =>
  ids.length > 0 ? previewIds(ids, action) : previewFilter(asked, target as Admin.Filter)

/** What a page calls them. */
const nameOf: Readonly<Record<keyof Asked, string>> = {
  task: "Task",
  state: "State",
  status: "Status",
  parent: "Parent",
  key: "Key",
  error: "A part of the error",
  line: "First line of the error",
  text: "A part of the state",
  older: "For at least",
  newer: "For less than"
}

const criteria = (asked: Asked): Html =>
  html`<dl class="facts">${
    Object.entries(asked).map(([name, value]) => html`<dt>${nameOf[name as keyof Asked]}</dt><dd>${value}</dd>`)
  }</dl>`

/** A look at what would be changed, and the button that changes it. */
export const bulkPage: Handler = Effect.fnUntraced(function*(visit) {
  const selection = yield* selectionOf(visit.query)
  yield* refuseUnless(visit, selection.action)
  const { atLeast, count, rows } = yield* preview(selection)
  const tasks = several(count, "task", atLeast)
  const title = `${titleOf[selection.action]}: ${tasks}`
  return respond(visit, {
    title,
    current: "rows",
    body: html`<h1>${title}</h1><section class="card">${criteria(selection.asked)}
<p>Nothing has been changed yet. ${
      selection.action === "cancel" ? html`<b>Cancelled tasks are deleted, and can't be brought back.</b>` : ""
    }</p>
${atLeast ? html`<p>There are so many tasks that not all of them were looked at. All that match are changed.</p>` : ""}
${
      count === 0 && !atLeast ?
        "" :
        html`<form method="post" action="bulk">${hidden("token", visit.token)}${hidden("action", selection.action)}${
          selection.ids.map((id) => hidden("id", id))
        }${Object.entries(selection.asked).map(([name, value]) => hidden(name, value))}<p class="bar"><button class="${
          selection.action === "cancel" ? "danger" : "main"
        }">${titleOf[selection.action]} ${tasks}</button> <a href="${
          address("rows", { ...selection.asked })
        }">Back</a></p></form>`
    }
${
      rows.length > 0 && (atLeast || rows.length < count)
        ? html`<p class="quiet">The first ${rows.length} of them:</p>`
        : ""
    }${rowTable(rows, false)}</section>`
  })
})

export const bulk: Handler = Effect.fnUntraced(function*(visit) {
  const { action, asked, ids, target } = yield* selectionOf(visit.form)
  const name = ids.length > 0 ? ids.join(" ") : JSON.stringify(asked)
  const n = yield* perform(visit, action, target, name)
  const { line: _, status: __, ...rest } = asked
  return seeOther(address("rows", { ...rest, done: action, n }))
})
