/**
 * A worker: a scoped pool of fibers that runs the steps of the tasks it is given.
 *
 * Any number of workers, in any number of processes, share one table. A worker claims only tasks that it knows.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import { launchLayer } from "./internal/worker/launch.ts"
import { toSettings } from "./internal/worker/settings.ts"
import { type Health, startWorker } from "./internal/worker/runtime.ts"
import type * as Recurring from "./Recurring.ts"
import type * as Task from "./Task.ts"
import type { TaskDefinitionError, WorkerError } from "./TaskError.ts"

/**
 * A running worker, as {@link layer} provides it and {@link make} returns it.
 *
 * @category services
 * @since 0.1.0
 */
export class Worker extends Context.Service<Worker, {
  /** Differs for every worker ever started. */
  readonly id: string
  /**
   * Stops gracefully, and waits until it has stopped: claims no more, lets running steps finish (up to
   * `shutdownTimeout`), interrupts what is left and gives it back.
   */
  readonly stop: Effect.Effect<void>
  /** Waits until it has stopped, because of {@link stop}, of `stop_worker`, or because its scope was closed. */
  readonly stopped: Effect.Effect<void>
  /** How it is right now, without asking the database. */
  readonly health: Effect.Effect<Health>
}>()("effect-pg-task/Worker") {}

export type {
  /**
   * How a worker is: what `health` returns, for readiness probes. `running` is how many steps run in it, `buffered`
   * how many tasks it has claimed that wait for a free slot.
   *
   * @example
   * ```ts
   * import { Effect } from "effect"
   * import { Worker } from "effect-pg-task"
   *
   * export const isReady = Effect.gen(function*() {
   *   const worker = yield* Worker.Worker
   *   const { alive } = yield* worker.health
   *   return alive
   * })
   * ```
   * @category models
   * @since 0.1.0
   */
  Health
}

/**
 * Options of {@link make}, {@link layer} and {@link run}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<Tasks extends ReadonlyArray<Member>> {
  /**
   * The tasks whose steps this worker runs, and the recurring tasks whose ticks it looks after. Rows of all others wait
   * for a worker that knows them.
   */
  readonly tasks: Tasks & CheckTasks<Tasks>
  /** How many steps run at a time. Default 10. */
  readonly concurrency?: number | undefined
  /**
   * How many tasks to claim ahead at most, of each priority, beside those that run. Default 1000. The real number adapts to how long
   * steps take: a task that isn't begun within a second is given back.
   */
  readonly bufferSize?: number | undefined
  /**
   * For how long a claim is valid unless the worker renews it. Default 30 seconds. The worker renews it after a third
   * of that time while the step runs, so the lease does not limit how long a step may take. The tasks of a dead worker
   * are ready again after a lease and a third. 100 milliseconds or more.
   */
  readonly lease?: Duration.Input | undefined
  /** A task is parked after this many workers in a row have crashed while they ran its step. Default 3. */
  readonly maxCrashes?: number | undefined
  /** How long a stopping worker lets steps run on before it interrupts them. Default 30 seconds. */
  readonly shutdownTimeout?: Duration.Input | undefined
  /**
   * How often to look for tasks when no notification comes. Default 10 seconds. Without a `PgClient`, or while
   * notifications don't arrive, it is 1 second at most. 10 milliseconds or more. Each time it is longer by up to a
   * tenth, at random, so that workers don't look all at once.
   */
  readonly pollInterval?: Duration.Input | undefined
}

/** What a worker runs. */
type Member = Task.Any | Recurring.Any

/** The services that it needs for one of them. */
type Services<T> = T extends Task.Any ? Task.Services<T> : T extends Recurring.Any<infer R> ? R : never

type Name<T> = T extends { readonly name: infer N extends string } ? N : never

/** Compile errors that name what is wrong with a worker's tasks, each at its task, or `unknown`. */
type CheckTasks<Tasks extends ReadonlyArray<Member>> = Tasks extends readonly [] ? "a worker needs at least one task"
  : [Task.Duplicates<Tasks, "name">] extends [never] ? unknown
  : { readonly [I in keyof Tasks]: Twice<Extract<Name<Tasks[I]>, Task.Duplicates<Tasks, "name">>> }

type Twice<N extends string> = [N] extends [never] ? unknown : `two tasks of this worker have the name "${N}"`

