/** Rows as a table, and the fields that narrow it. */
import type * as Admin from "../../Admin.ts"
import { type Asked, unnamed } from "../filter.ts"
import { address, attribute, type Child, cut, type Html, html } from "../html.ts"
import { badge } from "../shell.ts"
import type { Site } from "../site.ts"
import { duration, firstLine, shortId, waits } from "../text.ts"
import { statuses } from "./home.ts"

/** What is read of a row's texts: a list shows the first line of an error. */
export const maxText = 1000

const because = ({ error, lastError, limit, status, waitsFor }: Admin.Row): Child => {
  if (error !== null) return cut(firstLine(error), 160)
  if (lastError !== null) return html`<span class="quiet">last: ${cut(firstLine(lastError), 160)}</span>`
  if (status === "limited") return html`<span class="quiet">at ${cut((limit ?? "").replace(":", " "), 100)}</span>`
  if (status === "waiting") return html`<span class="quiet">for ${waits(waitsFor ?? [])}</span>`
  return status === "scheduled" ? html`<span class="quiet">due later</span>` : ""
}

const line = (row: Admin.Row, choosable: boolean): Html =>
  html`<tr data-row>${
    choosable
      ? html`<td><input type="checkbox" name="id" value="${row.id}" aria-label="${shortId(row.id)}"></td>`
      : ""
  }<td class="tight"><a class="row id" href="${address("row", { id: row.id })}">${shortId(row.id)}</a></td>
<td>${row.task ?? unnamed}</td><td>${row.step ?? unnamed}</td><td>${badge(row.status)}</td>
<td class="num" data-label="for">${
    duration(row.age)
  }</td><td class="num" data-label="tried">${row.tried}</td><td class="wide">${because(row)}</td></tr>`

const titles = ["Id", "Task", "State", "Status", "For", "Tried", "Error"]

/** A table of rows. With `choosable`, each has a check box. Each table of a page needs a label of its own. */
export const rowTable = (rows: ReadonlyArray<Admin.Row>, choosable: boolean, label = "Tasks"): Html =>
  rows.length === 0
    ? html`<p class="quiet">No such task.</p>`
    : html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="tasks"><thead><tr>${
      choosable
        ? html`<th scope="col" class="choose"><input type="checkbox" data-all hidden aria-label="All of this page"></th>`
        : ""
    }${
      titles.map((title) =>
        html`<th scope="col"${title === "For" || title === "Tried" ? html` class="num"` : ""}>${title}</th>`
      )
    }</tr></thead><tbody>${rows.map((row) => line(row, choosable))}</tbody></table></div>`

const input = (asked: Asked, name: keyof Asked, label: string, hint: string): Html =>
  html`<label>${label}<input name="${name}" value="${asked[name]}" placeholder="${hint}" size="12"></label>`

const select = (name: string, label: string, options: ReadonlyArray<string>, chosen: string | undefined): Html =>
  html`<label>${label}<select name="${name}"><option value="">any</option>${
    [...new Set([...options, ...(chosen === undefined ? [] : [chosen])])].map((option) =>
      html`<option value="${option}"${attribute("selected", option === chosen)}>${option}</option>`
    )
  }</select></label>`

/** The form that narrows a list. */
export const filterForm = ({ tasks }: Site, asked: Asked): Html => {
  const states = tasks.filter(({ name }) => asked.task === undefined || asked.task === name)
    .flatMap(({ steps }) => steps.map(({ tag }) => tag))
  return html`<form class="filter" method="get" action="rows">
${select("task", "Task", tasks.map(({ name }) => name), asked.task)}
${select("state", "State", [...new Set(states)], asked.state)}
${select("status", "Status", statuses, asked.status)}
${asked.parent === undefined ? "" : input(asked, "parent", "Parent", "its id")}${
    input(asked, "key", "Key", "all of it")
  }${input(asked, "error", "Error", "a part of it")}${input(asked, "text", "Fields", "a part of the state")}
${input(asked, "older", "For at least", "5m, 2h, 1d")}${input(asked, "newer", "For less than", "5m, 2h, 1d")}
<button>Show</button> <a href="rows">Clear</a></form>`
}
