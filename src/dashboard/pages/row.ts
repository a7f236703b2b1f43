/** One task: where it stands, and why. */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import { stateOf } from "../form/state.ts"
import { unnamed } from "../filter.ts"
import { address, type Child, cut, type Html, html } from "../html.ts"
import { actionForm, badge, respond } from "../shell.ts"
import { type Handler, may, type Visit } from "../site.ts"
import { duration, shortId, time } from "../text.ts"
import { doneNote } from "./actions.ts"

/** In characters: pages stay quick, whatever a state holds. */
const maxShown = 20_000

const fact = (name: string, value: Child): Html =>
  value === null || value === undefined || value === "" ? html`` : html`<dt>${name}</dt><dd>${value}</dd>`

const when = (at: DateTime.Utc): string => {
  const { epochMilliseconds } = at
  return Math.abs(epochMilliseconds) >= 8.64e15 ? "never" : time(at)
}

const facts = (row: Admin.Row): Html =>
  html`<dl class="facts">${fact("Status", html`${badge(row.status)} for ${duration(row.age)}`)}
${fact("Task", html`<a href="${address("rows", { task: row.task ?? unnamed })}">${row.task ?? unnamed}</a>`)}
${fact("Id", html`<span class="id">${row.id}</span>`)}${fact("Due", when(row.wakeupAt))}
${fact("Failed tries", row.tried)}${fact("Crashes", row.crashes === 0 ? null : row.crashes)}${
    fact("Steps taken", row.transitions)
  }
${fact("Lease", row.leaseUntil === null ? null : html`until ${when(row.leaseUntil)}`)}
${fact("Enqueued", when(row.createdAt))}${fact("Last written", when(row.updatedAt))}
${fact("Trace", row.trace === null ? null : html`<span class="id">${row.trace}</span>`)}</dl>`

const errorCard = ({ error, lastError }: Admin.Row): Html => {
  const text = error ?? lastError
  if (text === null) return html``
  return html`<section class="card"><h2>${
    error === null ? "The last error" : "Why it is parked"
  }</h2><pre tabindex="0">${cut(text, maxShown)}</pre></section>`
}

const valueOf = (value: unknown): Html => {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2)
  const shown = cut(text, maxShown)
  const isLong = shown.includes("\n") || shown.length > 100 || (typeof value === "object" && value !== null)
  return isLong ? html`<pre tabindex="0">${shown}</pre>` : html`<code>${shown}</code>`
}

const stateCard = (visit: Visit, row: Admin.Row): Html => {
  const state = stateOf(visit.site, row)
  return html`<section class="card"><h2>State: ${row.step ?? unnamed}</h2>${
    state.fields === undefined
      ? html`<p class="fault">This row does not have the shape of a task.</p><pre tabindex="0">${
        cut(row.raw, maxShown)
      }</pre>`
      : Object.keys(state.fields).length === 0
      ? html`<p class="quiet">It has no fields.</p>`
      : html`<dl class="facts">${
        Object.entries(state.fields).map(([name, value]) => html`<dt>${name}</dt><dd>${valueOf(value)}</dd>`)
      }</dl>`
  }${
    state.schema === undefined && state.fields !== undefined
      ? html`<p class="quiet">No task of this dashboard has this state.</p>`
      : ""
  }</section>`
}

const buttons = (visit: Visit, row: Admin.Row): Html => {
  const { id, status } = row
  const canEdit = may(visit, "edit") && status !== "running"
    && stateOf(visit.site, row).task !== undefined
  return html`<div class="bar">${
    canEdit
      ? html`<a class="button${status === "parked" ? " main" : ""}" data-key="edit" href="${
        address("edit", { id })
      }">Edit its state</a>`
      : ""
  }${may(visit, "retry") && status === "parked" ? actionForm(visit, "retry", { id, text: "Retry" }) : ""}${
    may(visit, "runNow") && status === "scheduled" ? actionForm(visit, "runNow", { id, text: "Run now" }) : ""
  }${
    may(visit, "cancel")
      ? html`<a class="button danger" href="${address("bulk", { action: "cancel", id })}">Cancel…</a>`
      : ""
  }</div>`
}

const gone = (visit: Visit, id: string, message: string) =>
  respond(visit, {
    title: shortId(id),
    current: "rows",
    status: 404,
    body: html`<h1>Task <span class="id">${shortId(id)}</span></h1>${
      visit.query.has("done") ? html`<p class="note" role="status">It has finished, or was cancelled.</p>` : ""
    }<p>${message}</p><p><a class="plain" href="rows">All tasks</a></p>`
  })

export const row: Handler = Effect.fnUntraced(function*(visit) {
  const id = visit.query.get("id") ?? ""
  const found = yield* Admin.get(id).pipe(
    Effect.catchTag("TaskNotFoundError", ({ message }) => Effect.succeed(message))
  )
  if (typeof found === "string") return gone(visit, id, found)
  return respond(visit, {
    title: `${found.task ?? unnamed}.${found.step ?? unnamed}`,
    current: "rows",
    feed: address("events", { id: found.id }),
    body: html`<h1>${found.task ?? unnamed} <span class="quiet id">${shortId(found.id)}</span></h1>${
      doneNote(visit.query)
    }${buttons(visit, found)}${errorCard(found)}${stateCard(visit, found)}<section class="card"><h2>Facts</h2>${
      facts(found)
    }</section>`
  })
})
