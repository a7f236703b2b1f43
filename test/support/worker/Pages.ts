/** How many pages of the table and its indexes a statement of the library reads. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"

interface Statement {
  readonly text: string
  readonly params: ReadonlyArray<unknown>
}

/** The statement that `send` sends. It goes nowhere. */
const statementOf = (
  sql: SqlClient.SqlClient,
  send: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError>
): Effect.Effect<Statement> =>
  Effect.callback<Statement>((resume) => {
    const note = (text: string, params: ReadonlyArray<unknown> = []) => {
      resume(Effect.succeed({ text, params }))
      return Effect.never
    }
    const listening: Pick<SqlClient.SqlClient, "transactionService"> & Record<string, unknown> = {
      transactionService: sql.transactionService,
      unsafe: (text: string, params: ReadonlyArray<unknown>) => ({ withoutTransform: note(text, params) }),
      reserve: Effect.succeed({ execute: note })
    }
    const fiber = Effect.runFork(send(listening as unknown as SqlClient.SqlClient))
    return Effect.sync(() => fiber.interruptUnsafe())
  })

const literal = (value: unknown): string =>
  value === null
    ? "null"
    : Array.isArray(value)
    ? `'{${value.map((item) => JSON.stringify(item)).join(",")}}'`
    : `'${(value as number | string).toString().replaceAll("'", "''")}'`

interface Plan {
  readonly "Shared Hit Blocks": number
  readonly "Shared Read Blocks": number
}

const pagesOf = (row: unknown): number => {
  const { Plan: plan } = (row as { readonly "QUERY PLAN": ReadonlyArray<{ readonly Plan: Plan }> })["QUERY PLAN"][0]!
  return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
}

/** As it is planned for these parameters, and as a prepared statement is planned once for all. */
export const modes = ["force_custom_plan", "force_generic_plan"] as const

const explain = (connection: Connection, { params, text }: Statement, mode: typeof modes[number]) =>
  Effect.gen(function*() {
    const send = (text: string) => connection.executeUnprepared(text, [], undefined)
    const values = params.length === 0 ? "" : `(${params.map(literal).join(", ")})`
    yield* send(`set plan_cache_mode = ${mode}`)
    yield* send(`prepare measured as ${text}`)
    yield* send("begin")
    const [row] = yield* send(`explain (analyze, buffers, format json) execute measured${values}`)
    yield* send("rollback")
    yield* send("deallocate measured")
    return pagesOf(row)
  })

/** Carries out what `send` sends, without keeping what it changes: the more pages of both plans. */
export const pagesRead = (
  send: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError>
): Effect.Effect<number, SqlError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const statement = yield* statementOf(sql, send)
    const connection = yield* sql.reserve
    const pages = yield* Effect.forEach(modes, (mode) => explain(connection, statement, mode))
    return Math.max(...pages)
  }).pipe(Effect.scoped)

type Send = (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError>

/**
 * The same with plans that were made before: first what was sent then, with any parameters, then what is measured. Both
 * have the same texts.
 */
export const keepPlans = (sends: ReadonlyArray<Send>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const connection = yield* sql.reserve
    const send = (text: string) => connection.executeUnprepared(text, [], undefined)
    yield* send("set plan_cache_mode = force_generic_plan")
    const execute = ({ params }: Statement, n: number) =>
      Effect.gen(function*() {
        const values = params.length === 0 ? "" : `(${params.map(literal).join(", ")})`
        yield* send("begin")
        const [row] = yield* send(`explain (analyze, buffers, format json) execute kept_${n}${values}`)
        yield* send("rollback")
        return pagesOf(row)
      })
    for (const [n, sent] of sends.entries()) {
      const statement = yield* statementOf(sql, sent)
      yield* send(`prepare kept_${n} as ${statement.text}`)
      yield* execute(statement, n)
    }
    return (sends: ReadonlyArray<Send>) =>
      Effect.forEach(sends, (sent, n) => Effect.flatMap(statementOf(sql, sent), (statement) => execute(statement, n)))
  })
