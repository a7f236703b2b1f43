/** Whether a worker listens: where the client can, and has a connection to spare for it. */
import { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Listener, type ListenerOptions } from "./listener.ts"

/** The size of a pool that was given none. */
const defaultConnections = 10

/** How many workers listen on each client. Each holds a connection of it for as long as it lives. */
const listeners = new WeakMap<PgClient, number>()

const count = (client: PgClient, change: number) =>
  Effect.sync(() => listeners.set(client, (listeners.get(client) ?? 0) + change))

/** Undefined when the worker must poll. */
export const makeListener = (
  options: Omit<ListenerOptions, "client">
): Effect.Effect<Listener | undefined, never, Scope.Scope> =>
  Effect.gen(function*() {
    const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient))
    if (client === undefined) return undefined
    const { maxConnections = defaultConnections } = client.config as { readonly maxConnections?: number }
    // Listening takes its connection for good, and the last one is for everything else.
    if ((listeners.get(client) ?? 0) + 1 >= maxConnections) {
      yield* Effect.logWarning(
        `The pool has no connection to spare for LISTEN: polling. Give it more than its ${maxConnections}: one for ` +
          "each of its workers, and those that the steps need"
      )
      return undefined
    }
    yield* Effect.acquireRelease(count(client, 1), () => count(client, -1))
    return new Listener({ ...options, client })
  })
