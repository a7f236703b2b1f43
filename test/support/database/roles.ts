/** Roles with few rights. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { client } from "./Database.ts"
import { run } from "../worker/Table.ts"

/** A role that may log in, and nothing else. */
export const role = Effect.acquireRelease(
  Effect.gen(function*() {
    const name = `role_${randomBytes(8).toString("hex")}`
    yield* run(`create role ${name} login password 'secret'`)
    return name
  }),
  (name) => Effect.orDie(Effect.andThen(run(`drop owned by ${name}`), run(`drop role ${name}`)))
)

/** A client of that role on the same database. */
export const clientOf = Effect.fnUntraced(function*(name: string) {
  const { config } = yield* PgClient.PgClient
  const url = new URL(Redacted.value(config.url!))
  url.username = name
  url.password = "secret"
  return client(url.href)
})
