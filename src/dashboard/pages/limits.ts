/** The limits: how many tasks hold their slots, how many wait, and the means to pause them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Activity from "../../Activity.ts"
import * as Diagram from "../../Diagram.ts"
import { address, cut, type Html, html } from "../html.ts"
import { respond } from "../shell.ts"
import type { Handler, Site, Visit } from "../site.ts"
import { count, duration, number, several } from "../text.ts"
import { doneNote, limitButtons, numberForm } from "./limitActions.ts"

/** Rows of each task: however many there are, a look is quick. */
const lookAt = 10_000

/** Of each key on a page of keys. */
const lookAtKey = 1000

const pageSize = 50

/** Those that fill the queues. */
const maxBusiest = 10

/** In characters: a name that SQL has written may have any length. */
export const maxName = 100

/** A state of the dashboard's tasks that has a limit. */
interface LimitedState {
  readonly task: string
  readonly state: string
  readonly limit: Diagram.GraphLimit
}

const limitedStates = ({ tasks }: Site): ReadonlyArray<LimitedState> =>
  tasks.flatMap((task) =>
    Diagram.toGraph(task).nodes.flatMap(({ limit, tag }) =>
      limit === undefined ? [] : [{ task: task.name, state: tag, limit }]
    )
  )

/** What a page shows of a limit: there may be no task of it, and no code that has it. */
interface Line {
  readonly name: string
  readonly sum: Activity.LimitSum | undefined
  readonly states: ReadonlyArray<LimitedState>
}

const linesOf = (site: Site, sums: ReadonlyArray<Activity.LimitSum>): ReadonlyArray<Line> => {
  const states = limitedStates(site)
  const names = [...new Set([...sums.map(({ limit }) => limit), ...states.map(({ limit }) => limit.name)])]
  return names.map((name) => ({
    name,
    sum: sums.find(({ limit }) => limit === name),
    states: states.filter(({ limit }) => limit.name === name)
  }))
}

const isKeyed = ({ states, sum }: Line): boolean =>
  states.some(({ limit }) => limit.keyed) || (sum !== undefined && sum.keys + sum.pausedKeys > 0)

type Most = Pick<Activity.LimitCount, "running" | "rate">

/** How many may be at work, and how many may start in a while. */
export const mostOf = ({ rate, running }: Most, unknown = "–"): string => {
  const most = [
    ...(running === null ? [] : [number(running)]),
    ...(rate === null ? [] : [`${number(rate.limit)} in ${Duration.format(rate.per)}`])
  ]
  return most.length === 0 ? unknown : most.join(", and ")
}

/** Somebody has set the number. */
export const setMark = html`<span class="quiet">set here</span>`

/** As the newest worker has said it, or else the code. */
const saidOf = ({ states: [first], sum }: Line): Most =>
  sum !== undefined && (sum.rate !== null || (sum.running !== null && sum.itself.running === null))
    ? sum
    : { running: first?.limit.running ?? null, rate: first?.limit.rate ?? null }

/** The same, or as somebody has set it. */
const mostOfLine = (line: Line): Html => {
  const set = line.sum?.itself.running ?? null
  const said = saidOf(line)
  return set === null ? html`${mostOf(said)}` : html`${mostOf({ ...said, running: set })} ${setMark}`
}

const mark = (text: string, isWhole = false): Html =>
  html`<span class="badge" data-mood="limited">${text}</span> ${
    isWhole ? html`<span class="quiet">the whole limit</span> ` : ""
  }`

type Brakes = Pick<Activity.LimitCount, "key" | "paused" | "backOff" | "itself">

/** For how long it, or its whole limit, backs off. */
export const backOffMarks = ({ backOff, itself, key }: Brakes): Html => {
  const isWhole = key !== null && backOff !== null &&
    (itself.backOff === null || Duration.isGreaterThan(backOff, itself.backOff))
  return html`${itself.backOff === null ? "" : mark(`backs off for ${duration(itself.backOff)}`)}${
    isWhole ? mark(`backs off for ${duration(backOff)}`, true) : ""
  }`
}

/** Why no task of it starts. */
const marks = (count: Brakes): Html =>
  html`${count.paused ? mark("paused", !count.itself.paused) : ""}${backOffMarks(count)}`

