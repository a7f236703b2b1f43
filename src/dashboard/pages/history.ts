/** The attempts of a task that keeps a history. */
import * as Duration from "effect/Duration"
import type * as Admin from "../../Admin.ts"
import { unnamed } from "../filter.ts"
import { cut, type Html, html } from "../html.ts"
import { firstLine, time } from "../text.ts"

/** Attempts: the last ones. */
export const maxHistory = 100

const attemptLine = (entry: Admin.HistoryEntry): Html =>
  html`<tr><td class="tight">${time(entry.endedAt)}</td><td>${
    entry.state ?? unnamed
  }</td><td class="num">${entry.attempt}</td>
<td>${entry.outcome}${entry.signal === null ? "" : html`, ${entry.signal}`}</td><td class="num">${
    entry.duration === null ? "–" : Duration.format(entry.duration)
  }</td><td class="wide">${entry.error === null ? "" : cut(firstLine(entry.error), 200)}</td></tr>`

/** Only tasks that keep a history have one. */
export const historyCard = (entries: ReadonlyArray<Admin.HistoryEntry>): Html =>
  entries.length === 0
    ? html``
    : html`<section class="card"><h2>History</h2><div class="scroll" tabindex="0" role="region" aria-label="History"><table>
<thead><tr><th scope="col">Ended</th><th scope="col">State</th><th scope="col" class="num">Try</th><th scope="col">Outcome</th><th scope="col" class="num">Took</th><th scope="col">Error</th></tr></thead>
<tbody>${entries.map(attemptLine)}</tbody></table></div></section>`
