/** Tests of the table itself, which begin without it. */
import type { PgClient } from "@effect/sql-pg"
import { it } from "@effect/vitest"
import { Effect, Logger, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { client, type Database, makeDatabase, patient } from "./Database.ts"

/** What such a test may use. */
export type Services = PgClient.PgClient | SqlClient.SqlClient | Scope.Scope

/** A test in a database of its own, which is empty. */
export const ownDatabaseTest = <E>(name: string, body: (database: Database) => Effect.Effect<unknown, E, Services>) =>
  it.live(
    name,
    () =>
      Effect.flatMap(
        makeDatabase,
        (database) => Effect.provide(Effect.scoped(body(database)), client(database.url, patient))
      )
        .pipe(Effect.provide(Logger.layer([])))
  )
