/** One page of a list, and where the next one begins. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { boundedPage } from "../sql/bounded.ts"
import { page, type PageOptions } from "../sql/page.ts"
import type { AdminRow } from "../sql/row.ts"
import { cursorOf } from "./target.ts"

interface ListOptions extends PageOptions {
  /** How many rows of each task to look at, at most. Undefined: all. */
  readonly lookAt: number | undefined
}

interface ListPage {
  readonly rows: ReadonlyArray<AdminRow>
  readonly next: string | undefined
}

export const listPage = Effect.fnUntraced(function*(
  sql: SqlClient,
  { lookAt, ...options }: ListOptions
): Effect.fn.Return<ListPage, SqlError> {
  const { limit } = options
  // One more, to know whether there is another page.
  const oneMore = { ...options, limit: limit + 1 }
  const found = lookAt === undefined
    ? { rows: yield* page(sql, oneMore), stopped: undefined }
    : yield* boundedPage(sql, { ...oneMore, lookAt })
  const last = found.rows.length > limit ? found.rows[limit - 1] : found.stopped
  return { rows: found.rows.slice(0, limit), next: last && cursorOf(last) }
})