const stateLinks = (states: ReadonlyArray<LimitedState>): Html =>
  states.length === 0
    ? html`<span class="quiet">No state of this dashboard's tasks</span>`
    : html`${
      states.map(({ state, task }, index) =>
        html`${index === 0 ? "" : ", "}<a href="${
          address("rows", { task, state, status: "limited" })
        }">${task}.${state}</a>`
      )
    }`

const numbers = (
  sum: Pick<Activity.LimitCount, "holders" | "atWork" | "waiting" | "oldest" | "atLeast"> | undefined
): Html =>
  html`<td class="num">${count(sum?.holders ?? 0)}</td><td class="num">${count(sum?.atWork ?? 0)}</td><td class="num">${
    count(sum?.waiting ?? 0, sum?.atLeast)
  }</td><td class="num">${sum === undefined || sum.oldest === null ? "–" : duration(sum.oldest)}</td>`

const limitLine = (visit: Visit) => (line: Line): Html => {
  const { name, states, sum } = line
  const shown = cut(name, maxName)
  return html`<tr><th scope="row"><a href="${
    isKeyed(line) ? address("limits", { limit: name }) : address("limit", { limit: name })
  }">${shown}</a></th><td class="num">${
    isKeyed(line) ? html`${mostOfLine(line)} <span class="quiet">of each key</span>` : mostOfLine(line)
  }</td>${numbers(sum)}<td>${sum === undefined ? "" : marks(sum)}${
    sum === undefined || sum.pausedKeys === 0
      ? ""
      : html`<span class="quiet">${several(sum.pausedKeys, "key")} paused</span>`
  }</td><td>${stateLinks(states)}</td><td class="tight">${limitButtons(visit, { limit: name }, sum)}</td></tr>`
}

const head = (titles: ReadonlyArray<string>): Html =>
  html`<thead><tr>${
    titles.map((title) =>
      html`<th scope="col"${
        ["At most", "Holders", "At work", "Waiting", "Oldest"].includes(title) ? html` class="num"` : ""
      }>${title}</th>`
    )
  }<td></td></tr></thead>`

const keyLine = (visit: Visit, list: string | undefined) => (key: Activity.LimitCount): Html =>
  html`<tr><th scope="row"><a href="${address("limit", { limit: key.limit, key: key.key ?? undefined })}">${
    list === undefined ? html`<span class="quiet">${cut(key.limit, maxName)}</span> ` : ""
  }${cut(key.key ?? "", maxName)}</a></th><td class="num">${mostOf(key)}${
    key.itself.running === null ? "" : html` ${setMark}`
  }</td>${numbers(key)}<td>${marks(key)}</td><td class="tight">${
    limitButtons(visit, { limit: key.limit, key: key.key ?? undefined, list }, key)
  }</td></tr>`

const keyTitles = ["Key", "At most", "Holders", "At work", "Waiting", "Oldest", "Paused"]

const keyTable = (
  visit: Visit,
  { keys, label, list }: {
    readonly keys: ReadonlyArray<Activity.LimitCount>
    readonly label: string
    readonly list: string | undefined
  }
): Html =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table>${head(keyTitles)}
<tbody>${keys.map(keyLine(visit, list))}</tbody></table></div>`

const limitTitles = ["Limit", "At most", "Holders", "At work", "Waiting", "Oldest", "Paused", "States"]

const overview = Effect.fnUntraced(function*(visit: Visit) {
  const [sums, busiest] = yield* Effect.all([
    Activity.limits(lookAt),
    Activity.busiestKeys({ first: maxBusiest, lookAt })
  ], { concurrency: 2 })
  const lines = linesOf(visit.site, sums)
  const isCut = sums.some(({ atLeast }) => atLeast)
  return respond(visit, {
    title: "Limits",
    current: "limits",
    body: html`<h1>Limits</h1>${doneNote(visit.query)}<section class="card">${
      lines.length === 0
        ? html`<p>There are no limits.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="Limits"><table>${head(limitTitles)}
<tbody>${lines.map(limitLine(visit))}</tbody></table></div>`
    }</section>${
      busiest.length === 0
        ? ""
        : html`<section class="card"><h2>The busiest keys</h2>${
          keyTable(visit, { keys: busiest, label: "The busiest keys", list: undefined })
        }</section>`
    }${
      isCut
        ? html`<p class="quiet">Of each task, the ${count(lookAt)} tasks that have waited longest were counted.</p>`
        : ""
    }`
  })
})

const keySearch = (limit: string): Html =>
  html`<form class="filter" method="get" action="limit"><input type="hidden" name="limit" value="${limit}">
<label>Key<input name="key" required size="20" placeholder="all of it"></label><button>Show</button> <a class="plain" href="limits">All limits</a></form>`

const keyPage = Effect.fnUntraced(function*(visit: Visit, limit: string) {
  const after = visit.query.get("after") ?? undefined
  const [{ keys, next }, { count: whole }] = yield* Effect.all([
    Activity.limitKeys(limit, { first: pageSize, lookAt: lookAtKey, after }),
    Activity.limitTasks({ limit }, { first: 1, lookAt: 1 })
  ], { concurrency: 2 })
  const text = keys.length < pageSize ? "Look further" : "Next page"
  return respond(visit, {
    title: `Limit ${cut(limit, maxName)}`,
    current: "limits",
    body: html`<h1>Limit ${cut(limit, maxName)}</h1>${doneNote(visit.query)}<div class="bar">${
      numberForm(visit, { limit, list: limit }, whole)
    }</div>${keySearch(limit)}<section class="card">
<p class="quiet">${
      several(keys.length, "key")
    } on this page: those whose tasks are there, that are paused, or whose number was set here.</p>${
      keys.length === 0 ? "" : keyTable(visit, { keys, label: "Keys", list: limit })
    }${
      next === undefined
        ? ""
        : html`<p class="bar"><a class="button" rel="next" href="${
          address("limits", { limit, after: next })
        }">${text}</a></p>`
    }</section>`
  })
})

export const limits: Handler = (visit) => {
  const limit = visit.query.get("limit")
  return limit === null || limit === "" ? overview(visit) : keyPage(visit, limit)
}
