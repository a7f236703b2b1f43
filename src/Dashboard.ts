/**
 * A dashboard in the browser: each task's state machine with live counts, what failed and why, and the means to repair
 * it: retry, edit a state in a form made from its schema, run now, cancel.
 *
 * It is a layer for Effect's `HttpRouter`: it runs in the host's own server, and the host decides who may use it. The
 * command `pg-task web` serves it alone, on this machine.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import { maskAnnotation } from "./dashboard/form/fields.ts"
import { serve } from "./dashboard/server.ts"
import * as Recurring from "./Recurring.ts"
import * as Task from "./Task.ts"

/**
 * What somebody may do besides looking:
 *
 * - `retry`: let parked tasks go on.
 * - `runNow`: make scheduled tasks due, and let schedules tick now.
 * - `endWait`: end the time of tasks that wait: what their state does on its timeout is done at once.
 * - `cancel`: delete tasks.
 * - `edit`: replace the state of a task.
 * - `signal`: send a task a signal that its states wait for.
 * - `pause`: pause and resume limits, and the schedules of recurring tasks, and change how many tasks of a limit may be at work.
 *
 * @category models
 * @since 0.1.0
 */
export type Action = "retry" | "runNow" | "endWait" | "cancel" | "edit" | "signal" | "pause"

/**
 * Who is looking, and what they may do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Visitor {
  /** Shown on each page, and written into the log of each change. */
  readonly name: string
  /**
   * `none`: they see nothing. `read`: they see everything, and change nothing. `write`: they may do everything. Or they
   * see everything, and may do what is listed.
   */
  readonly may: "none" | "read" | "write" | ReadonlyArray<Action>
}

/**
 * Options of {@link layer}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<out E = never, out R = never> {
  /** Where in the host's server it is. Default `/tasks`. */
  readonly path?: `/${string}` | undefined
  /**
   * Whose machines it draws, and whose states it can check and edit. Rows of other tasks are listed, too. If recurring
   * tasks are among them, it says which schedules are of none of these.
   */
  readonly tasks: ReadonlyArray<Task.Any | Recurring.Any>
  /**
   * Who it is that asks, by the `HttpServerRequest` or by whatever the host's middleware provides. It runs for each
   * request. If it fails, the host's router answers. Default: anybody may read.
   */
  readonly access?: Effect.Effect<Visitor, E, R> | undefined
  /** Where a trace is shown, by its id of 32 hexadecimal digits. Default: the id of a task's trace is shown as a text. */
  readonly traceUrl?: ((traceId: string) => string) | undefined
}

const anybody: Effect.Effect<Visitor> = Effect.succeed({ name: "anybody", may: "read" })

/**
 * Adds the dashboard to the router. All of its addresses are relative, so it works behind proxies and under any prefix.
 * It needs no script, but with it numbers are live.
 *
 * Without `access`, everybody who reaches the server may read everything: states, errors, traces. So put it behind the
 * host's own authentication. What is posted must come from a page of the same origin and hold a token of this browser.
 * Each change is logged with the visitor's name, and is a span.
 *
 * Counts cost the database at most a twentieth of one connection, however many people look, and nothing if nobody does.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { HttpServerRequest } from "effect/http"
 * import { NextStep, Step, Task } from "effect-pg-task"
 * import * as Dashboard from "effect-pg-task/Dashboard"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const Greeter = Task.make("Greeter", [
 *   Step.make(SayHello, { handler: () => Effect.succeed(NextStep.none) })
 * ])
 *
 * // The proxy in front of this server says who it is.
 * const access = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }): Dashboard.Visitor => {
 *   const name = headers["x-user"]
 *   return name === undefined ? { name: "nobody", may: "none" } : { name, may: name === "ada" ? "write" : "read" }
 * })
 *
 * export const DashboardLive = Dashboard.layer({ path: "/ops/tasks", tasks: [Greeter], access })
 * // It needs a SqlClient, and a server: HttpRouter.serve(DashboardLive)
 * ```
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never>(
  options: Options<E, R>
): Layer.Layer<
  never,
  never,
  | HttpRouter.HttpRouter
  | SqlClient
  | HttpRouter.Request.From<"Requires", Exclude<R, HttpRouter.Provided>>
  | HttpRouter.Request.From<"Error", E>
> =>
  HttpRouter.use((router) =>
    serve(router, {
      path: options.path ?? "/tasks",
      tasks: options.tasks.filter(Task.isTask),
      recurring: options.tasks.filter(Recurring.isRecurring).map(({ name }) => name),
      access: options.access ?? (anybody as Effect.Effect<Visitor, E, R>),
      traceUrl: options.traceUrl
    })
  ) as never

/**
 * Masks a field of a state: the dashboard never shows its value, and its form keeps the stored one unless another one is
 * typed. (`Schema.Redacted` fields are masked without this.) What is masked is still in the database, and may be in
 * errors. Rows in a state that the dashboard's `tasks` don't have are shown as they are stored.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import * as Dashboard from "effect-pg-task/Dashboard"
 *
 * export class Charge extends Schema.TaggedClass<Charge>()("Charge", {
 *   amount: Schema.Number,
 *   card: Dashboard.masked(Schema.String)
 * }) {}
 * ```
 * @category annotations
 * @since 0.1.0
 */
export const masked = <S extends Schema.Top>(schema: S): S["Rebuild"] => schema.annotate({ [maskAnnotation]: true })
