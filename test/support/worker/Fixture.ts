/** What most tests of the worker need: a table, a worker, a task of one step, and a gate for its handlers. */
import { PgClient } from "@effect/sql-pg"
import { layer } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Latch, Layer, Logger, Queue, Redacted, Schema, Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { Migrations, type NextStep, type Recurring, Step, Task, Worker } from "../../../src/index.ts"
import { client, type ClientOptions, testDatabase } from "../database/Database.ts"
import { run } from "./Table.ts"
import { within } from "./Wait.ts"

type Services = PgClient.PgClient | SqlClient.SqlClient

/** A database with the table in it, and no log. */
export const database: Layer.Layer<Services, unknown> = Layer.merge(
  Layer.provideMerge(Migrations.layer, testDatabase),
  Logger.layer([])
)

type Test = <A, E>(name: string, body: Effect.Effect<A, E, Services | Scope.Scope>, timeout?: number) => void

/** Tests in real time, on one database; each begins with an empty table. */
export const workerTests = (name: string, tests: (test: Test) => void): void =>
  layer(database, { excludeTestServices: true })(name, (it) =>
    tests((name, body, timeout) => {
      it.effect(name, () => Effect.andThen(run("truncate pg_task"), body), timeout)
    }))

/** Starts a worker that stops with the scope. */
export const start = <const Tasks extends ReadonlyArray<Task.Any | Recurring.Any>>(options: Worker.Options<Tasks>) =>
  Effect.map(Layer.build(Worker.layer(options)), (context) => Context.get(context, Worker.Worker))

/** The address of the test's database. */
export const urlOfTest: Effect.Effect<string, never, PgClient.PgClient> = Effect.map(
  PgClient.PgClient,
  ({ config }) => Redacted.value(config.url!)
)

/** Starts a worker with a client of its own. */
export const startWith = <const Tasks extends ReadonlyArray<Task.Any | Recurring.Any>>(
  url: string,
  options: Worker.Options<Tasks>,
  clientOptions: ClientOptions = {}
) => Effect.flatMap(Layer.build(client(url, clientOptions)), (context) => Effect.provide(start(options), context))

/** Starts a worker in a scope of its own, for tests that close it. */
export const startApart = <const Tasks extends ReadonlyArray<Task.Any | Recurring.Any>>(
  options: Worker.Options<Tasks>
) =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    return { worker: yield* start(options).pipe(Scope.provide(scope)), scope }
  })

/** Stops a worker by closing its scope. */
export const closed = ({ scope }: { readonly scope: Scope.Closeable }): Effect.Effect<void> =>
  Scope.close(scope, Exit.void)

/** Less than what a worker waits for running steps by default: a stop that waits for them is not in time. */
const inTime = 25_000

/** The same, but fails when that takes too long; at the end of the test `letGo` ends what holds it up. */
export const closedInTime = (
  apart: { readonly scope: Scope.Closeable },
  letGo: Effect.Effect<unknown>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const closing = yield* Effect.forkScoped(closed(apart))
    yield* Effect.addFinalizer(() => letGo)
    yield* within(Fiber.join(closing), "the stop", inTime)
  })

/** A state with a name to tell tasks apart, that may go on to itself. */
export class Job extends Schema.TaggedClass<Job>()("Job", { name: Schema.String }) {}

interface Retries {
  readonly retryLimit?: number
  readonly retryDelay?: "10 millis" | "1 hour"
}

/** A task of one step. */
export const jobs = <E, R>(
  handler: (job: Job) => Effect.Effect<NextStep.NextStep<Job, unknown>, E, R>,
  options: Retries = {}
) => Task.make("Jobs", [Step.make(Job, { next: [Job], handler, ...options })])

/** Where handlers wait for the test, and the test for them. */
export interface Gate {
  /** For a handler: says that it is here, and waits until it is let through. */
  readonly enter: (name: string) => Effect.Effect<void>
  /** For the test: waits until the next one is there. */
  readonly next: Effect.Effect<string>
  /** How many have come that the test has not seen yet. */
  readonly unseen: Effect.Effect<number>
  /** Lets through those that wait, and all that come. */
  readonly open: Effect.Effect<unknown>
}

export const makeGate: Effect.Effect<Gate> = Effect.gen(function*() {
  const arrivals = yield* Queue.unbounded<string>()
  const latch = yield* Latch.make()
  return {
    enter: (name) => Effect.andThen(Queue.offer(arrivals, name), latch.await),
    next: within(Queue.take(arrivals), "nobody came to the gate"),
    unseen: Queue.size(arrivals),
    open: latch.open
  }
})
