/** How migrations are applied: only where something is missing, and with errors that say what to grant. */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { MigrationError } from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import { ConnectionError, isSqlError, SqlError } from "effect/sql/SqlError"
import { TaskTableError } from "../../TaskError.ts"
import { codeOf, isConnectionLost, isLocked, messageOf, toTableError } from "./errors.ts"
import { lookAtTable, noted, type Seen } from "./table.ts"

/** If the answer takes longer, the connection has broken silently. */
const answerTimeout = "15 seconds"

const backoff = Schedule.min([Schedule.exponential("100 millis", 2), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

const unanswered = new SqlError({
  reason: new ConnectionError({
    cause: new Error(`no answer within ${answerTimeout}`),
    message: "The database did not answer",
    operation: "execute"
  })
})

/**
 * Whether there is nothing to do for this role. The table of applied migrations is exact. A role that may not read it,
 * or finds no such table and may not make it, goes by the columns, indexes and triggers that exist.
 */
const isUpToDate = (sql: SqlClient.SqlClient, seen: Seen, latest: number): Effect.Effect<boolean, SqlError> =>
  seen.noting && seen.mayRead
    ? Effect.map(noted(sql), (id) => id >= latest).pipe(
      // Another process is applying them: a role that may migrate goes on to wait for its end.
      Effect.catch((error) => isLocked(error) && seen.mayMigrate ? Effect.succeed(false) : Effect.fail(error))
    )
    : Effect.succeed(seen.complete && (seen.noting || !seen.mayMigrate))

const quote = (name: string) => `"${name.replaceAll("\"", "\"\"")}"`

/** The role lacks the right, or there is no schema to make the table in. */
const isRefused = (error: SqlError): boolean => ["42501", "3F000"].includes(codeOf(error) ?? "")

const isLoginRefused = (error: SqlError): boolean => /^(28...|3D000)$/.test(codeOf(error) ?? "")

const refused = ({ owner, role, schema }: Seen, error: SqlError): TaskTableError => {
  const who = owner === null ? "a role that may" : `its owner ${quote(owner)}`
  const grant = owner !== null ?
    `only the owner of pg_task can do that, so this role can't be granted it`
    : schema === null ?
    `\`grant usage, create on schema … to ${quote(role)}\` on a schema in the search_path`
    : `\`grant create on schema ${quote(schema)} to ${quote(role)}\``
  return new TaskTableError({
    reason: "PermissionDenied",
    message:
      `pg_task can't be ${owner === null ? "made" : "brought up to date"} by role ${quote(role)}: ${
        messageOf(error)
      }. To fix it: run the migrations as ${who} (\`pg-task migrate\`), or ${grant}. Once pg_task is up to date, `
      + "select, insert, update, delete on it are all that a worker needs.",
    cause: error
  })
}

/** The error of the database in a failure, or undefined. */
const sqlErrorOf = (error: unknown): SqlError | undefined =>
  isSqlError(error) ? error : hasProperty(error, "cause") && isSqlError(error.cause) ? error.cause : undefined

type Migrate<A> = Effect.Effect<A, MigrationError | SqlError, SqlClient.SqlClient>

/** Runs `migrate` unless everything up to the migration `latest` is there. */
export const migrateTo = <A>(
  latest: number,
  migrate: Migrate<ReadonlyArray<A>>
): Effect.Effect<ReadonlyArray<A>, MigrationError | TaskTableError | SqlError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const look = Effect.flatMap(
      lookAtTable(sql),
      (seen) => Effect.map(isUpToDate(sql, seen, latest), (upToDate) => ({ seen, upToDate }))
    )
    const { seen, upToDate } = yield* look.pipe(
      Effect.timeoutOrElse({ duration: answerTimeout, orElse: () => Effect.fail(unanswered) }),
      Effect.catch((error) => isLoginRefused(error) ? toTableError(error) : Effect.fail(error))
    )
    if (upToDate) return []
    return yield* Effect.mapError(migrate, (error) => {
      const sqlError = sqlErrorOf(error)
      return sqlError !== undefined && isRefused(sqlError) ? refused(seen, sqlError) : error
    })
  })

/** The database can't be used for now. */
class Away extends Data.TaggedError("Away")<{ readonly error: SqlError }> {}

/**
 * Lost connections, a server that is read-only after a failover, locks of other sessions: all of them are temporary.
 */
const passes = (error: SqlError): boolean =>
  isConnectionLost(error) || ["25006", "55P03", "40P01", "40001"].includes(codeOf(error) ?? "")

/** Looks at defects, too: if the ROLLBACK fails as well, all failures have become defects. */
const awayIn = (cause: Cause.Cause<unknown>): Away | undefined => {
  for (const reason of cause.reasons) {
    if (Cause.isInterruptReason(reason)) continue
    const error = sqlErrorOf(Cause.isFailReason(reason) ? reason.error : reason.defect)
    if (error !== undefined && passes(error)) return new Away({ error })
  }
  return undefined
}

/** Tries again for as long as the database is away, and says so once. */
export const whenThere = <A, E, R>(migrate: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let warned = false
    const warn = ({ error }: Away) => {
      if (warned) return Effect.void
      warned = true
      return Effect.logWarning(`The migrations of pg_task wait for the database: ${messageOf(error)}`)
    }
    const once = Effect.catchCause(migrate, (cause): Effect.Effect<never, E | Away> =>
      awayIn(cause) ?? Effect.failCause(cause))
    const isAway = (error: E | Away): error is Away =>
      error instanceof Away
    return once.pipe(
      Effect.tapError((error) => isAway(error) ? warn(error) : Effect.void),
      Effect.retry({ schedule: backoff, while: isAway }),
      Effect.tap(() => warned ? Effect.logInfo("Database back") : Effect.void),
      Effect.catch((error) => isAway(error) ? Effect.die(error) : Effect.fail(error))
    )
  })
