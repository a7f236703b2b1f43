/** The database that the command line names, with time limits: nothing waits for it forever. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { readFileSync } from "node:fs"
import * as Address from "./input/address.ts"
import { NoAnswer, UsageError } from "./exit.ts"
import { Url } from "./input/flags.ts"
import * as Output from "./output/print.ts"

/** Most statements need far less; a change of a million rows needs minutes. */
export const limits = { read: Duration.seconds(60), write: Duration.minutes(30) } as const

const given = Effect.gen(function*() {
  const { env } = process
  const url = Option.getOrUndefined(yield* Url) || env["DATABASE_URL"]
  if (!url && !Address.isNamed(env)) {
    return yield* new UsageError({
      message: "Which database? Set DATABASE_URL, or give --url postgres://…, or set PGHOST, PGDATABASE, …"
    })
  }
  return Address.parseUrl(url || "postgres://") ?? (yield* new UsageError({
    message: "The database's URL must look like postgres://user:password@host/database"
  }))
})

/** The password from the password file: libpq looks there last. */
const savedPassword = Effect.fnUntraced(function*(address: Address.Address) {
  const file = Address.passwordFile(process.env)
  const found = Address.inspect(file)
  if (found === "Open") yield* Output.note(`${file} is not used: others may read it (chmod 600 ${file})`)
  return found === "Usable" ? Address.findPassword(readFileSync(file, "utf8"), address) : undefined
})

const address = Effect.map(given, (given) => Address.resolve(given, process.env))

/** Where the database is, without the password. */
export const databaseName = Effect.map(
  address,
  ({ dbname, host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}/${dbname}`
)

/** With every parameter, so that the driver fills in nothing. */
const databaseUrl = Effect.gen(function*() {
  const found = yield* address
  const password = found.password ?? (yield* savedPassword(found))
  return `postgres://?${new URLSearchParams({ ...found, ...(password ? { password } : {}) }).toString()}`
})

/** Runs an effect on the database. */
export const connected = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  { maxConnections = 2 }: { readonly maxConnections?: number } = {}
): Effect.Effect<
  A,
  E | SqlError | UsageError,
  Exclude<R, SqlClient | PgClient.PgClient> | Effect.Services<typeof databaseUrl>
> =>
  Effect.flatMap(databaseUrl, (url) =>
    Effect.provide(
      effect,
      // Statements are not prepared, so that a pooler in transaction mode works.
      PgClient.layer({ url: Redacted.make(url), applicationName: "pg-task", maxConnections, prepare: false })
    ))

const noAnswer = (limit: Duration.Duration) =>
  new NoAnswer({
    message: `The database didn't answer within ${Duration.format(limit)}: is the table locked, or the network down?`
  })

/** Fails when an answer takes longer than that. */
export const within = (limit: Duration.Duration) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.timeoutOrElse(effect, { duration: limit, orElse: () => noAnswer(limit) })

/** Fails when one of many answers takes longer than that: `run` says when it has got one. */
export const withinEach =
  (limit: Duration.Duration) =>
  <A, E, R>(run: (answered: Effect.Effect<void>) => Effect.Effect<A, E, R>): Effect.Effect<A, E | NoAnswer, R> =>
    Effect.suspend(() => {
      let answers = 0
      const watch = Effect.gen(function*() {
        for (;;) {
          const before = answers
          yield* Effect.sleep(limit)
          if (answers === before) return yield* noAnswer(limit)
        }
      })
      return Effect.raceFirst(run(Effect.sync(() => void answers++)), watch)
    })
