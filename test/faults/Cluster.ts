/** A primary and its standby, which takes over when the primary is gone. Nothing that was acknowledged is lost then. */
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import { randomBytes, randomInt } from "node:crypto"
import * as fs from "node:fs/promises"
import * as net from "node:net"
import * as path from "node:path"
import { type Binaries, findBinaries, temporaryFolder } from "../../src/testing/internal/binaries.ts"
import { environment, run, serverUser, type User } from "../../src/testing/internal/command.ts"

export interface Server {
  readonly port: number
  /** For its superuser and the database `postgres`. */
  readonly url: string
  /** Ends it as a crash does: at once, with all its connections. */
  readonly crash: Effect.Effect<void>
}

interface Place {
  readonly binaries: Binaries
  readonly user: User
  readonly folder: string
  readonly password: string
}

/** The server ends when its standard input does: also when the suite is killed. */
const script = `"$@" 2>&1 </dev/null & server=$!
(cat >/dev/null; kill -QUIT "$server" 2>/dev/null) <&3 & watch=$!
wait "$server"; kill "$watch" 2>/dev/null; exit 0`

const isFree = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const probe = net.createServer()
    probe.once("error", () => resume(Effect.succeed(false)))
    probe.listen(port, "127.0.0.1", () => probe.close(() => resume(Effect.succeed(true))))
  })

/** Below the range of outgoing ports: a client that tries again and again might be given the port itself. */
const freePort = Effect.gen(function*() {
  for (;;) {
    const port = randomInt(20_000, 30_000)
    if (yield* isFree(port)) return port
  }
})

const makePlace: Effect.Effect<Place, unknown, Scope.Scope> = Effect.gen(function*() {
  const user = yield* serverUser
  const binaries = yield* findBinaries(user)
  const parent = yield* temporaryFolder(user)
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => fs.mkdtemp(path.join(parent, "effect-pg-task-pair-"))),
    (folder) => Effect.promise(() => fs.rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  )
  const password = randomBytes(16).toString("hex")
  if (user !== undefined) yield* Effect.promise(() => fs.chown(folder, user.uid, user.gid))
  return { binaries, user, folder, password }
})

const command = (file: string, args: ReadonlyArray<string>, user: User) =>
  Effect.flatMap(
    run(file, args, user),
    ({ code, stderr }) => code === 0 ? Effect.void : Effect.die(new Error(`${file} failed: ${stderr}`))
  )

const initialise = ({ binaries, folder, password, user }: Place, data: string) =>
  Effect.gen(function*() {
    const file = path.join(folder, "password")
    yield* Effect.promise(() => fs.writeFile(file, password, { mode: 0o600 }))
    if (user !== undefined) yield* Effect.promise(() => fs.chown(file, user.uid, user.gid))
    const flags = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", file, "-E", "UTF8", "--no-locale", "--no-sync"]
    yield* command(binaries.initdb, ["-D", data, ...flags], user)
  })

const common = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "150",
  fsync: "off",
  wal_keep_size: "256MB"
}

/** Starts a server, and waits until it says that it is ready. */
const start = ({ binaries, password, user }: Place, data: string, settings: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const port = yield* freePort
    const flags = Object.entries({ ...common, ...settings, port: `${port}` }).flatMap(([name, value]) => [
      "-c",
      `${name}=${value}`
    ])
    const child = spawn("/bin/sh", ["-c", `exec 3<&0; ${script}`, "sh", binaries.postgres, "-D", data, ...flags], {
      cwd: "/",
      env: environment(),
      stdio: ["pipe", "pipe", "ignore"],
      ...user
    })
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
    const crash = Effect.andThen(Effect.sync(() => child.stdin.end()), Effect.promise(() => ended))
    yield* Effect.addFinalizer(() => crash)
    yield* Effect.promise(() =>
      new Promise<void>((resolve, reject) => {
        let said = ""
        child.stdout.on("data", (text: Buffer) => {
          said = (said + text.toString()).slice(-5000)
          if (/ready to accept (read-only )?connections/.test(said)) resolve()
        })
        void ended.then(() => reject(new Error(`Postgres does not start:\n${said}`)))
      })
    )
    return { port, url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, crash } satisfies Server
  })

export interface Pair {
  readonly primary: Server
  /** Has everything that the primary has acknowledged. Serves reads until it is promoted. */
  readonly standby: Server
}

/** Starts both. The standby begins as a copy of what initdb made, and streams everything since. */
export const startPair: Effect.Effect<Pair, unknown, Scope.Scope> = Effect.gen(function*() {
  const place = yield* makePlace
  const [first, second] = [path.join(place.folder, "first"), path.join(place.folder, "second")]
  yield* initialise(place, first)
  yield* command("cp", ["-a", first, second], place.user)
  yield* command("touch", [path.join(second, "standby.signal")], place.user)
  const primary = yield* start(place, first, { synchronous_standby_names: "*" })
  // In a file that only its user can read: everybody can see a command line.
  const source = `host=127.0.0.1 port=${primary.port} user=postgres password=${place.password}`
  const file = path.join(second, "postgresql.auto.conf")
  yield* Effect.promise(() => fs.appendFile(file, `primary_conninfo = '${source}'\n`))
  const standby = yield* start(place, second, { wal_retrieve_retry_interval: "100ms" })
  return { primary, standby }
})
