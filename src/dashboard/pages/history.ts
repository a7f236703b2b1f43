/** The attempts of a task that keeps a history, as a timeline. */
import * as Duration from "effect/Duration"
import type * as Admin from "../../Admin.ts"
import { unnamed } from "../filter.ts"
import { cut, type Html, html } from "../html.ts"
import { duration, firstLine, several, time, took } from "../text.ts"

/** Attempts: the last ones. */
export const maxHistory = 100

const moodOf: Readonly<Record<Admin.HistoryEntry["outcome"], string>> = {
  finished: "running",
  continued: "running",
  rescheduled: "scheduled",
  waiting: "waiting",
  retried: "ready",
  parked: "parked",
  rejected: "parked",
  released: "ended",
  lost: "parked"
}

/** In pixels. */
const barSize = { width: 160, height: 10 }

/** The time that a timeline shows, in milliseconds since 1970. */
interface Span {
  readonly from: number
  readonly to: number
}

const spanOf = ({ duration, endedAt }: Admin.HistoryEntry): Span => {
  const to = endedAt.epochMilliseconds
  return { from: to - (duration === null ? 0 : Duration.toMillis(duration)), to }
}

/** When an attempt ran, between the first and the last. However short it was, it can be seen. */
const bar = (entry: Admin.HistoryEntry, all: Span): Html => {
  const { from, to } = spanOf(entry)
  const scale = barSize.width / Math.max(1, all.to - all.from)
  const width = Math.max(3, (to - from) * scale)
  const x = Math.min((from - all.from) * scale, barSize.width - width)
  return html`<svg class="when" width="${barSize.width}" height="${barSize.height}" aria-hidden="true"><rect data-mood="${
    moodOf[entry.outcome]
  }" x="${x.toFixed(1)}" width="${width.toFixed(1)}" height="${barSize.height}" rx="1.5"/></svg>`
}

const attemptLine = (all: Span) => (entry: Admin.HistoryEntry): Html =>
  html`<tr><td class="tight">${time(entry.endedAt)}</td><td>${
    entry.state ?? unnamed
  }</td><td class="num">${entry.attempt}</td>
<td><span class="badge" data-mood="${moodOf[entry.outcome]}">${entry.outcome}</span>${
    entry.signal === null ? "" : html` ${cut(entry.signal, 60)}`
  }</td><td class="num">${entry.duration === null ? "–" : took(entry.duration)}</td><td>${
    bar(entry, all)
  }</td><td class="wide">${entry.error === null ? "" : cut(firstLine(entry.error), 200)}</td></tr>`

/** Only tasks that keep a history have one. */
export const historyCard = (entries: ReadonlyArray<Admin.HistoryEntry>): Html => {
  if (entries.length === 0) return html``
  const spans = entries.map(spanOf)
  const all = { from: Math.min(...spans.map(({ from }) => from)), to: Math.max(...spans.map(({ to }) => to)) }
  return html`<section class="card"><h2>History</h2><p class="quiet">${
    entries.length === maxHistory ? "The last " : ""
  }${several(entries.length, "attempt")} in ${duration(Duration.millis(all.to - all.from))}, the first one first</p>
<div class="scroll" tabindex="0" role="region" aria-label="History"><table>
<thead><tr><th scope="col">Ended</th><th scope="col">State</th><th scope="col" class="num">Try</th><th scope="col">Outcome</th><th scope="col" class="num">Took</th><th scope="col">When</th><th scope="col">Error</th></tr></thead>
<tbody>${entries.map(attemptLine(all))}</tbody></table></div></section>`
}
