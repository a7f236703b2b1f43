/** How many tasks have each status, as links to them. */
import type * as Activity from "../../Activity.ts"
import type * as Admin from "../../Admin.ts"
import { address, type Html, html } from "../html.ts"
import { add, type Sum } from "../numbers.ts"
import { badge } from "../shell.ts"
import { byStatus, count } from "../text.ts"

type Counted = Admin.Count | Activity.BoundedCount

const toSum = (one: Counted): Sum => ({
  count: one.count,
  oldest: one.oldest,
  atLeast: "atLeast" in one && one.atLeast
})

/** The worst status first. `query` says of which tasks they are. */
export const statusLinks = (
  counts: ReadonlyArray<Counted>,
  query: Readonly<Record<string, string | undefined>>
): Html => {
  const statuses = [...new Set(counts.map(({ status }) => status))].sort(byStatus)
  return html`<p class="bar">${
    statuses.map((status) => {
      const sum = add(counts.filter((one) => one.status === status).map(toSum))
      return html`<a href="${address("rows", { ...query, status })}">${count(sum.count, sum.atLeast)} ${
        badge(status)
      }</a> `
    })
  }</p>`
}
