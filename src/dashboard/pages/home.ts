/** The first page: each task's machine, with how many tasks are in each state, and where they are stuck. */
import * as Effect from "effect/Effect"
import type * as Activity from "../../Activity.ts"
import * as Admin from "../../Admin.ts"
import * as Diagram from "../../Diagram.ts"
import type * as Task from "../../Task.ts"
import { draw, layOutMachine } from "../graph/drawing.ts"
import type { Layout } from "../graph/layout.ts"
import { address, type Html, html } from "../html.ts"
import { byState, byTask, keyOf, type Numbers, numbersOf, plotSize, type Shown } from "../numbers.ts"
import type { Sample } from "../sampler.ts"
import { respond } from "../shell.ts"
import { type Handler, type Site, taskOf } from "../site.ts"
import { byStatus, several } from "../text.ts"

/** All statuses, the worst first. */
export const statuses: ReadonlyArray<string> = [...Admin.Status.literals].sort(byStatus)

/** Schedules of recurring tasks are rows, too. They have a page of their own. */
const isSchedule = (counts: ReadonlyArray<Activity.BoundedCount>): boolean =>
  counts.every(({ step }) => step === "$schedule")

/** What the page shows: the tasks that are known, all of their states, and whatever else is in the table. */
export const shownOf = ({ tasks }: Site, sample: Sample): ReadonlyArray<Shown> => {
  const counts = byTask(sample.counts)
  const known = tasks.map((task) => ({
    task: task.name,
    states: [
      ...new Set([...task.steps.map(({ tag }): string | null => tag), ...byState(counts.get(task.name) ?? []).keys()])
    ]
  }))
  const others = [...counts.keys()].filter((name) =>
    !tasks.some((task) => task.name === name) && !isSchedule(counts.get(name)!)
  )
  return [...known, ...others.map((task) => ({ task, states: [...byState(counts.get(task)!).keys()] }))]
}

/** A layout is made once for each set of states that a machine was seen with. */
const layouts = new WeakMap<Task.Any, Map<string, Layout>>()

const layoutOf = (task: Task.Any, graph: Diagram.Graph): Layout => {
  const made = layouts.get(task) ?? new Map<string, Layout>()
  layouts.set(task, made)
  const key = JSON.stringify(graph.nodes.map(({ tag }) => tag))
  const layout = made.get(key) ?? layOutMachine(graph)
  // Unknown states come from rows, and so from anybody: what is kept must not grow with them.
  if (made.size < 20) made.set(key, layout)
  return layout
}

/** A line over the last minutes, with its name beside it, or only for those who don't see it. */
const plot = (numbers: Numbers, key: string, text: string, { bad = false, named = true } = {}): Html =>
  html`<span class="plot"><svg width="${plotSize.width}" height="${plotSize.height}" viewBox="0 0 ${plotSize.width} ${plotSize.height}" role="img" aria-label="${text}: the last 10 minutes"><path${
    bad ? html` class="bad"` : ""
  } data-path="${key}" d="${numbers.path[key]}"/></svg> ${named ? text : ""}</span>`

const live = (numbers: Numbers, key: string): Html => {
  const text = numbers.text[key] ?? "0"
  return html`<span data-live="${key}"${text === "0" ? html` data-zero` : ""}>${text}</span>`
}

const figure = (title: string, body: Html) => html`<div><dt>${title}</dt><dd>${body}</dd></div>`

const figures = (numbers: Numbers): Html =>
  html`<dl class="figures">${
    statuses.map((status) =>
      figure(status, html`<a href="${address("rows", { status })}">${live(numbers, status)}</a>`)
    )
  }${
    figure(
      "new / s",
      html`${live(numbers, "inserted")} ${plot(numbers, "inserted", "new per second", { named: false })}`
    )
  }${
    figure(
      "gone / s",
      html`${live(numbers, "deleted")} ${plot(numbers, "deleted", "gone per second", { named: false })}`
    )
  }</dl>`

