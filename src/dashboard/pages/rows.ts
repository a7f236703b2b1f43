/** A list of tasks, page by page. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import { type Asked, askedOf, filterOf, lookAt, unnamed } from "../filter.ts"
import { address, type Html, html } from "../html.ts"
import { respond } from "../shell.ts"
import { type BulkAction, bulkActions, type Handler, may, Refusal, type Visit } from "../site.ts"
import { several } from "../text.ts"
import { doneNote, statusFor, titleOf } from "./actions.ts"
import { filterForm, maxText, rowTable } from "./rowTable.ts"
import { statusLinks } from "./statusLinks.ts"

const pageSize = 50

const parseCursor = Schema.decodeUnknownOption(Admin.Cursor)

const cursorOf = (after: string | null): Effect.Effect<Admin.Cursor | undefined, Refusal> => {
  if (after === null) return Effect.succeed(undefined)
  const cursor = parseCursor(after)
  return Option.isSome(cursor)
    ? Effect.succeed(cursor.value)
    : new Refusal({ status: 400, title: "Not understood", message: "This page of the list has a broken address." })
}

/** Everything that the filter selects, on all pages. */
const allOfThem = (visit: Visit, asked: Asked): Html => {
  const links = bulkActions.filter((action) => may(visit, action) && isMeant(action, asked))
  const criteria = Object.keys(asked).length
  return links.length === 0 || criteria === 0
    ? html``
    : html`<p class="bar">All that match: ${
      links.map((action) =>
        html`<a class="button" href="${address("bulk", { action, ...asked })}">${titleOf[action]}…</a> `
      )
    }</p>`
}

const isMeant = (action: BulkAction, { status }: Asked): boolean =>
  [undefined, status].includes(statusFor[action]) || status === undefined

/** Those that are checked, on this page. */
const chosen = (visit: Visit, table: Html): Html => {
  const allowed = bulkActions.filter((action) => may(visit, action))
  return allowed.length === 0 ?
    table :
    html`<form method="get" action="bulk">${table}<p class="bar">The checked ones: ${
      allowed.map((action) => html`<button name="action" value="${action}">${titleOf[action]}…</button> `)
    }</p></form>`
}

const more = (page: Admin.Page, asked: Asked, order: string | undefined): Html => {
  if (page.next === undefined) return html``
  const text = page.rows.length < pageSize ? "Look further" : "Next page"
  return html`<p class="bar"><a class="button" rel="next" href="${
    address("rows", { ...asked, order, after: page.next })
  }">${text}</a>${
    page.rows.length < pageSize ? html` <span class="quiet">Not all tasks have been looked at yet.</span>` : ""
  }</p>`
}

/** No page waits for longer for numbers that it can do without. */
const patience = "100 millis"

/** How the tasks of one task, or of a state of it, stand: as far as they have been counted. */
const standing = Effect.fnUntraced(function*({ site }: Visit, { status: _, ...asked }: Asked) {
  const { state, task, ...others } = asked
  if (task === undefined || Object.keys(others).length > 0) return html``
  const look = Option.getOrUndefined(yield* Effect.timeoutOption(site.sampler.look, patience))
  if (look === undefined || typeof look === "string") return html``
  const counts = look.counts.filter((one) =>
    (one.task ?? unnamed) === task && (state === undefined || one.step === state)
  )
  return counts.length === 0 ? html`` : statusLinks(counts, { ...asked })
})

export const rows: Handler = Effect.fnUntraced(function*(visit) {
  const asked = askedOf(visit.query)
  const filter = yield* filterOf(asked)
  const after = yield* cursorOf(visit.query.get("after"))
  const newest = visit.query.get("order") === "newest"
  const order = newest ? "newest" : undefined
  const page = yield* Admin.list({
    ...filter,
    after,
    limit: pageSize,
    lookAt: lookAt(asked),
    maxText,
    order: newest ? "newestFirst" : "oldestFirst"
  })
  const counts = yield* standing(visit, asked)
  const allowed = bulkActions.some((action) => may(visit, action))
  const table = rowTable(page.rows, allowed)
  return respond(visit, {
    title: "Tasks",
    current: "rows",
    body: html`<h1>Tasks</h1>${doneNote(visit.query)}${filterForm(visit.site, asked)}${counts}${allOfThem(visit, asked)}
<section class="card"><p class="quiet">${several(page.rows.length, "task")} on this page, ${
      newest ? "the last due first" : "the first due first"
    }. <a class="plain" href="${address("rows", { ...asked, order: newest ? undefined : "newest" })}">Turn round</a></p>
${page.rows.length === 0 ? table : chosen(visit, table)}${more(page, asked, order)}</section>`
  })
})
