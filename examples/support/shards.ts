/**
 * Several databases as shards: each has its own table, its own client and its own worker.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { SqlClient } from "effect/sql/SqlClient"
import { Migrations } from "effect-pg-task"
import * as EmbeddedPostgres from "../../src/testing/EmbeddedPostgres.ts"

/** One of the databases. */
export interface Shard {
  readonly name: string
  readonly server: EmbeddedPostgres.EmbeddedPostgres
  /** For whoever enqueues here, and for the worker of this shard. */
  readonly client: Context.Context<PgClient.PgClient | SqlClient>
}

/** The name of the shard that a handler runs on. */
export class ShardName extends Context.Service<ShardName, string>()("examples/ShardName") {}

/** Starts a database, with the table in it. It stops with the scope. */
export const startShard = Effect.fnUntraced(function*(name: string) {
  const server = yield* EmbeddedPostgres.start()
  const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(server.url) }))
  yield* Effect.provide(Migrations.run, client)
  const shard: Shard = { name, server, client }
  return shard
})

/** FNV-1a: a hash that will be the same in every version of every program that enqueues. */
const hash = (key: string): number => {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(key)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

/** The shard of a key: always the same one, as long as their number and their order stay. */
export const shardOf = (shards: ReadonlyArray<Shard>, key: string): Shard => shards[hash(key) % shards.length]!
