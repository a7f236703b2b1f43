/**
 * A database of its own for each test file (or test), on the server of the run.
 */
import { PgClient } from "@effect/sql-pg"
import { type Duration, Effect, Layer, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { randomBytes } from "node:crypto"
import { inject } from "vitest"
import { codeOf } from "../../../src/internal/sql/errors.ts"

/** A database that is there for one test. */
export interface Database {
  readonly name: string
  /** For processes that a test starts. */
  readonly url: string
}

/** Settings of a test's client. */
export interface ClientOptions {
  /** The size of the pool. Default 10. */
  readonly maxConnections?: number
  /** Pipelines queries of many fibers on each connection. Default: off. */
  readonly multiplex?: boolean
  /** What the server calls its connections. */
  readonly applicationName?: string
  /** How long it waits for a connection. Default: 5 seconds, as users have it. */
  readonly connectTimeout?: Duration.Input
}

/** For clients that don't go through a broken network: a machine that is busy breaks none of them. */
export const patient = { connectTimeout: "2 minutes" } as const satisfies ClientOptions

/** A client on the database of `url`. */
export const client = (
  url: string,
  options: ClientOptions = {}
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> =>
  PgClient.layer({ url: Redacted.make(url), maxConnections: 10, ...options })

const administer = (statement: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError>) =>
  Effect.flatMap(SqlClient.SqlClient, statement).pipe(
    Effect.provide(client(inject("databaseUrl"), { maxConnections: 1, ...patient }))
  )

/**
 * Ends all of its connections, and drops it. Postgres waits for 5 seconds until they have ended: on a busy machine some
 * may need longer.
 */
const drop = (name: string): Effect.Effect<unknown, SqlError> =>
  administer((sql) => sql`drop database if exists ${sql(name)} with (force)`.raw).pipe(
    Effect.retry({ while: (error) => codeOf(error) === "55006", times: 20 })
  )

/** Makes a database with a name that nobody else has, and drops it when the scope closes, whoever is connected. */
export const makeDatabase: Effect.Effect<Database, SqlError, Scope.Scope> = Effect.suspend(() => {
  const name = `test_${randomBytes(8).toString("hex")}`
  const url = new URL(inject("databaseUrl"))
  url.pathname = `/${name}`
  return Effect.acquireRelease(
    administer((sql) => sql`create database ${sql(name)}`.raw),
    () => Effect.orDie(drop(name))
  ).pipe(Effect.as({ name, url: url.href }))
})

/** A client on a database that is there as long as the layer. */
export const testDatabaseWith = (
  options: ClientOptions
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> =>
  Layer.unwrap(Effect.map(makeDatabase, ({ url }) => client(url, { ...patient, ...options })))

/** {@link testDatabaseWith} the default settings. */
export const testDatabase: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> = testDatabaseWith({})
