/** One page of a list, and where the next one begins; and the errors of tasks, counted. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { type AdminErrorCount, countErrors } from "../sql/admin.ts"
import { boundedErrors, boundedPage } from "../sql/bounded.ts"
import { page } from "../sql/page.ts"
import type { AdminRow } from "../sql/row.ts"
import { cursorOf, type Filter, parseCursor, whereOf } from "./target.ts"

/** As `Admin.ListOptions` has them. */
interface ListOptions extends Filter {
  readonly order?: "oldestFirst" | "newestFirst" | undefined
  readonly limit?: number | undefined
  readonly after?: string | undefined
  readonly lookAt?: number | undefined
  readonly maxText?: number | undefined
}

interface ListPage {
  readonly rows: ReadonlyArray<AdminRow>
  readonly next: string | undefined
}

export const listPage = Effect.fnUntraced(function*(
  sql: SqlClient,
  { after, limit = 50, lookAt, maxText, order, ...filter }: ListOptions
): Effect.fn.Return<ListPage, SqlError> {
  const oneMore = {
    ...whereOf(filter),
    // One more, to know whether there is another page.
    limit: limit + 1,
    maxText,
    newestFirst: order === "newestFirst",
    after: parseCursor(after)
  }
  const found = lookAt === undefined
    ? { rows: yield* page(sql, oneMore), stopped: undefined }
    : yield* boundedPage(sql, { ...oneMore, lookAt })
  const last = found.rows.length > limit ? found.rows[limit - 1] : found.stopped
  return { rows: found.rows.slice(0, limit), next: last && cursorOf(last) }
})

/** As `Admin.CountErrorsOptions` has them. */
interface ErrorOptions extends Filter {
  readonly limit: number
  readonly lookAt?: number | undefined
}

/** All of them are read, unless `lookAt` says how many. */
export const errorLines = (
  sql: SqlClient,
  { limit, lookAt, ...filter }: ErrorOptions
): Effect.Effect<ReadonlyArray<AdminErrorCount>, SqlError> =>
  Effect.suspend(() =>
    lookAt === undefined
      ? countErrors(sql, whereOf(filter), limit)
      : boundedErrors(sql, whereOf(filter), { limit, lookAt })
  )
