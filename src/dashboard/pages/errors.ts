/** Why tasks are parked: errors that begin with the same line are one group. */
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import { lineIn, unnamed } from "../filter.ts"
import { address, attribute, cut, type Html, html } from "../html.ts"
import { hidden, respond, seeOther } from "../shell.ts"
import { type Handler, may, Refusal, type Visit } from "../site.ts"
import { duration, number, several } from "../text.ts"
import { noted, refuseUnless } from "./actions.ts"

/** Parked rows of each task. */
const lookAt = 20_000

const maxGroups = 100

const groupCard = (visit: Visit, { count, error, newest, oldest, step, task }: Admin.ErrorCount): Html => {
  const asked = { task: task ?? unnamed, state: step ?? undefined, status: "parked", line: error }
  return html`<section class="card"><h2>${cut(error, 300)}</h2>
<p><b>${several(count, "task")}</b> in ${task ?? unnamed}.${step ?? unnamed}, the first ${
    duration(oldest)
  } ago, the last ${duration(newest)} ago</p>
<div class="bar"><a class="button" href="${address("rows", asked)}">Show ${number(count)}</a>${
    may(visit, "retry")
      ? html`<form method="post" action="try">${hidden("token", visit.token)}${
        Object.entries(asked).map(([name, value]) => value === undefined ? "" : hidden(name, value))
      }<button>Retry one</button></form><a class="button" href="${
        address("bulk", { action: "retry", ...asked })
      }">Retry all like it…</a>`
      : ""
  }</div></section>`
}

const chooser = ({ site }: Visit, chosen: string | null): Html =>
  html`<form class="filter" method="get" action="errors"><label>Task<select name="task"><option value="">any</option>${
    site.tasks.map(({ name }) => html`<option${attribute("selected", name === chosen)}>${name}</option>`)
  }</select></label><button>Show</button></form>`

/** Whether there may be more parked rows of a task than were looked at. */
const isCut = (groups: ReadonlyArray<Admin.ErrorCount>): boolean => {
  const sums = new Map<string | null, number>()
  for (const { count, task } of groups) sums.set(task, (sums.get(task) ?? 0) + count)
  return [...sums.values()].some((sum) => sum >= lookAt)
}

export const errors: Handler = Effect.fnUntraced(function*(visit) {
  const task = visit.query.get("task")
  const groups = yield* Admin.countErrors({ task: task || undefined, lookAt, limit: maxGroups })
  return respond(visit, {
    title: "Errors",
    current: "errors",
    body: html`<h1>Errors</h1>${chooser(visit, task)}${
      groups.length === 0 ? html`<p>Nothing is parked.</p>` : groups.map((group) => groupCard(visit, group))
    }${
      isCut(groups)
        ? html`<p class="quiet">Of each task, only the ${
          number(lookAt)
        } parked ones that were due last are counted.</p>`
        : ""
    }${groups.length === maxGroups ? html`<p class="quiet">Only the ${maxGroups} most frequent are shown.</p>` : ""}`
  })
})

/** Retries the oldest one of a group, and shows it: what works for it may work for the others. */
export const tryOne: Handler = Effect.fnUntraced(function*(visit) {
  yield* refuseUnless(visit, "retry")
  const task = visit.form.get("task") ?? unnamed
  const { rows } = yield* Admin.list({
    task: task === unnamed ? null : task,
    step: visit.form.get("state") ?? undefined,
    errorLine: lineIn(visit.form) ?? "",
    status: "parked",
    limit: 1
  })
  const [row] = rows
  if (row === undefined) {
    return yield* new Refusal({
      status: 409,
      title: "Not there",
      message: "No task is parked with this error any more."
    })
  }
  const n = yield* noted(visit, "retry", {
    effect: Admin.retry(row.id),
    target: row.id,
    text: (changed) => several(changed, "task")
  })
  return seeOther(address("row", { id: row.id, done: "retry", n }))
})
