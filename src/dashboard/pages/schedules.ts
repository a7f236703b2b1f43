/** The schedules of recurring tasks: when each runs next, and what was missed. */
import * as Effect from "effect/Effect"
import * as Schedules from "../../Schedules.ts"
import { address, cut, type Html, html } from "../html.ts"
import { badge, respond } from "../shell.ts"
import type { Handler } from "../site.ts"
import { firstLine, time } from "../text.ts"

const nextOf = ({ error, next, paused }: Schedules.Schedule): Html =>
  error !== null ? badge("parked") : html`${paused ? "paused" : next === null ? "–" : time(next)}`

const line = (schedule: Schedules.Schedule): Html =>
  html`<tr><th scope="row"><a href="${
    address("row", { id: schedule.id })
  }">${schedule.recurring}</a></th><td>${schedule.name}</td>
<td>${schedule.cron ?? "–"}</td><td>${schedule.timeZone ?? "–"}</td><td>${nextOf(schedule)}</td><td>${
    schedule.last === null ? "–" : time(schedule.last)
  }</td><td class="num">${schedule.missed}</td><td class="num">${schedule.overlapped}</td><td class="wide">${
    schedule.error === null ? "" : cut(firstLine(schedule.error), 160)
  }</td></tr>`

export const schedules: Handler = Effect.fnUntraced(function*(visit) {
  const all = yield* Schedules.list
  return respond(visit, {
    title: "Schedules",
    current: "schedules",
    body: html`<h1>Schedules</h1><section class="card">${
      all.length === 0
        ? html`<p>There are no recurring tasks.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="Schedules"><table><thead><tr><th scope="col">Recurring task</th><th scope="col">Name</th><th scope="col">Cron</th><th scope="col">Zone</th><th scope="col">Next</th><th scope="col">Last</th><th scope="col" class="num">Missed</th><th scope="col" class="num">Overlapped</th><th scope="col">Error</th></tr></thead>
<tbody>${all.map(line)}</tbody></table></div>`
    }</section>`
  })
})
