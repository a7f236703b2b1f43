import { PgClient } from "@effect/sql-pg"
import { Cause, Effect, Fiber, Layer, ManagedRuntime, Redacted } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { Job, StepBody } from "../../Subject.ts"

export type Sql = PgClient.PgClient | SqlClient.SqlClient

/** The client that ours, the floors and Effect's own peers share: pipelined, statements prepared. */
export const client = (url: string): Layer.Layer<Sql, SqlError.SqlError> =>
  PgClient.layer({ url: Redacted.make(url), multiplex: true, maxConnections: 10 })

/** Builds a layer once, and runs effects on it from code that speaks promises. */
export const open = async <R, E>(layer: Layer.Layer<R, E>) => {
  const runtime = ManagedRuntime.make(layer)
  await runtime.context()
  const forked: Array<Fiber.Fiber<unknown, unknown>> = []
  return {
    run: <A, E2>(effect: Effect.Effect<A, E2, R>): Promise<A> => runtime.runPromise(effect),
    /** Runs in the background until `close`; a failure is printed. */
    fork: (effect: Effect.Effect<unknown, unknown, R>): void => {
      forked.push(runtime.runFork(Effect.onError(effect, report)))
    },
    close: async (): Promise<void> => {
      await Effect.runPromise(Fiber.interruptAll(forked))
      await runtime.dispose()
    }
  }
}

const report = (cause: Cause.Cause<unknown>) =>
  Effect.sync(() => {
    if (!Cause.hasInterruptsOnly(cause)) console.error(Cause.pretty(cause))
  })

/** Runs an effect on a client of its own. */
export const once = async <A, E>(url: string, effect: Effect.Effect<A, E, Sql>): Promise<A> => {
  const { run, close } = await open(client(url))
  try {
    return await run(effect)
  } finally {
    await close()
  }
}

/** A step's body as an effect: a no-op step costs no promise. */
export const runBody = (body: StepBody, job: Job, index: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const waiting = body(job, index)
    return waiting === undefined ? Effect.void : Effect.promise(() => waiting)
  })
