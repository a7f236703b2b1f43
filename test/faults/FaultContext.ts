/** What rounds and their faults act on. */
import type { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { EmbeddedPostgres } from "../../src/testing/EmbeddedPostgres.ts"
import type { Crew } from "./WorkerProcesses.ts"
import type { Proxy } from "./Proxy.ts"
import type { Random } from "./Random.ts"
import type { Logbook } from "./RunLog.ts"

/** What every round needs. */
export interface Scene {
  readonly log: Logbook
  readonly crew: Crew
  /** The suite's own connections, as the superuser. Their names begin with "suite". */
  readonly sql: SqlClient.SqlClient
}

export interface World extends Scene {
  readonly proxy: Proxy
  readonly server: EmbeddedPostgres
}

/** Something that goes wrong, and is put right again before it ends. What it decides comes from `random`. */
export type Fault = (world: World, random: Random) => Effect.Effect<void>
