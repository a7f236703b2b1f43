/** The state of a task in a form that is made from its schema. The schema checks what is sent, field by field. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Admin from "../../Admin.ts"
import type * as Task from "../../Task.ts"
import { decodeAs } from "../form/decode.ts"
import { fieldsOfState } from "../form/fields.ts"
import { readForm } from "../form/read.ts"
import { type Content, renderFields, renderJson } from "../form/render.ts"
import { stateOf, stepOf } from "../form/state.ts"
import { address, attribute, type Child, type Html, html } from "../html.ts"
import { badge, respond, seeOther } from "../shell.ts"
import { type Handler, may, Refusal, type Visit } from "../site.ts"
import { shortId } from "../text.ts"
import { noted, refuseUnless } from "./actions.ts"

type Step = Task.Any["steps"][number]

/** A row that can be edited, and the state that it is to get. */
interface Editing {
  readonly row: Admin.Row
  readonly task: Task.Any
  readonly step: Step
  /** What is stored, if the state stays the same. */
  readonly stored: Readonly<Record<string, unknown>>
}

const refusal = (message: string) => new Refusal({ status: 409, title: "Not to be edited", message })

const findEditing = Effect.fnUntraced(function*(visit: Visit, params: URLSearchParams) {
  yield* refuseUnless(visit, "edit")
  const row = yield* Admin.get(params.get("id") ?? "")
  const state = stateOf(visit.site, row)
  if (state.task === undefined) return yield* refusal(`This dashboard knows no task "${row.task ?? "?"}".`)
  const tag = params.get("state") ?? row.step
  const step = stepOf(state.task, tag) ?? state.heir ?? state.task.steps[0]!
  const editing: Editing = { row, task: state.task, step, stored: (step.tag === row.step ? state.stored : {}) ?? {} }
  return editing
})

const stateChooser = ({ row, step, task }: Editing): Html =>
  html`<form class="filter" method="get" action="edit"><input type="hidden" name="id" value="${row.id}">
<label>State<select name="state">${
    task.steps.map(({ tag }) => html`<option${attribute("selected", tag === step.tag)}>${tag}</option>`)
  }</select></label><button>Choose</button></form>`

const dropped = ({ step, stored }: Editing): ReadonlyArray<string> => {
  const known = new Set(fieldsOfState(step.state)?.map(({ name }) => name))
  return fieldsOfState(step.state) === undefined ? [] : Object.keys(stored).filter((name) => !known.has(name))
}

const formOf = (visit: Visit, editing: Editing, content: Content): Html => {
  const { row, step } = editing
  const fields = fieldsOfState(step.state)
  const lost = dropped(editing)
  return html`<form method="post" action="edit" data-edit><input type="hidden" name="token" value="${visit.token}">
<input type="hidden" name="id" value="${row.id}"><input type="hidden" name="state" value="${step.tag}">
<input type="hidden" name="transitions" value="${visit.form.get("transitions") ?? row.transitions}">
${fields === undefined ? renderJson(content) : renderFields(fields, "", content)}
${fields?.length === 0 ? html`<p class="quiet">This state has no fields.</p>` : ""}
${
    lost.length === 0
      ? ""
      : html`<p class="fault">The schema doesn't have these fields, so they are dropped: ${lost.join(", ")}</p>`
  }
<p class="bar">${
    row.status === "parked" && may(visit, "retry")
      ? html`<button class="main" name="afterwards" value="retry">Save and retry</button><button name="afterwards" value="">Save</button>`
      : html`<button class="main" name="afterwards" value="">Save</button>`
  }<a href="${address("row", { id: row.id })}">Back</a></p></form>`
}

const show = (visit: Visit, editing: Editing, content: Content, problem: Child = "") => {
  const { row, step, task } = editing
  return respond(visit, {
    title: `Edit ${task.name}.${step.tag}`,
    current: "rows",
    status: problem === "" ? 200 : 422,
    body: html`<h1>Edit ${task.name}.${step.tag} <span class="quiet id">${shortId(row.id)}</span></h1>
${problem === "" ? "" : html`<p class="fault" role="alert">${problem}</p>`}
<p>It is ${badge(row.status)}. ${row.status === "running" ? "It can be edited only while it does not run." : ""}</p>
${stateChooser(editing)}<section class="card">${formOf(visit, editing, content)}</section>`
  })
}

export const editPage: Handler = Effect.fnUntraced(function*(visit) {
  const editing = yield* findEditing(visit, visit.query)
  return show(visit, editing, { values: editing.stored, wrong: new Map() })
})

/** The transition that the form was made at. */
const transitionsOf = (form: URLSearchParams): Effect.Effect<number, Refusal> => {
  const given = form.get("transitions") ?? ""
  return /^\d+$/.test(given) && Number(given) < 2 ** 31
    ? Effect.succeed(Number(given))
    : refusal("This form is broken: load the page again.")
}

const save = Effect.fnUntraced(function*(visit: Visit, { row, task }: Editing, state: Task.State<Task.Any>) {
  const transitions = yield* transitionsOf(visit.form)
  const isRetry = visit.form.get("afterwards") === "retry"
  // Before anything is saved.
  if (isRetry) yield* refuseUnless(visit, "retry")
  yield* noted(visit, "edit", {
    // What the schema needs to encode it must be in the context of the dashboard, as for decoding.
    effect: Admin.edit(task, row.id, state, { transitions }) as Effect.Effect<void, Admin.EditError, SqlClient>,
    target: row.id,
    text: () => `${task.name}.${state._tag}`
  })
  if (!isRetry) return seeOther(address("row", { id: row.id, done: "edit" }))
  yield* noted(visit, "retry", { effect: Admin.retry(row.id), target: row.id, text: () => "1 task" })
  return seeOther(address("row", { id: row.id, done: "retry" }))
})

const summary = "Nothing was saved: look at what is marked below."

const movedOn = "Nothing was saved: the task has moved on since this form was made. Go back, and look at it again."

export const edit: Handler = Effect.fnUntraced(function*(visit) {
  const editing = yield* findEditing(visit, visit.form)
  const content = readForm(fieldsOfState(editing.step.state), visit.form, editing.stored)
  // Before its fields are checked: masked ones keep what is stored, which may be of another state by now.
  if ((yield* transitionsOf(visit.form)) !== editing.row.transitions) return show(visit, editing, content, movedOn)
  if (content.wrong.size > 0) return show(visit, editing, content, summary)
  const decoded = yield* Effect.result(decodeAs(editing.step.state, editing.step.tag, content.values))
  if (decoded._tag === "Failure") {
    const wrong = decoded.failure
    return show(visit, editing, { values: content.values, wrong }, wrong.get("")?.join(" ") ?? summary)
  }
  return yield* save(visit, editing, decoded.success).pipe(
    Effect.catchTag(
      ["TaskEditError", "TaskInvalidStateError"],
      ({ message }) => Effect.succeed(show(visit, editing, content, `Nothing was saved: ${message}`))
    )
  )
})
