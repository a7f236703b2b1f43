/**
 * `npm run sql -- "table pg_task"`: runs SQL on the examples' database, and prints what comes back. Each argument is one
 * statement. It joins the server of an example that is running, so that both see the same rows.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type { Result } from "@effect/sql-pg/PgConnection"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import { QuietDatabaseLive } from "./support/database.ts"
import { cell, render } from "./support/table.ts"

/** Lines that go to a file or another program have no limit. */
const width = process.stdout.columns ?? Number.POSITIVE_INFINITY

const countsRows = new Set(["INSERT", "UPDATE", "DELETE", "MERGE", "COPY"])

const describe = ({ command, fields, rowCount, rows }: Result): string => {
  if (fields.length === 0) return countsRows.has(command) ? `${command} ${rowCount}` : command
  const columns = fields.map(({ name }) => name)
  return render({ columns, rows: rows.map((row) => columns.map((name) => cell(row[name]))) }, width)
}

const runStatement = Effect.fnUntraced(function*(statement: string) {
  const sql = yield* SqlClient
  const result = (yield* sql.unsafe(statement).raw) as Result
  yield* Console.log(describe(result))
})

/** The innermost message is Postgres's own. */
const messageOf = (error: unknown): string => {
  const { cause, message, reason } = error as { cause?: unknown; message?: string; reason?: unknown }
  const inner = cause ?? reason
  return typeof inner === "object" && inner !== null ? messageOf(inner) : (message ?? String(error))
}

const fail = (message: string) => Effect.andThen(Console.error(message), Effect.sync(() => void (process.exitCode = 1)))

const statements = process.argv.slice(2)

const program = statements.length === 0
  ? fail("Usage: npm run sql -- \"table pg_task\"")
  : Effect.forEach(statements, runStatement, { discard: true }).pipe(
    Effect.provide(QuietDatabaseLive),
    Effect.catch((error) => fail(`error: ${messageOf(error).replaceAll(/\s+/g, " ")}`))
  )

NodeRuntime.runMain(program)
