/** The tasks that a task waits for: how they stand, and the first of them, the parked ones before the others. */
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import { address, type Html, html } from "../html.ts"
import { maxText, rowTable } from "./rowTable.ts"
import { statusLinks } from "./statusLinks.ts"

/** There may be thousands. */
const maxChildren = 50

interface Children {
  readonly counts: ReadonlyArray<Admin.Count>
  readonly rows: ReadonlyArray<Admin.Row>
}

export const childrenOf = Effect.fnUntraced(function*(parent: Admin.Row["id"]) {
  const counts = yield* Admin.counts({ parent })
  if (counts.length === 0) return { counts, rows: [] }
  const list = (status: ReadonlyArray<Admin.Status>, limit: number) =>
    Effect.map(Admin.list({ parent, status, limit, maxText }), ({ rows }) => rows)
  const parked = yield* list(["parked"], maxChildren)
  const others = Admin.Status.literals.filter((status) => status !== "parked")
  const children: Children = {
    counts,
    rows: parked.length < maxChildren ? [...parked, ...yield* list(others, maxChildren - parked.length)] : parked
  }
  return children
})

export const childrenCard = (parent: string, { counts, rows }: Children): Html =>
  counts.length === 0
    ? html``
    : html`<section class="card"><h2>Children</h2>${statusLinks(counts, { parent })}${rowTable(rows, false)}${
      counts.reduce((sum, { count }) => sum + count, 0) > rows.length
        ? html`<p><a class="plain" href="${address("rows", { parent })}">All children</a></p>`
        : ""
    }</section>`
