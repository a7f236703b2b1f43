/** The small pages. */
import * as Effect from "effect/Effect"
import * as Activity from "../../Activity.ts"
import * as Admin from "../../Admin.ts"
import { address, html } from "../html.ts"
import { respond, seeOther } from "../shell.ts"
import type { Handler } from "../site.ts"
import { several, time } from "../text.ts"

/** The id of a task that is gone, and has left a history. */
const pastId = (given: string) =>
  Admin.history(given, { limit: 1 }).pipe(
    Effect.map(([entry]) => entry?.id),
    Effect.catchTag("TaskIdError", () => Effect.succeed(undefined)),
    // A role may not be allowed to read it.
    Effect.catchTag("TaskTableError", (error) =>
      error.reason === "PermissionDenied" ? Effect.succeed(undefined) : Effect.fail(error))
  )

/** The id of a task by the id, or the first digits of it. */
const byId = (given: string) =>
  /^[0-9a-f-]{4,36}$/i.test(given)
    ? Effect.catchTag(Admin.findId(given), ["TaskNotFoundError", "TaskIdError"], () => pastId(given))
    : Effect.succeed(undefined)

/** By an id or its first digits, by a key, else by a text in the state's fields. */
export const find: Handler = Effect.fnUntraced(function*(visit) {
  const given = (visit.query.get("q") ?? "").trim()
  if (given === "") return seeOther("rows")
  const id = yield* byId(given)
  if (id !== undefined) return seeOther(address("row", { id }))
  const { rows: [only, ...others] } = yield* Admin.list({ key: given, limit: 2, maxText: 0 })
  if (only === undefined) return seeOther(address("rows", { text: given }))
  return seeOther(others.length > 0 ? address("rows", { key: given }) : address("row", { id: only.id }))
})

/** The workers that are seen from here. */
export const workers: Handler = Effect.fnUntraced(function*(visit) {
  const seen = yield* Activity.listeners
  return respond(visit, {
    title: "Workers",
    current: "workers",
    body: html`<h1>Workers</h1><section class="card"><p>${several(seen.length, "worker")} of this database ${
      seen.length === 1 ? "listens" : "listen"
    } for notifications. Workers that poll, for example behind a pooler, are not seen, nor are those whose sessions this database role may not see.</p>
${
      seen.length === 0 ? "" : html`<div class="scroll" tabindex="0" role="region" aria-label="Workers"><table>
<thead><tr><th scope="col">Application</th><th scope="col">Address</th><th scope="col">Connected since</th><th scope="col" class="num">Postgres's process</th></tr></thead>
<tbody>${
        seen.map(({ address, application, pid, since }) =>
          html`<tr><td>${application === "" ? "–" : application}</td><td>${address ?? "–"}</td><td>${
            time(since)
          }</td><td class="num">${pid}</td></tr>`
        )
      }</tbody></table></div>`
    }<p><a class="plain" href="${address("rows", { status: "running" })}">What is running now</a></p></section>`
  })
})

const keyTexts = [
  ["/", "Find"],
  ["h", "Machines"],
  ["e", "Edit this task, or else: errors"],
  ["t", "Tasks"],
  ["j, k", "Down and up in a list"],
  ["Enter", "Open"],
  ["x", "Check the task of this line"],
  ["n", "Next page"],
  ["Esc", "Leave a field"],
  ["?", "This page"]
] as const

export const keys: Handler = (visit) =>
  Effect.succeed(respond(visit, {
    title: "Keys",
    body: html`<h1>Keys</h1><section class="card"><dl class="facts">${
      keyTexts.map(([key, text]) => html`<dt><kbd>${key}</kbd></dt><dd>${text}</dd>`)
    }</dl></section>`
  }))
