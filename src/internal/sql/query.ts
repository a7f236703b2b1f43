/** How the library sends its statements. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import { borrow } from "./borrowed.ts"

export type Rows<A> = Effect.Effect<ReadonlyArray<A>, SqlError>

/** Column names are ours, whatever name transforms the client has. */
export const query = <A>(sql: SqlClient, text: string, params: ReadonlyArray<unknown>): Rows<A> =>
  sql.unsafe(text, params).withoutTransform as Rows<A>

/**
 * The same on a connection of its own, outside of a transaction: on a client that pipelines (`multiplex`), a large
 * statement would hold up all that share its connection, our other ones first.
 */
export const queryAlone = <A>(sql: SqlClient, text: string, params: ReadonlyArray<unknown>): Rows<A> => {
  const execute = (connection: Connection) => connection.execute(text, params, undefined) as Rows<A>
  return Effect.flatMap(
    Effect.serviceOption(sql.transactionService),
    (transaction) => Option.isSome(transaction) ? execute(transaction.value[0]) : borrow(sql, execute)
  )
}

/**
 * Always true. The commit of the statement does not wait for the disk. For leases only: if the server crashes before the
 * disk has it, the row is as it was before, ready or with an older lease, and every outcome is fenced. It lasts until
 * the end of the transaction: but for tests, these statements have one of their own.
 */
export const notDurable = "(select set_config('synchronous_commit', 'off', true)) is not null"

/**
 * Always true, and taken by the planner for a condition that few rows meet. So it looks up each row of a batch by its key,
 * also when it made its plan while the table was small: a prepared statement's plan stays.
 */
export const forceKeyLookup = (column: string, min: string, max: string) => `${column} between ${min} and ${max}`
