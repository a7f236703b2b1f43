/** What a database error means to us. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { TaskTableError } from "../../TaskError.ts"
import { safely } from "./safely.ts"

/**
 * Postgres's own code of an error (SQLSTATE), or undefined: the connection broke, or a statement timed out here. Errors
 * of Node have codes, too, and `EPIPE` looks like one of Postgres's. But only Node's name a system call.
 */
export const codeOf = (error: SqlError): string | undefined => {
  const cause: unknown = error.reason.cause
  return hasProperty(cause, "code") && typeof cause.code === "string" && /^[0-9A-Z]{5}$/.test(cause.code)
      && !hasProperty(cause, "syscall")
    ? cause.code
    : undefined
}

/** A prepared statement doesn't exist, or exists already: another client's session has used this connection. */
const mixedUp = new Set(["26000", "42P05"])

/** Postgres's own message, which says more than the driver's. */
export const messageOf = (error: SqlError): string => {
  const cause: unknown = error.reason.cause
  const message = hasProperty(cause, "message") && typeof cause.message === "string" ? cause.message : error.message
  return mixedUp.has(codeOf(error) ?? "")
    ? `${message}: a pooler shares connections among clients, so set \`prepare: false\` on the PgClient`
    : message
}

/**
 * Whether the connection was lost or refused: the server stopped, crashed or has no connection left, or the network
 * broke.
 */
export const isConnectionLost = (error: SqlError): boolean => {
  const code = codeOf(error)
  return code === undefined ? error.reason._tag === "ConnectionError" : /^(08...|57P0[123]|53300)$/.test(code)
}

/** A lock timeout. */
export const isLocked = (error: SqlError): boolean => codeOf(error) === "55P03"

const misconfigurations: Record<string, { readonly reason: TaskTableError["reason"]; readonly todo: string }> = {
  "42P01": {
    reason: "Missing",
    todo: "run Migrations.run (or provide Migrations.layer) on this database first, and check the search_path"
  },
  "42703": { reason: "Outdated", todo: "the table is older than this library: run Migrations.run" },
  // The columns for names were generated ones: see names.ts.
  "428C9": { reason: "Outdated", todo: "the table is older than this library: run Migrations.run" },
  "42501": { reason: "PermissionDenied", todo: "grant it to this role" },
  "28000": { reason: "LoginRefused", todo: "check the user, the password and the server's pg_hba.conf" },
  "28P01": { reason: "LoginRefused", todo: "check the user and the password" },
  "3D000": { reason: "LoginRefused", todo: "create the database, or check its name" }
}

/** What a role needs on each table: Postgres's message names the one that was refused. */
const neededOn: ReadonlyArray<readonly [table: string, grant: string]> = [
  ["pg_task_limit", "grant select, insert, update on pg_task_limit to this role"],
  ["pg_task_paused", "grant select on pg_task_paused to this role, and insert, delete if it pauses tasks or limits"],
  ["pg_task_history", "grant select, insert, delete on pg_task_history to this role"],
  ["pg_task", "grant select, insert, update, delete on pg_task to this role"]
]

const toGrant = (message: string): string | undefined =>
  neededOn.find(([table]) => new RegExp(`\\b${table}\\b`).test(message))?.[1]

/** Whether somebody must fix something before the same statement can work. */
export const isMisconfiguration = (error: SqlError): boolean => (codeOf(error) ?? "") in misconfigurations

/** Turns a misconfiguration into a `TaskTableError` that says how to fix it; any other error stays as it is. */
export const toTableError = (error: SqlError): Effect.Effect<never, SqlError | TaskTableError> => {
  const found = misconfigurations[codeOf(error) ?? ""]
  if (found === undefined) return Effect.fail(error)
  const todo = found.reason === "PermissionDenied" ? toGrant(messageOf(error)) ?? found.todo : found.todo
  return new TaskTableError({
    reason: found.reason,
    message: `pg_task can't be used: ${messageOf(error)}. To fix it: ${todo}.`,
    cause: error
  })
}

/** What to do when one of the library's statements failed. */
export type FailureKind =
  /** The database is away, or too busy: wait, and send the same again. */
  | "Database"
  /** Another session holds a row, or changes the table (internal errors): the other rows of the batch can be stored. */
  | "Lock"
  /** Postgres, or a trigger with a code of its own, refuses the data, and would refuse it again. */
  | "Data"

const lockCodes = new Set(["40001", "40P01", "55P03", "57014"])

/**
 * Classes of errors that don't depend on the data: connections, transactions, logins, prepared statements, missing
 * objects and rights, resources, intervention by an operator, the system, its configuration.
 */
const databaseClasses = new Set(
  ["08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0"]
)

/**
 * The server's queue of notifications is full: a session listens, and does not read. Its code also stands for rows that
 * are too large, and its message is translated, so this asks which function of Postgres has raised it.
 */
const isQueueFull = ({ reason: { cause } }: SqlError): boolean =>
  hasProperty(cause, "routine") && cause.routine === "PreCommit_Notify"

export const failureKindOf = (error: SqlError): FailureKind => {
  const code = codeOf(error)
  if (code === undefined || isQueueFull(error)) return "Database"
  return lockCodes.has(code) || code.startsWith("XX")
    ? "Lock"
    : databaseClasses.has(code.slice(0, 2))
    ? "Database"
    : "Data"
}

// ---------------------------------------------------------------------------------------------------------------
// What steps fail with, which may be anything
// ---------------------------------------------------------------------------------------------------------------

/** This error if the database raised it, or the database's error that caused it: handlers may wrap errors. */
const findSqlError = (error: unknown, depth = 0): SqlError | undefined =>
  isSqlError(error)
    ? error
    : hasProperty(error, "cause") && depth < 5
    ? findSqlError(error.cause, depth + 1)
    : undefined

/** The first error of the database of this kind in a cause. If the ROLLBACK fails, too, the errors are defects. */
export const findInCause = (
  cause: Cause.Cause<unknown>,
  isOfKind: (error: SqlError) => boolean = () => true
): SqlError | undefined => {
  for (const reason of cause.reasons) {
    if (Cause.isInterruptReason(reason)) continue
    const error = safely(() => findSqlError(Cause.isFailReason(reason) ? reason.error : reason.defect), undefined)
    if (error !== undefined && safely(() => isOfKind(error), false)) return error
  }
  return undefined
}

/** Whether a transaction lost against another one: a serialization failure, a deadlock or a lock timeout. */
export const isContention = (error: unknown): boolean =>
  safely(() => {
    const sqlError = findSqlError(error)
    return sqlError !== undefined && failureKindOf(sqlError) === "Lock" && codeOf(sqlError) !== "57014"
  }, false)

/** What the library's own statements met within a step's transaction. */
const own = new WeakSet<SqlError>()

/** A statement of the library that a step calls in its transaction, such as a signal. Its errors are told from the step's. */
export const asOwn = <A, E, R>(statement: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapError(statement, (error) => Effect.sync(() => void (isSqlError(error) && own.add(error))))

/** Whether one of the library's own statements lost against another transaction: that is no failure of the step. */
export const isOwnContention = (error: SqlError): boolean => own.has(error) && failureKindOf(error) === "Lock"

/** A write was refused for now: by a standby, by a server that fails over, or because of a setting. */
export const isReadOnly = (error: SqlError): boolean => codeOf(error) === "25006"

/**
 * Whether the same statement may succeed later. Not after 25P02: an earlier statement, of the step, aborted the
 * transaction.
 */
export const mayPass = (error: SqlError): boolean => failureKindOf(error) !== "Data" && codeOf(error) !== "25P02"
