/** What people see of limits, and do to them. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { toTableError } from "../sql/errors.ts"
import * as Statements from "../sql/limitAdmin.ts"

/** A limit, or one key of it. */
export interface Target {
  readonly limit: string | { readonly name: string }
  readonly key?: string | undefined
}

export const nameOf = ({ key, limit }: Target): string => {
  const name = typeof limit === "string" ? limit : limit.name
  return key === undefined ? name : `${name}:${key}`
}

const withSql = <A>(statement: (sql: SqlClient.SqlClient) => Effect.Effect<A, SqlError>) =>
  Effect.flatMap(SqlClient.SqlClient, statement).pipe(Effect.catchTag("SqlError", toTableError))

export const allLimits = (limit: number) => withSql((sql) => Statements.listLimits(sql, limit))
export const limitTotals = withSql(Statements.limitTotals)
export const pauseLimit = (target: Target) => withSql((sql) => Statements.pauseLimit(sql, nameOf(target)))
export const resumeLimit = (target: Target) => withSql((sql) => Statements.resumeLimit(sql, nameOf(target)))
