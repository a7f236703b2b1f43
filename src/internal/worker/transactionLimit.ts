/**
 * Keeps connections of a client free for its workers' own statements: a transaction of a step holds one for as long as
 * it lasts, and without any for the renewal of leases, steps that take longer than a lease would lose it.
 */
import { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { SqlClient } from "effect/sql/SqlClient"
import { type TransactionLimit, unlimited } from "../attempt/transaction.ts"

/** The size of a pool that was given none. */
const defaultConnections = 10

interface Limit {
  readonly maxConnections: number
  readonly semaphore: Semaphore.Semaphore
  workers: number
}

const limits = new WeakMap<SqlClient, Limit>()

/** Each worker listens on a connection. Of the others one, or two if the pool is larger, are for its own statements. */
const permitsOf = ({ maxConnections, workers }: Limit): number =>
  Math.max(1, maxConnections - workers - (maxConnections > 4 ? 2 : 1))

const limitOf = (sql: SqlClient, maxConnections: number): Limit => {
  const found = limits.get(sql)
  if (found !== undefined) return found
  const limit = { maxConnections, semaphore: Semaphore.makeUnsafe(1), workers: 0 }
  limits.set(sql, limit)
  return limit
}

const addWorkers = (limit: Limit, count: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    limit.workers += count
    return limit.semaphore.resize(permitsOf(limit))
  })

/**
 * Limits the transactions of the steps on this client, for as long as a worker uses it: where its size is known. Returns
 * what runs a transaction as soon as there is a connection to spare for it.
 */
export const limitTransactions = (sql: SqlClient): Effect.Effect<TransactionLimit, never, Scope.Scope> =>
  Effect.gen(function*() {
    const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient))
    if (client === undefined) return unlimited
    const { maxConnections = defaultConnections } = client.config as { readonly maxConnections?: number }
    const limit = limitOf(sql, maxConnections)
    yield* Effect.acquireRelease(addWorkers(limit, 1), () => addWorkers(limit, -1))
    return (transaction) => limit.semaphore.withPermit(transaction)
  })
