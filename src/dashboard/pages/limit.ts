/** One limit without keys, or one key: who holds its slots, and who is next. */
import * as Effect from "effect/Effect"
import * as Activity from "../../Activity.ts"
import type * as Admin from "../../Admin.ts"
import { address, cut, type Html, html } from "../html.ts"
import { respond } from "../shell.ts"
import { type Handler, Refusal } from "../site.ts"
import { count, duration } from "../text.ts"
import { doneNote, limitButtons, numberForm } from "./limitActions.ts"
import { backOffMarks, maxName, mostOf, setMark } from "./limits.ts"
import { rowTable } from "./rowTable.ts"

/** Of each kind. */
const maxRows = 50

const lookAt = 10_000

const facts = (found: Activity.LimitCount): Html => {
  const { atLeast, atWork, holders, itself, oldest, paused, waiting } = found
  return html`<dl class="facts"><dt>At most</dt><dd>${mostOf(found, "No task says how many")}${
    itself.running === null ? "" : html` ${setMark}`
  }</dd><dt>Holders</dt><dd>${count(holders)}, of which workers have taken ${count(atWork)}</dd><dt>Waiting</dt><dd>${
    count(waiting, atLeast)
  }${oldest === null ? "" : html`, the oldest for ${duration(oldest)}`}</dd><dt>Paused</dt><dd>${
    itself.paused ? "yes" : paused ? "yes, the whole limit is" : "no"
  } ${backOffMarks(found)}</dd></dl>`
}

const card = (title: string, rows: ReadonlyArray<Admin.Row>, all: number): Html =>
  html`<section class="card"><h2>${title}</h2>${rowTable(rows, false, title)}${
    rows.length < all ? html`<p class="quiet">The first ${rows.length}.</p>` : ""
  }</section>`

export const limit: Handler = Effect.fnUntraced(function*(visit) {
  const name = visit.query.get("limit") ?? ""
  const key = visit.query.get("key") || undefined
  if (name === "") return yield* new Refusal({ status: 404, title: "Not there", message: "There is no such limit." })
  const { count: found, holders, waiting } = yield* Activity.limitTasks({ limit: name, key }, {
    first: maxRows,
    lookAt
  })
  const target = { limit: name, key, isAlone: true }
  const title = `Limit ${cut(name, maxName)}${key === undefined ? "" : ` ${cut(key, maxName)}`}`
  return respond(visit, {
    title,
    current: "limits",
    body: html`<h1>${title}</h1>${doneNote(visit.query)}<div class="bar">${limitButtons(visit, target, found)} ${
      numberForm(visit, target, found)
    } <a class="plain" href="${key === undefined ? "limits" : address("limits", { limit: name })}">${
      key === undefined ? "All limits" : "All keys"
    }</a></div><section class="card">${facts(found)}</section>${card("Who holds its slots", holders, found.holders)}${
      card("Who is next", waiting, found.waiting)
    }`
  })
})
