/** One task: where it stands, and why. */
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import type * as Task from "../../Task.ts"
import { stateOf } from "../form/state.ts"
import { unnamed } from "../filter.ts"
import { address, type Child, cut, type Html, html } from "../html.ts"
import { actionForm, badge, respond } from "../shell.ts"
import { type Handler, may, taskOf, type Visit } from "../site.ts"
import { duration, shortId, time, waits } from "../text.ts"
import { doneNote } from "./actions.ts"
import { childrenCard, childrenOf } from "./children.ts"
import { historyCard, maxHistory } from "./history.ts"
import { inboxCard } from "./inbox.ts"

/** In characters: pages stay quick, whatever a state holds. */
const maxShown = 20_000

/** Of one fact. */
const maxFact = 200

const fact = (name: string, value: Child): Html =>
  value === null || value === undefined || value === "" ? html`` : html`<dt>${name}</dt><dd>${value}</dd>`

/** The id of a trace in a W3C `traceparent`. Whoever writes rows by SQL may write anything. */
const traceIdIn = (trace: string): string | undefined => /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-/.exec(trace)?.[1]

const traceOf = ({ site }: Visit, { trace }: Admin.Row): Child => {
  if (trace === null) return null
  const id = traceIdIn(trace)
  const text = html`<span class="id">${cut(id ?? trace, maxFact)}</span>`
  return id === undefined || site.traceUrl === undefined
    ? text
    : html`<a class="plain" rel="noreferrer" href="${site.traceUrl(id)}">${text}</a>`
}

/** Its key follows the first colon. */
const limitOf = ({ limit, slot, status }: Admin.Row): Child => {
  if (limit === null) return null
  const [name = "", ...rest] = limit.split(":")
  const key = rest.length === 0 ? undefined : rest.join(":")
  return html`<a href="${address("limit", { limit: name, key })}">${cut(limit.replace(":", " "), maxFact)}</a>${
    slot !== null ? `, slot ${slot}` : status === "limited" ? ", waits for a slot" : ""
  }`
}

/** When a worker took it is written nowhere: a task that runs may have waited for most of its age. */
const standingOf = ({ age, status }: Admin.Row): string =>
  status === "running" ? `now, due ${duration(age)} ago` : `for ${duration(age)}`

const facts = (visit: Visit, row: Admin.Row): Html =>
  html`<dl class="facts">${fact("Status", html`${badge(row.status)} ${standingOf(row)}`)}
${fact("Task", html`<a href="${address("rows", { task: row.task ?? unnamed })}">${row.task ?? unnamed}</a>`)}
${fact("Id", html`<span class="id">${row.id}</span>`)}${fact("Due", time(row.wakeupAt))}
${fact("Failed tries", row.tried)}${fact("Crashes", row.crashes === 0 ? null : row.crashes)}${
    fact("Steps taken", row.transitions)
  }
${fact("Lease", row.leaseUntil === null ? null : html`until ${time(row.leaseUntil)}`)}
${
    fact(
      "Parent",
      row.parent === null ? null : html`<a href="${address("row", { id: row.parent })}">${shortId(row.parent)}</a>`
    )
  }${fact("Key", row.key)}${fact("Limit", limitOf(row))}${
    fact("Waits for", row.waitsFor && cut(waits(row.waitsFor), maxFact))
  }
${fact("Until", row.waitUntil && time(row.waitUntil))}${fact("Ended", row.endedAt && time(row.endedAt))}${
    fact("Kept until", row.keptUntil && time(row.keptUntil))
  }
${fact("Enqueued", time(row.createdAt))}${fact("Last written", time(row.updatedAt))}
${fact("Trace", traceOf(visit, row))}</dl>`

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
    state.heir !== undefined
      ? html`<p class="quiet">A former state: the step ${state.heir.tag} takes it over.</p>`
      : state.step === undefined && state.fields !== undefined
      ? html`<p class="quiet">No task of this dashboard has this state.</p>`
      : ""
  }</section>`
}

const link = (href: string, text: string, kind = ""): Html => html`<a class="button${kind}" href="${href}">${text}</a>`

/** What the dashboard's tasks are needed for: their schemas. */
const formLinks = (visit: Visit, { id, status }: Admin.Row, { signals }: Task.Any): ReadonlyArray<Html> => [
  ...(may(visit, "edit") && status !== "running"
    ? [
      html`<a class="button${status === "parked" ? " main" : ""}" data-key="edit" href="${
        address("edit", { id })
      }">Edit its state</a>`
    ]
    : []),
  ...(may(visit, "signal") && signals.length > 0 ? [link(address("signal", { id }), "Send a signal")] : [])
]

