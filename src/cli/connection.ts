/** The database that the command line names, with time limits: nothing waits for it forever. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { NoAnswer, UsageError } from "./failure.ts"
import { Url } from "./options.ts"

/** What most statements need is far less; a million rows changed at once need minutes. */
export const limits = { read: Duration.seconds(60), write: Duration.minutes(30) } as const

const databaseUrl = Effect.gen(function*() {
  const given = Option.getOrUndefined(yield* Url) ?? process.env["DATABASE_URL"]
  if (given === undefined || given === "") {
    return yield* new UsageError({ message: "Which database? Set DATABASE_URL, or give --url postgres://…" })
  }
  if (!URL.canParse(given) || !/^postgres(ql)?:$/.test(new URL(given).protocol)) {
    return yield* new UsageError({
      message: "The database's URL must look like postgres://user:password@host/database"
    })
  }
  return given
})

/** Where the database is, without the password. */
export const databaseName = Effect.map(databaseUrl, (url) => {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
})

/** Runs an effect on the database, with as many connections as it uses at once. */
export const connected = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<
  A,
  E | SqlError | UsageError,
  Exclude<R, SqlClient | PgClient.PgClient> | Effect.Services<typeof databaseUrl>
> =>
  Effect.flatMap(databaseUrl, (url) =>
    Effect.provide(
      effect,
      // Statements are not prepared, so that poolers in transaction mode will do.
      PgClient.layer({ url: Redacted.make(url), applicationName: "pg-task", maxConnections: 2, prepare: false })
    ))

/** Fails when an answer takes longer than that. */
export const within = (limit: Duration.Duration) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.timeoutOrElse(effect, {
    duration: limit,
    orElse: () =>
      new NoAnswer({
        message: `The database didn't answer within ${Duration.format(limit)}: `
          + "is the table locked, or the network down?"
      })
  })
