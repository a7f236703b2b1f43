/** Pausing limits, resuming them, and changing how many of their tasks may be at work. */
import * as Effect from "effect/Effect"
import type * as Activity from "../../Activity.ts"
import * as Admin from "../../Admin.ts"
import type * as Limits from "../../Limits.ts"
import { address, attribute, type Html, html } from "../html.ts"
import { hidden, seeOther } from "../shell.ts"
import { type Handler, may, Refusal, type Visit } from "../site.ts"
import { noted, refuseUnless } from "./actions.ts"

const titleOf = { pause: "Pause", resume: "Resume", set: "Set", reset: "As the code says" } as const

type Change = keyof typeof titleOf

const doneOf: Readonly<Record<Change, string>> = {
  pause: "paused. Tasks that a worker has taken go on.",
  resume: "resumed.",
  set: "changed. No task is interrupted. It holds until somebody takes it back, whatever the code says.",
  reset: "has the number of the code again."
}

const isChange = (name: string): name is Change => Object.hasOwn(titleOf, name)

/** A limit, or one key of it, and where its button is: that page is shown again. */
interface Target {
  readonly limit: string
  readonly key?: string | undefined
  /** On a page of the keys of this limit. */
  readonly list?: string | undefined
  /** On the page of the target itself. */
  readonly isAlone?: boolean | undefined
}

const button = ({ key, limit }: Target, change: Change): Html => {
  const label = [titleOf[change], limit, ...(key === undefined ? [] : [key])].join(" ")
  // Only who sets a number must give one.
  const unchecked = attribute("formnovalidate", change === "reset")
  return html`<button name="change" value="${change}" aria-label="${label}"${unchecked}>${titleOf[change]}</button> `
}

const form = (visit: Visit, { isAlone, key, limit, list }: Target, content: Html | ReadonlyArray<Html>): Html =>
  html`<form class="inline" method="post" action="limit">${hidden("token", visit.token)}${hidden("limit", limit)}${
    key === undefined ? "" : hidden("key", key)
  }${list === undefined ? "" : hidden("list", list)}${isAlone === true ? hidden("alone", "1") : ""}${content}</form>`

/** The button that pauses what is not paused, and the one that resumes what is, or that backs off. */
export const limitButtons = (
  visit: Visit,
  target: Target,
  count: Pick<Activity.LimitCount, "itself"> | undefined
): Html => {
  if (!may(visit, "pause")) return html``
  const { backOff, paused } = count?.itself ?? { backOff: null, paused: false }
  const changes: ReadonlyArray<Change> = paused ? ["resume"] : backOff === null ? ["pause"] : ["pause", "resume"]
  return form(visit, target, changes.map((change) => button(target, change)))
}

/** How many tasks may be at work, of each key if it is a limit that has keys. */
export const numberForm = (
  visit: Visit,
  target: Target,
  count: Pick<Activity.LimitCount, "itself" | "running">
): Html => {
  if (!may(visit, "pause")) return html``
  const label = target.key === undefined && target.list !== undefined ? "At most, of each key" : "At most"
  return form(
    visit,
    target,
    html`<label>${label} <input name="running" type="number" min="1" max="10000" step="1" required value="${
      count.running ?? ""
    }"></label> ${button(target, "set")} ${count.itself.running === null ? "" : button(target, "reset")}`
  )
}

/** Says what was done. As for tasks, the address has only known words. */
export const doneNote = (query: URLSearchParams): Html => {
  const [done, what] = [query.get("done") ?? "", query.get("what") === "key" ? "key" : "limit"]
  return isChange(done) ? html`<p class="note" role="status">1 ${what} ${doneOf[done]}</p>` : html``
}

const refuse = (status: number, title: string, message: string) => new Refusal({ status, title, message })

/** As `Limit.make` wants it. */
const isName = (name: string): boolean => name.length > 0 && name.length <= 100 && !name.includes(":")

const set = (target: Limits.Target, running: number) =>
  Effect.as(Admin.setRunning(target, running), true).pipe(
    Effect.catchTag("TaskLimitError", ({ message }) => refuse(400, "Not understood", message))
  )

/** Returns false where there was nothing to take back. */
const run = (change: Change, target: Limits.Target, running: number) => {
  switch (change) {
    case "pause":
      return Effect.as(Admin.pause(target), true)
    case "resume":
      return Admin.resume(target)
    case "set":
      return set(target, running)
    case "reset":
      return Admin.resetRunning(target)
  }
}

/** Changes one limit, or one key. */
export const changeLimit: Handler = Effect.fnUntraced(function*(visit) {
  const field = (name: string) => visit.form.get(name) ?? ""
  const [limit, key, change, list] = [field("limit"), field("key"), field("change"), field("list")]
  if (!isChange(change)) return yield* refuse(400, "Not understood", "There is no such action.")
  if (!isName(limit) || key.length > 500) return yield* refuse(400, "Not understood", "There can be no such limit.")
  yield* refuseUnless(visit, "pause")
  const target = { limit, key: key === "" ? undefined : key }
  const what = target.key === undefined ? "limit" : "key"
  const changed = yield* noted(visit, "pause", {
    effect: run(change, target, Number(field("running"))),
    target: `${limit} ${key}`.trim(),
    title: titleOf[change],
    text: (changed) => changed ? `1 ${what}` : `no ${what}`
  })
  if (!changed) {
    const why = change === "reset"
      ? "has the number of the code already"
      : "is not paused, and does not back off, any more"
    return yield* refuse(409, "Not there", `This ${what} ${why}.`)
  }
  return seeOther(
    visit.form.has("alone")
      ? address("limit", { ...target, done: change, what })
      : address("limits", { limit: list === "" ? undefined : list, done: change, what })
  )
})
