/** How the library sends its statements. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import { borrow } from "./borrowed.ts"

export type Rows<A> = Effect.Effect<ReadonlyArray<A>, SqlError>

/** Without the client's name transforms: the columns have their own names. */
export const query = <A>(sql: SqlClient, text: string, params: ReadonlyArray<unknown>): Rows<A> =>
  sql.unsafe(text, params).withoutTransform as Rows<A>

/**
 * The same on a connection of its own, unless in a transaction: on a client that pipelines (`multiplex`), a large
 * statement would delay all others on its connection, the library's own ones first.
 */
export const queryAlone = <A>(sql: SqlClient, text: string, params: ReadonlyArray<unknown>): Rows<A> => {
  const execute = (connection: Connection) => connection.execute(text, params, undefined) as Rows<A>
  return Effect.flatMap(
    Effect.serviceOption(sql.transactionService),
    (transaction) => Option.isSome(transaction) ? execute(transaction.value[0]) : borrow(sql, execute)
  )
}

/**
 * Always true. The commit of the statement does not wait for the disk. For leases, and for steps with `asyncCommit`: if
 * the server crashes before the commit is on the disk, the row is as it was before, and the fence refuses late outcomes.
 * The setting lasts until the end of the transaction. Except in tests, these statements have a transaction of their own.
 */
export const notDurable = "(select set_config('synchronous_commit', 'off', true)) is not null"

/**
 * Always true, but the planner assumes that few rows meet the condition. So it looks up each row of a batch by its key.
 * Without it, a plan that was made while the table was small would scan the table: a prepared statement keeps its plan.
 */
export const forceKeyLookup = (column: string, min: string, max: string) => `${column} between ${min} and ${max}`

/**
 * Whether a row has the key of another one, in a form for which Postgres has no plan but to look it up by its index.
 * With `a = b` it may also read the whole index in order, and does so where it believes the table to be empty: after
 * the table was worked off and vacuumed while an old transaction kept all its dead rows.
 */
export const hasKeyOf = (column: string, other: string): string => `${column} = any(array[${other}])`

/** For what is not to be undone with the transaction that the caller is in: it runs on a connection of its own. */
export const apart = <A, E, R>(sql: SqlClient, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(effect, (context: Context.Context<R>) => Context.omit(sql.transactionService)(context) as never)