const buttons = (visit: Visit, row: Admin.Row): Html => {
  const { id, status } = row
  const { task } = stateOf(visit.site, row)
  return html`<div class="bar">${task !== undefined && status !== "ended" ? formLinks(visit, row, task) : ""}${
    may(visit, "retry") && status === "parked" ? actionForm(visit, "retry", { id, text: "Retry" }) : ""
  }${may(visit, "runNow") && status === "scheduled" ? actionForm(visit, "runNow", { id, text: "Run now" }) : ""}${
    may(visit, "endWait") && status === "waiting" && row.waitUntil !== null
      ? actionForm(visit, "endWait", { id, text: "End the wait" })
      : ""
  }${may(visit, "cancel") ? link(address("bulk", { action: "cancel", id }), "Cancel…", " danger") : ""}</div>`
}

const gone = (visit: Visit, id: string, message: string, history: ReadonlyArray<Admin.HistoryEntry>) =>
  respond(visit, {
    title: shortId(id),
    current: "rows",
    status: 404,
    body: html`<h1>Task <span class="id">${shortId(id)}</span></h1>${
      visit.query.has("done") ? html`<p class="note" role="status">It has finished, or was cancelled.</p>` : ""
    }<p>${message}</p><p><a class="plain" href="rows">All tasks</a></p>${historyCard(history)}`
  })

/** Changes when the task does. Renewed leases don't count. */
export const versionOfRow = (
  { crashes, lastError, signals, status, transitions, tried, updatedAt }: Admin.Row
): string =>
  [
    status,
    transitions,
    tried,
    crashes,
    lastError?.length,
    signals,
    status === "running" ? "" : updatedAt.epochMilliseconds
  ]
    .join(" ")

export const row: Handler = Effect.fnUntraced(function*(visit) {
  const id = visit.query.get("id") ?? ""
  const found = yield* Admin.get(id).pipe(
    Effect.catchTag("TaskNotFoundError", ({ message }) => Effect.succeed(message))
  )
  // A role may read the tasks and not their history: then it is shown without.
  const history = yield* Admin.history(id, { limit: maxHistory }).pipe(
    Effect.catchTag(
      "TaskTableError",
      (error) => error.reason === "PermissionDenied" ? Effect.succeed([]) : Effect.fail(error)
    )
  )
  if (typeof found === "string") return gone(visit, id, found, history)
  const children = yield* childrenOf(found.id)
  const signals = found.signals === 0
    ? []
    : yield* Effect.catchTag(Admin.inbox(found.id), "TaskNotFoundError", () => Effect.succeed([]))
  return respond(visit, {
    title: `${found.task ?? unnamed}.${found.step ?? unnamed}`,
    current: "rows",
    feed: address("events", { id: found.id }),
    version: versionOfRow(found),
    body: html`<h1>${found.task ?? unnamed} <span class="quiet id">${shortId(found.id)}</span></h1>${
      doneNote(visit.query)
    }${buttons(visit, found)}${errorCard(found)}${stateCard(visit, found)}<section class="card"><h2>Facts</h2>${
      facts(visit, found)
    }</section>${inboxCard(taskOf(visit.site, found.task), signals)}${childrenCard(found.id, children)}${
      historyCard(history)
    }`
  })
})
