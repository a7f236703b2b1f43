/** How many workers listen on each client. Each holds a connection of it for as long as it lives. */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"

const listeners = new WeakMap<PgClient, number>()

export const workersOf = (client: PgClient): number => listeners.get(client) ?? 0

export const countWorkers = (client: PgClient, change: number): Effect.Effect<unknown> =>
  Effect.sync(() => listeners.set(client, workersOf(client) + change))
