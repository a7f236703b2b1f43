/**
 * The Postgres that the examples use: `DATABASE_URL` if it is set, else an embedded one that keeps its data in `.pgdata`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { fileURLToPath } from "node:url"
import * as EmbeddedPostgres from "../../src/testing/EmbeddedPostgres.ts"

/** What every example gets. */
export type Database = PgClient.PgClient | SqlClient

/** Why there is no database. */
export type DatabaseError = EmbeddedPostgres.EmbeddedPostgresError | SqlError | Config.ConfigError

const dataDir = fileURLToPath(new URL("../../.pgdata", import.meta.url))

const givenUrl = Config.option(Config.Redacted("DATABASE_URL")).pipe(
  Effect.map(Option.filter((url) => Redacted.value(url) !== ""))
)

// Examples that run at the same time share the server: it stops with the last of them.
const embeddedUrl = Effect.fnUntraced(function*(announce: (psql: string) => Effect.Effect<void>) {
  const { psql, url } = yield* EmbeddedPostgres.start({ dataDir })
  yield* announce(psql)
  return Redacted.make(url)
})

const layerWith = (announce: (psql: string) => Effect.Effect<void>): Layer.Layer<Database, DatabaseError> =>
  Layer.unwrap(
    Effect.gen(function*() {
      const given = yield* givenUrl
      const url = Option.isSome(given) ? given.value : yield* embeddedUrl(announce)
      return PgClient.layer({ url, applicationName: "effect-pg-task examples", multiplex: true })
    })
  )

/** The database, which says how to look into it. */
export const DatabaseLive: Layer.Layer<Database, DatabaseError> = layerWith((psql) =>
  Console.log(`The database is at: ${psql}`)
)

/** The same, without a word: for commands whose output is all there should be. */
export const QuietDatabaseLive: Layer.Layer<Database, DatabaseError> = layerWith(() => Effect.void)

/**
 * Runs an example until it ends or is told to stop (Ctrl-C): first what it started ends, its workers last steps
 * included, then the connections, then the server. To be told to stop is no failure.
 */
export const runToEnd = <E>(program: Effect.Effect<unknown, E>): void =>
  NodeRuntime.runMain(program, {
    teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
  })

/** The same on the database. */
export const main = <E>(program: Effect.Effect<unknown, E, Database>): void =>
  runToEnd(Effect.provide(program, DatabaseLive))
