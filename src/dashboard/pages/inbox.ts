/** The signals that a task has got, and has not taken. */
import type * as Admin from "../../Admin.ts"
import type * as Task from "../../Task.ts"
import { fieldsOfState, tagOf } from "../form/fields.ts"
import { isRecord, masked } from "../form/state.ts"
import { unnamed } from "../filter.ts"
import { cut, type Html, html } from "../html.ts"
import { time } from "../text.ts"

/** In characters, of each signal. */
const maxShown = 2000

/** The most that are shown: a row may hold a thousand. */
const maxSignals = 50

/** Its fields, with masks where the schema asks for them. */
const fieldsText = (task: Task.Any | undefined, { fields, signal }: Admin.InboxSignal): string => {
  const schema = task?.signals.find((one) => tagOf(one) === signal)
  const known = schema && fieldsOfState(schema)
  if (known === undefined) return fields
  try {
    const values: unknown = JSON.parse(fields)
    return isRecord(values) ? JSON.stringify(masked(known, values)) : fields
  } catch {
    return fields
  }
}

const line = (task: Task.Any | undefined) => (signal: Admin.InboxSignal): Html =>
  html`<tr><td>${cut(signal.signal ?? unnamed, 100)}</td><td class="tight">${
    signal.sentAt === null ? "–" : time(signal.sentAt)
  }</td><td class="wide"><code>${cut(fieldsText(task, signal), maxShown)}</code></td></tr>`

/** The first one first: so its state takes them. */
export const inboxCard = (task: Task.Any | undefined, signals: ReadonlyArray<Admin.InboxSignal>): Html =>
  signals.length === 0 ? html`` : html`<section class="card"><h2>Signals that it has not taken</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Signals"><table>
<thead><tr><th scope="col">Signal</th><th scope="col">Sent</th><th scope="col">Fields</th></tr></thead>
<tbody>${signals.slice(0, maxSignals).map(line(task))}</tbody></table></div>${
    signals.length > maxSignals ? html`<p class="quiet">The first ${maxSignals} of ${signals.length}.</p>` : ""
  }</section>`
