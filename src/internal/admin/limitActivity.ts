/** What people see of limits in tables of any size. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { toTableError } from "../sql/errors.ts"
import * as Statements from "../sql/limitActivity.ts"
import { countOf, nameOf, type Target } from "./limits.ts"
import { fieldsOf } from "./row.ts"

const withSql = <A>(statement: (sql: SqlClient.SqlClient) => Effect.Effect<A, SqlError>) =>
  Effect.flatMap(SqlClient.SqlClient, statement).pipe(Effect.catchTag("SqlError", toTableError))

export const limitSums = (lookAt: number) =>
  Effect.map(
    withSql((sql) => Statements.limitSums(sql, lookAt)),
    (found) => found.map((one) => countOf({ ...one, key: null, limitPaused: one.paused, limitHeld: one.held }))
  )

export const busiestKeys = (limit: string | undefined, first: number, lookAt: number) =>
  Effect.map(
    withSql((sql) => Statements.busiestKeys(sql, { name: limit ?? null, first, lookAt })),
    (found) => found.map(countOf)
  )

export const keysOf = ({ first, ...options }: Statements.KeyPageOptions) =>
  // One more, to know whether there is another page.
  Effect.map(withSql((sql) => Statements.keysOfLimit(sql, { ...options, first: first + 1 })), (rows) => {
    const found = rows.flatMap((row) => row.key === null ? [] : [countOf(row)])
    const keys = found.slice(0, first)
    const last = found.length > first ? `${options.name}:${keys.at(-1)?.key}` : rows[0]?.last ?? undefined
    return { keys, next: last }
  })

/** In characters: lists show the beginning of texts. */
const maxText = 1000

export const tasksOf = (target: Target, first: number, lookAt: number) =>
  Effect.map(
    withSql((sql) =>
      Effect.zip(
        Statements.countKey(sql, nameOf(target), lookAt),
        Statements.rowsOfKey(sql, nameOf(target), { first, maxText })
      )
    ),
    ([[sum], rows]) => {
      const of = (wanted: boolean) => rows.flatMap(({ holds, ...row }) => holds === wanted ? [fieldsOf(row)] : [])
      return {
        count: { ...countOf(sum!), key: target.key ?? null },
        holders: of(true),
        waiting: of(false)
      }
    }
  )
