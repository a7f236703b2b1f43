/** The rows that a test looks at. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { toTableError } from "../sql/errors.ts"
import * as Statements from "../sql/taskTest.ts"

/** All rows of a task, in the order in which they were stored. */
export const rowsOf = (task: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Statements.rowsOf(sql, task)).pipe(
    Effect.catchTag("SqlError", toTableError)
  )
