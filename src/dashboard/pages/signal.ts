/** Sending a task a signal, in a form that is made from the schema of the signal. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Admin from "../../Admin.ts"
import type * as Task from "../../Task.ts"
import type { SignalError } from "../../TaskError.ts"
import type { TaskId } from "../../TaskId.ts"
import { decodeAs } from "../form/decode.ts"
import { fieldsOfState, type Tagged, tagOf } from "../form/fields.ts"
import { readForm } from "../form/read.ts"
import { type Content, renderFields, renderJson } from "../form/render.ts"
import { address, attribute, type Child, html } from "../html.ts"
import { respond, seeOther } from "../shell.ts"
import { type Handler, Refusal, taskOf, type Visit } from "../site.ts"
import { shortId } from "../text.ts"
import { noted, refuseUnless } from "./actions.ts"

interface Sending {
  readonly id: TaskId
  readonly task: Task.Any
  readonly signal: Tagged
}

const refusal = (message: string) => new Refusal({ status: 409, title: "No signal", message })

/** What the state of a row waits for, the others of its task after it. */
const signalsOf = (task: Task.Any, row: Admin.Row): ReadonlyArray<Tagged> => {
  const step = task.steps.find(({ tag }) => tag === row.step)
  const awaited = "on" in (step ?? {})
    ? (step as unknown as { readonly on: ReadonlyArray<{ readonly tag: string }> }).on
    : []
  const isAwaited = (signal: Tagged) => awaited.some(({ tag }) => tag === tagOf(signal))
  return [...task.signals.filter(isAwaited), ...task.signals.filter((signal) => !isAwaited(signal))]
}

const findSending = Effect.fnUntraced(function*(visit: Visit, params: URLSearchParams) {
  yield* refuseUnless(visit, "signal")
  const row = yield* Admin.get(params.get("id") ?? "")
  const task = taskOf(visit.site, row.task)
  if (task === undefined) return yield* refusal(`This dashboard knows no task "${row.task ?? "?"}".`)
  const signals = signalsOf(task, row)
  const signal = signals.find((one) => tagOf(one) === params.get("signal")) ?? signals[0]
  if (signal === undefined) return yield* refusal(`No state of "${task.name}" waits for a signal.`)
  const sending: Sending = { id: row.id, task, signal }
  return sending
})

const show = (visit: Visit, { id, signal, task }: Sending, content: Content, problem: Child = "") => {
  const tag = tagOf(signal)
  const fields = fieldsOfState(signal)
  return respond(visit, {
    title: `Signal ${tag}`,
    current: "rows",
    status: problem === "" ? 200 : 422,
    body: html`<h1>Send ${task.name} <span class="quiet id">${shortId(id)}</span> a signal</h1>
${problem === "" ? "" : html`<p class="fault" role="alert">${problem}</p>`}
<form class="filter" method="get" action="signal"><input type="hidden" name="id" value="${id}"><label>Signal<select name="signal">${
      task.signals.map(tagOf).map((one) => html`<option${attribute("selected", one === tag)}>${one}</option>`)
    }</select></label><button>Choose</button></form>
<section class="card"><form method="post" action="signal" data-edit><input type="hidden" name="token" value="${visit.token}">
<input type="hidden" name="id" value="${id}"><input type="hidden" name="signal" value="${tag}">
${fields === undefined ? renderJson(content) : renderFields(fields, "", content)}
<p class="bar"><button class="main">Send ${tag}</button><a href="${
      address("row", { id })
    }">Back</a></p></form></section>`
  })
}

export const signalPage: Handler = Effect.fnUntraced(function*(visit) {
  return show(visit, yield* findSending(visit, visit.query), { values: {}, wrong: new Map() })
})

/** Of any task: only its own type knows its signals. */
type Send = (id: TaskId, signal: unknown) => Effect.Effect<void, SignalError, SqlClient>

export const signal: Handler = Effect.fnUntraced(function*(visit) {
  const sending = yield* findSending(visit, visit.form)
  const { id, task } = sending
  const tag = tagOf(sending.signal)
  const content = readForm(fieldsOfState(sending.signal), visit.form, {})
  const summary = "Nothing was sent: look at what is marked below."
  if (content.wrong.size > 0) return show(visit, sending, content, summary)
  const decoded = yield* Effect.result(decodeAs(sending.signal, tag, content.values))
  if (decoded._tag === "Failure") return show(visit, sending, { ...content, wrong: decoded.failure }, summary)
  yield* noted(visit, "signal", {
    effect: (task as unknown as { readonly signal: Send }).signal(id, decoded.success),
    target: id,
    text: () => `${task.name}, ${tag}`
  })
  return seeOther(address("row", { id, done: "signal" }))
})
