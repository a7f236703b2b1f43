/** Pausing limits, and resuming them. */
import * as Effect from "effect/Effect"
import type * as Activity from "../../Activity.ts"
import * as Admin from "../../Admin.ts"
import { address, type Html, html } from "../html.ts"
import { hidden, seeOther } from "../shell.ts"
import { type Handler, may, Refusal, type Visit } from "../site.ts"
import { noted, refuseUnless } from "./actions.ts"

const titleOf = { pause: "Pause", resume: "Resume" } as const

type Change = keyof typeof titleOf

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

/** The button that pauses what is not paused, and the one that resumes what is, or that backs off. */
export const limitButtons = (
  visit: Visit,
  { isAlone, key, limit, list }: Target,
  count: Pick<Activity.LimitCount, "itself"> | undefined
): Html => {
  if (!may(visit, "pause")) return html``
  const { backOff, paused } = count?.itself ?? { backOff: null, paused: false }
  const changes: ReadonlyArray<Change> = paused ? ["resume"] : backOff === null ? ["pause"] : ["pause", "resume"]
  const labelOf = (change: Change) => [titleOf[change], limit, ...(key === undefined ? [] : [key])].join(" ")
  return html`<form class="inline" method="post" action="limit">${hidden("token", visit.token)}${
    hidden("limit", limit)
  }${key === undefined ? "" : hidden("key", key)}${list === undefined ? "" : hidden("list", list)}${
    isAlone === true ? hidden("alone", "1") : ""
  }${
    changes.map((change) =>
      html`<button name="change" value="${change}" aria-label="${labelOf(change)}">${titleOf[change]}</button> `
    )
  }</form>`
}

/** Says what was done. As for tasks, the address has only known words. */
export const doneNote = (query: URLSearchParams): Html => {
  const [done, what] = [query.get("done"), query.get("what") === "key" ? "key" : "limit"]
  if (done === "pause") {
    return html`<p class="note" role="status">1 ${what} paused. Tasks that a worker has taken go on.</p>`
  }
  return done === "resume" ? html`<p class="note" role="status">1 ${what} resumed.</p>` : html``
}

const refuse = (status: number, title: string, message: string) => new Refusal({ status, title, message })

/** As `Limit.make` wants it. */
const isName = (name: string): boolean => name.length > 0 && name.length <= 100 && !name.includes(":")

/** Pauses or resumes one limit, or one key. */
export const changeLimit: Handler = Effect.fnUntraced(function*(visit) {
  const field = (name: string) => visit.form.get(name) ?? ""
  const [limit, key, change, list] = [field("limit"), field("key"), field("change"), field("list")]
  if (!isChange(change)) return yield* refuse(400, "Not understood", "There is no such action.")
  if (!isName(limit) || key.length > 500) return yield* refuse(400, "Not understood", "There can be no such limit.")
  yield* refuseUnless(visit, "pause")
  const target = { limit, key: key === "" ? undefined : key }
  const what = target.key === undefined ? "limit" : "key"
  const changed = yield* noted(visit, "pause", {
    effect: change === "pause" ? Effect.as(Admin.pause(target), true) : Admin.resume(target),
    target: `${limit} ${key}`.trim(),
    title: titleOf[change],
    text: (changed) => changed ? `1 ${what}` : `no ${what}`
  })
  if (!changed) return yield* refuse(409, "Not there", `This ${what} is not paused, and does not back off, any more.`)
  return seeOther(
    visit.form.has("alone")
      ? address("limit", { ...target, done: change, what })
      : address("limits", { limit: list === "" ? undefined : list, done: change, what })
  )
})
