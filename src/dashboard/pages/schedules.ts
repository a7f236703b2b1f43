/** The schedules of recurring tasks: when each runs next, what was missed, and the means to pause them. */
import * as Effect from "effect/Effect"
import * as Schedules from "../../Schedules.ts"
import { address, cut, type Html, html } from "../html.ts"
import { badge, hidden, respond, seeOther } from "../shell.ts"
import { type Action, type Handler, may, Refusal, type Visit } from "../site.ts"
import { firstLine, several, time } from "../text.ts"
import { noted, refuseUnless } from "./actions.ts"

/** What can be done to a schedule. */
interface Change {
  readonly needs: Action
  readonly run: Schedules.Change
  readonly title: string
  readonly done: string
}

const changes = {
  pause: { needs: "pause", run: Schedules.pause, title: "Pause", done: "paused" },
  resume: { needs: "pause", run: Schedules.resume, title: "Resume", done: "resumed" },
  run: { needs: "runNow", run: Schedules.runNow, title: "Run now", done: "due now" }
} as const satisfies Record<string, Change>

type ChangeName = keyof typeof changes

const isChange = (name: string | null): name is ChangeName => name !== null && Object.hasOwn(changes, name)

/** Says what was done. As for tasks, the address has only a known word. */
const doneNote = (done: string | null): Html =>
  isChange(done) ? html`<p class="note" role="status">1 schedule ${changes[done].done}.</p>` : html``

const nextOf = ({ error, next, paused }: Schedules.Schedule): Html =>
  error !== null ? badge("parked") : html`${paused ? "paused" : next === null ? "–" : time(next)}`

/** A parked schedule has no ticks: it is retried as any task is. */
const meant = ({ error, paused }: Schedules.Schedule): ReadonlyArray<ChangeName> =>
  error !== null ? [] : paused ? ["resume", "run"] : ["pause", "run"]

const buttons = (visit: Visit, schedule: Schedules.Schedule): Html => {
  const { name, recurring } = schedule
  const allowed = meant(schedule).filter((one) => may(visit, changes[one].needs))
  return allowed.length === 0
    ? html``
    : html`<form class="inline" method="post" action="schedule">${hidden("token", visit.token)}${
      hidden("recurring", recurring)
    }${hidden("name", name)}${
      allowed.map((one) =>
        html`<button name="change" value="${one}" aria-label="${changes[one].title} ${name}">${
          changes[one].title
        }</button> `
      )
    }</form>`
}

/** What somebody has to know of it, beside its times. */
const detailOf = ({ site }: Visit, { error, missed, overlapped, recurring }: Schedules.Schedule): Html => {
  if (error !== null) return html`${cut(firstLine(error), 160)}`
  const skipped = [missed > 0 ? `${missed} missed` : "", overlapped > 0 ? `${overlapped} overlapped` : ""]
    .filter((part) => part !== "").join(", ")
  return site.recurring.length > 0 && !site.recurring.includes(recurring)
    ? html`${skipped} <span class="quiet">Not among the recurring tasks of this dashboard: if no worker has it, it does not run.</span>`
    : html`${skipped}`
}

const line = (visit: Visit, schedule: Schedules.Schedule): Html =>
  html`<tr><th scope="row"><a href="${
    address("row", { id: schedule.id })
  }">${schedule.recurring}</a></th><td>${schedule.name}</td>
<td class="tight"><code>${schedule.cron ?? "–"}</code><br><span class="quiet">${
    schedule.timeZone ?? ""
  }</span></td><td class="tight">${nextOf(schedule)}</td><td class="tight">${
    schedule.last === null ? "–" : time(schedule.last)
  }</td><td class="wide">${detailOf(visit, schedule)}</td><td class="tight">${buttons(visit, schedule)}</td></tr>`

const titles = ["Recurring task", "Name", "Cron", "Next", "Last", "Detail"]

const head = html`${titles.map((title) => html`<th scope="col">${title}</th>`)}<td></td>`

export const schedules: Handler = Effect.fnUntraced(function*(visit) {
  const all = yield* Schedules.list
  return respond(visit, {
    title: "Schedules",
    current: "schedules",
    body: html`<h1>Schedules</h1>${doneNote(visit.query.get("done"))}<section class="card">${
      all.length === 0
        ? html`<p>There are no recurring tasks.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="Schedules"><table><thead><tr>${head}</tr></thead>
<tbody>${all.map((one) => line(visit, one))}</tbody></table></div>`
    }</section>`
  })
})

/** One schedule: without a name, it would be all of a recurring task. */
export const schedule: Handler = Effect.fnUntraced(function*(visit) {
  const [name, recurring, change] = ["name", "recurring", "change"].map((field) => visit.form.get(field) ?? "")
  if (!isChange(change!) || name === "" || recurring === "") {
    return yield* new Refusal({ status: 400, title: "Not understood", message: "There is no such action." })
  }
  const { needs, run, title } = changes[change]
  yield* refuseUnless(visit, needs)
  const n = yield* noted(visit, needs, {
    effect: run(recurring!, name),
    target: `${recurring} ${name}`,
    title,
    text: (changed) => several(changed, "schedule")
  })
  if (n === 0) {
    return yield* new Refusal({ status: 409, title: "Not there", message: "There is no such schedule any more." })
  }
  return seeOther(address("schedules", { done: change }))
})
