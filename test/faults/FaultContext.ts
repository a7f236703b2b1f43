/** What rounds and their faults act on. */
import type { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { EmbeddedPostgres } from "../../src/testing/EmbeddedPostgres.ts"
import type { Strictness } from "./Strictness.ts"
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
  readonly beside: ReadonlyArray<Beside>
}

/**
 * What is played beside the plans in every round, with tables and an oracle of its own. The names of its tasks begin
 * with "Beside".
 */
export interface Beside {
  /** The statements that make its tables. */
  readonly tables: ReadonlyArray<string>
  /** Draws what is done in a round. */
  readonly prepare: (scene: Scene) => Effect.Effect<void>
  /** Waits until all of it has come to its end. Rows may be parked for these errors on the way. */
  readonly settle: (scene: Scene, allowed: ReadonlyArray<RegExp>) => Effect.Effect<void>
  /** Finds what is wrong: strictly where no worker crashed. */
  readonly judge: (scene: Scene, strict: Strictness | undefined) => Effect.Effect<void>
}

export interface World extends Scene {
  readonly proxy: Proxy
  readonly server: EmbeddedPostgres
}

/** Something that goes wrong, and is put right again before it ends. What it decides comes from `random`. */
export type Fault = (world: World, random: Random) => Effect.Effect<void>