/**
 * What a worker for `Tasks` needs: the database, and the services of all its handlers and schemas.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Requirements<Tasks extends ReadonlyArray<Member>> = SqlClient | Services<Tasks[number]>

/**
 * Starts a worker that runs until its scope is closed, which stops it gracefully. This is what {@link layer} and
 * {@link run} are made of. Use it to have several workers in one program: each is a value, so they don't share the tag
 * {@link Worker}.
 *
 * It returns once the worker has started. Fails as {@link layer} does.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step, Task, Worker } from "effect-pg-task"
 *
 * const Report = Schema.TaggedStruct("Report", { month: Schema.String })
 * const Mail = Schema.TaggedStruct("Mail", { to: Schema.String })
 *
 * const Reports = Task.make("Reports", [Step.make(Report, { handler: () => Effect.succeed(NextStep.none) })])
 * const Mails = Task.make("Mails", [Step.make(Mail, { handler: () => Effect.succeed(NextStep.none) })])
 *
 * // Slow reports never take a slot that a mail needs.
 * export const program = Effect.scoped(Effect.gen(function*() {
 *   const reports = yield* Worker.make({ tasks: [Reports], concurrency: 2 })
 *   const mails = yield* Worker.make({ tasks: [Mails], concurrency: 100 })
 *   yield* Effect.log("Mails", yield* mails.health, "Reports", yield* reports.health)
 *   yield* Effect.all([reports.stop, mails.stop], { concurrency: "unbounded" })
 * }))
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Tasks extends ReadonlyArray<Member>>(
  options: Options<Tasks>
): Effect.Effect<Worker["Service"], WorkerError, Scope | SqlClient | Services<Tasks[number]>> =>
  Effect.flatMap(toSettings(options), startWorker)

/**
 * A layer that runs a worker for as long as it is alive. Closing it stops the worker gracefully. For a program that
 * ends when its worker is told to stop, see {@link launch}. Two such layers in one program provide the same tag: use
 * {@link make} for several workers.
 *
 * It fails with a `TaskDefinitionError` for options that make no sense, and with a `TaskTableError` that says how to
 * fix it when the table is missing or this role may not use it. If the database can't be reached, the worker waits for
 * it.
 *
 * @example
 * ```ts
 * import { Console, Effect, Schema } from "effect"
 * import { NextStep, Step, Task, Worker } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const sayHello = Step.make(SayHello, {
 *   handler: ({ name }) => Console.log(`Hello, ${name}`).pipe(Effect.as(NextStep.none))
 * })
 *
 * const Greeter = Task.make("Greeter", [sayHello])
 *
 * // Layer<Worker, WorkerError, SqlClient>
 * export const WorkerLive = Worker.layer({ tasks: [Greeter], concurrency: 20, shutdownTimeout: "10 seconds" })
 * ```
 * @category layers
 * @since 0.1.0
 */
export const layer = <const Tasks extends ReadonlyArray<Member>>(
  options: Options<Tasks>
): Layer.Layer<Worker, WorkerError, SqlClient | Services<Tasks[number]>> => Layer.effect(Worker, make(options))

/**
 * Runs a worker until it is told to stop: by `select pg_notify('pg_task_changed', 'stop_worker')`, or by
 * interruption, which stops it gracefully, too. Fails as {@link layer} does.
 *
 * @example
 * ```ts
 * import { Console, Effect, Schema } from "effect"
 * import { NextStep, Step, Task, Worker } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const sayHello = Step.make(SayHello, {
 *   handler: ({ name }) => Console.log(`Hello, ${name}`).pipe(Effect.as(NextStep.none))
 * })
 *
 * export const program = Worker.run({ tasks: [Task.make("Greeter", [sayHello])] })
 * ```
 * @category running
 * @since 0.1.0
 */
export const run = <const Tasks extends ReadonlyArray<Member>>(
  options: Options<Tasks>
): Effect.Effect<void, WorkerError, SqlClient | Services<Tasks[number]>> =>
  Effect.scoped(Effect.flatMap(make(options), ({ stopped }) => stopped))

/**
 * Runs a layer with workers in it until they are told to stop, and then closes it. Use it as the main program of a
 * worker process: with `Layer.launch` the process would stay alive without workers after they have stopped, and no
 * supervisor would restart it.
 *
 * It ends when every worker in the layer has stopped: by `stop_worker`, `pg-task stop`, `Admin.stopWorkers`, or `stop`.
 * Being told to stop is a success, so `NodeRuntime.runMain` ends the process with exit code 0. An interruption (Ctrl-C,
 * SIGTERM) stops the workers gracefully, too: exit code 130. An error of the layer, and a bug of this library that ends
 * a worker, are failures: exit code 1.
 *
 * Fails with a `TaskDefinitionError` if no worker has started when the layer is built.
 *
 * @example
 * ```ts
 * import { NodeRuntime } from "@effect/platform-node"
 * import { PgClient } from "@effect/sql-pg"
 * import { Config, Console, Effect, Layer, Schema } from "effect"
 * import { NextStep, Step, Task, Worker } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const sayHello = Step.make(SayHello, {
 *   handler: ({ name }) => Console.log(`Hello, ${name}`).pipe(Effect.as(NextStep.none))
 * })
 *
 * const WorkerLive = Worker.layer({ tasks: [Task.make("Greeter", [sayHello])] }).pipe(
 *   Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
 * )
 *
 * NodeRuntime.runMain(Worker.launch(WorkerLive))
 * ```
 * @category running
 * @since 0.1.0
 */
export const launch: <A, E, R>(layer: Layer.Layer<A, E, R>) => Effect.Effect<void, E | TaskDefinitionError, R> =
  launchLayer
