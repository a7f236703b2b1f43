/** How many tasks have each status, as links to them. */
import { address, type Html, html } from "../html.ts"
import { add } from "../numbers.ts"
import { badge } from "../shell.ts"
import { byStatus, count } from "../text.ts"
import type * as Activity from "../../Activity.ts"
import type * as Admin from "../../Admin.ts"

/** The worst status first. `query` says of which tasks they are. */
export const statusLinks = (
  counts: ReadonlyArray<Admin.Count | Activity.BoundedCount>,
  query: Readonly<Record<string, string | undefined>>
): Html => {
  const bounded = counts.map((one) => ({ ...one, atLeast: "atLeast" in one && one.atLeast }))
  const statuses = [...new Set(counts.map(({ status }) => status))].sort(byStatus)
  return html`<p class="bar">${
    statuses.map((status) => {
      const sum = add(bounded.filter((one) => one.status === status))
      return html`<a href="${address("rows", { ...query, status })}">${count(sum.count, sum.atLeast)} ${
        badge(status)
      }</a> `
    })
  }</p>`
}
