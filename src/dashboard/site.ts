/** What every page gets: the tasks, who is looking, and what was asked for. */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Task from "../Task.ts"
import type * as TaskError from "../TaskError.ts"
import type { Sampler } from "./sampler.ts"

/** What somebody may do besides looking: `Dashboard.Action`. */
export type Action = "retry" | "runNow" | "endWait" | "cancel" | "edit" | "signal" | "pause"

/** What can be done to many tasks at once. */
export type BulkAction = Exclude<Action, "edit" | "signal" | "pause">

export const bulkActions: ReadonlyArray<BulkAction> = ["retry", "runNow", "endWait", "cancel"]

export const actions: ReadonlyArray<Action> = [...bulkActions, "edit", "signal", "pause"]

/** Who is looking, and what they may do: `Dashboard.Visitor`. */
export interface Visitor {
  readonly name: string
  readonly may: "none" | "read" | "write" | ReadonlyArray<Action>
}

/** The dashboard itself. */
export interface Site {
  readonly tasks: ReadonlyArray<Task.Any>
  /** The names of the recurring tasks. */
  readonly recurring: ReadonlyArray<string>
  readonly sampler: Sampler
  /** The address of a trace, by its id. */
  readonly traceUrl: ((traceId: string) => string) | undefined
}

/** One request. */
export interface Visit {
  readonly site: Site
  readonly visitor: Visitor
  readonly query: URLSearchParams
  /** What was posted. */
  readonly form: URLSearchParams
  /** Each form holds it: see `guard.ts`. */
  readonly token: string
}

/** A page can't be shown, or an action was refused. */
export class Refusal extends Data.TaggedError("Refusal")<{
  readonly status: number
  readonly title: string
  readonly message: string
}> {}

/** What a page may fail with: all of it is shown. */
export type PageError =
  | Refusal
  | SqlError
  | TaskError.TaskTableError
  | TaskError.TaskIdError
  | TaskError.TaskNotFoundError
  | TaskError.TaskFilterError
  | TaskError.TaskEditError
  | TaskError.TaskInvalidStateError
  | TaskError.SignalError

/** Makes one page. */
export type Handler = (visit: Visit) => Effect.Effect<HttpServerResponse, PageError, SqlClient>

/** Whether somebody may change anything. */
export const mayChange = ({ may }: Visitor): boolean => may === "write" || (Array.isArray(may) && may.length > 0)

export const may = ({ visitor }: Visit, action: Action): boolean =>
  visitor.may === "write" || (Array.isArray(visitor.may) && visitor.may.includes(action))

export const taskOf = ({ tasks }: Site, name: string | null): Task.Any | undefined =>
  tasks.find((task) => task.name === name)
