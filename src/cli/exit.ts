/** How a command ends: a message in one line that says what to do, and an exit code. */
import * as Cause from "effect/Cause"
import type * as CliError from "effect/cli/CliError"
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import type { MigrationError } from "effect/sql/Migrator"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { messageOf } from "../Admin.ts"
import type * as TaskError from "../TaskError.ts"
import { self } from "./output/ownCommand.ts"
import { oneLine } from "./output/text.ts"

/** The exit codes of the process. */
export const exitCode = {
  ok: 0,
  /** It failed, or nothing matched. */
  failed: 1,
  /** The command line makes no sense, or a question could not be asked because nobody can answer. */
  usage: 2,
  /** The database can't be reached, refuses, or has no table. */
  database: 3,
  interrupted: 130
} as const

/** The command line is well-formed, but makes no sense. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

/** No task matches. */
export class NothingMatched extends Data.TaggedError("NothingMatched")<{ readonly message: string }> {}

/** The user was asked, and said no. */
export class Declined extends Data.TaggedError("Declined")<{ readonly message: string }> {}

/** The task that was watched has failed for good. */
export class Parked extends Data.TaggedError("Parked")<{ readonly message: string }> {}

/** The database did not answer in time. */
export class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly message: string }> {}

/** Rows fit no state of a module. */
export class UnfitStates extends Data.TaggedError("UnfitStates")<{ readonly message: string }> {}

/** A file with tasks can't be loaded. */
export class ModuleError extends Data.TaggedError("ModuleError")<{ readonly message: string }> {}

export type Failure =
  | CliError.CliError
  | UsageError
  | NothingMatched
  | Declined
  | Parked
  | NoAnswer
  | UnfitStates
  | ModuleError
  | SqlError
  | MigrationError
  | TaskError.TaskDefinitionError
  | TaskError.TaskIdError
  | TaskError.TaskNotFoundError
  | TaskError.TaskFilterError
  | TaskError.TaskInvalidStateError
  | TaskError.TaskInvalidSignalError
  | TaskError.TaskInboxFullError
  | TaskError.TaskOptionsError
  | TaskError.TaskKeyTakenError
  | TaskError.TaskEditError
  | TaskError.TaskLimitError
  | TaskError.TaskStopTimeoutError
  | TaskError.TaskParkedError
  | TaskError.TaskTransactionError
  | TaskError.TaskTableError

/** The message to print, if any, and the exit code. */
export interface Report {
  readonly message: string | undefined
  readonly code: number
}

const tableMessage = (error: TaskError.TaskTableError): string => {
  switch (error.reason) {
    case "Missing":
      return `This database has no table pg_task: make it with \`${self("migrate")}\` (or check the search_path)`
    case "Outdated":
      return `The table pg_task is older than this pg-task: bring it up to date with \`${self("migrate")}\``
    case "PermissionDenied":
    case "LoginRefused":
      return error.message
  }
}

const sqlMessage = (error: SqlError): string => {
  switch (error.reason._tag) {
    case "ConnectionError":
      return `Can't reach the database: ${
        messageOf(error)
      }. Check --url (or DATABASE_URL), and that Postgres runs there`
    case "AuthenticationError":
      return `The database refused: ${messageOf(error)}. Give a user and a password in --url (or DATABASE_URL), in `
        + "PGUSER and PGPASSWORD, or in the file ~/.pgpass"
    default:
      return `The database refused: ${messageOf(error)}`
  }
}

const syntaxReport = (error: CliError.CliError): Report => {
  if (error._tag !== "ShowHelp") return { message: oneLine(error.message), code: exitCode.usage }
  // Nothing is wrong: the user asked for the help.
  if (error.errors.length === 0) return { message: undefined, code: exitCode.ok }
  const messages = error.errors.map(({ message }) => oneLine(message)).join("; ")
  const help = self([...error.commandPath.slice(1), "--help"].join(" "))
  return { message: `${messages}. See ${help}`, code: exitCode.usage }
}

/** The exit code of each failure, except those of the command line's syntax. */
const codes: Record<Exclude<Failure, CliError.CliError>["_tag"], number> = {
  SqlError: exitCode.database,
  TaskTableError: exitCode.database,
  NoAnswer: exitCode.database,
  MigrationError: exitCode.database,
  UsageError: exitCode.usage,
  TaskFilterError: exitCode.usage,
  TaskIdError: exitCode.usage,
  NothingMatched: exitCode.failed,
  Declined: exitCode.failed,
  Parked: exitCode.failed,
  ModuleError: exitCode.failed,
  UnfitStates: exitCode.failed,
  TaskDefinitionError: exitCode.failed,
  TaskNotFoundError: exitCode.failed,
  TaskInvalidStateError: exitCode.failed,
  TaskInvalidSignalError: exitCode.failed,
  TaskInboxFullError: exitCode.failed,
  TaskOptionsError: exitCode.failed,
  TaskLimitError: exitCode.usage,
  TaskKeyTakenError: exitCode.failed,
  TaskEditError: exitCode.failed,
  TaskStopTimeoutError: exitCode.failed,
  TaskParkedError: exitCode.failed,
  TaskTransactionError: exitCode.failed
}

const isSyntax = (error: Failure): error is CliError.CliError => !(error._tag in codes)

const messageFor = (error: Exclude<Failure, CliError.CliError>): string => {
  switch (error._tag) {
    case "SqlError":
      return sqlMessage(error)
    case "TaskTableError":
      return tableMessage(error)
    case "MigrationError":
      return isSqlError(error.cause) ? `${error.message}: ${messageOf(error.cause)}` : error.message
    default:
      return error.message
  }
}

export const report = (error: Failure): Report =>
  isSyntax(error) ? syntaxReport(error) : { message: oneLine(messageFor(error)), code: codes[error._tag] }

/** The same for everything that can end a command. */
export const reportCause = (cause: Cause.Cause<Failure>): Report => {
  if (Cause.hasInterruptsOnly(cause)) return { message: undefined, code: exitCode.interrupted }
  const error = Cause.findError(cause)
  return Result.isSuccess(error)
    ? report(error.success)
    : { message: `This is a bug of pg-task: ${Cause.pretty(cause)}`, code: exitCode.failed }
}