const cell = (numbers: Numbers, shown: { task: string | null; state: string | null; status: string }): Html =>
  html`<td class="num"><a href="${
    address("rows", { task: shown.task ?? "?", state: shown.state ?? undefined, status: shown.status })
  }">${live(numbers, keyOf(shown.task, shown.state, shown.status))}</a></td>`

const table = (numbers: Numbers, { states, task }: Shown): Html =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="The states of ${task ?? "?"}"><table>
<thead><tr><th scope="col">State</th>${
    statuses.map((status) => html`<th scope="col" class="num">${status}</th>`)
  }<th scope="col" class="num">oldest ready</th></tr></thead>
<tbody>${
    states.map((state) =>
      html`<tr><th scope="row"><a href="${address("rows", { task: task ?? "?", state: state ?? undefined })}">${
        state ?? "?"
      }</a></th>${statuses.map((status) => cell(numbers, { task, state, status }))}<td class="num">${
        live(numbers, keyOf(task, state, "oldest"))
      }</td></tr>`
    )
  }</tbody></table></div>`

const drawing = (task: Task.Any, index: number, sample: Sample, numbers: Numbers): Html => {
  const graph = Diagram.toGraph(task, { counts: sample.counts })
  const marks = (tag: string) => {
    const key = keyOf(task.name, tag)
    return { key, mood: numbers.mood[key] ?? "empty", summary: numbers.text[key] ?? "none" }
  }
  return html`<div class="drawing" tabindex="0" role="region" aria-label="The machine of ${task.name}">${
    draw(graph, layoutOf(task, graph), String(index), marks)
  }</div>`
}

const priority = (task: Task.Any | undefined): Html =>
  task === undefined || task.priority === "normal" ? html`` : html`<span class="quiet">${task.priority} priority</span>`

const card = (site: Site, sample: Sample, numbers: Numbers) => (shown: Shown, index: number): Html => {
  const { task } = shown
  const known = taskOf(site, task)
  const key = keyOf(task)
  return html`<section class="card machine${known === undefined ? " rows" : ""}" aria-labelledby="task-${index}">
<header><h2 id="task-${index}"><a href="${address("rows", { task: task ?? "?" })}">${
    task ?? "Rows that are no tasks"
  }</a></h2>${priority(known)}
<span class="badge" data-moodof="${key}" data-mood="${numbers.mood[key]}" data-live="${key}">${numbers.text[key]}</span>
${plot(numbers, keyOf(task, undefined, "ready"), "ready")}${
    plot(numbers, keyOf(task, undefined, "running"), "running")
  }${plot(numbers, keyOf(task, undefined, "parked"), "parked", { bad: true })}</header>
${
    known === undefined
      ? html`<p class="quiet">Not among the tasks of this dashboard: it shows their rows, but not their machine.</p>`
      : drawing(known, index, sample, numbers)
  }
${table(numbers, shown)}</section>`
}

const body = (site: Site, sample: Sample): Html => {
  const shown = shownOf(site, sample)
  const numbers = numbersOf(sample, shown, statuses)
  return html`<h1>Machines</h1>${figures(numbers)}${shown.map(card(site, sample, numbers))}
${shown.length === 0 ? html`<p>There are no tasks, and this dashboard was given none.</p>` : ""}
<p class="quiet">${several(sample.counts.length, "group")}, counted in <span data-live="took">${
    numbers.text["took"]
  }</span>. Numbers with + are at least that: counting stops where it gets expensive.</p>`
}

export const home: Handler = Effect.fnUntraced(function*(visit) {
  const look = yield* visit.site.sampler.look
  return respond(visit, {
    title: "Machines",
    current: "home",
    feed: "events",
    status: typeof look === "string" ? 503 : 200,
    body: typeof look === "string"
      ? html`<h1>Machines</h1><p class="fault" role="alert">The tasks can't be counted: ${look}</p>`
      : body(visit.site, look)
  })
})
