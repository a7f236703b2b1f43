import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import * as path from "node:path"
import * as EmbeddedPostgres from "../../src/testing/EmbeddedPostgres.ts"
import { poll, serverUser } from "../../src/testing/internal/command.ts"
import { LeavePatience } from "../../src/testing/internal/membership.ts"
import { client } from "../support/database/Database.ts"
import { temporaryFolder } from "../support/process/Folder.ts"
import * as Script from "../support/process/Script.ts"

/** In a folder that is, like any project's, open to the user who runs the server. */
const folder = Effect.map(temporaryFolder(0o755), (parent) => path.join(parent, "pgdata"))

const query = <A extends object>(url: string, text: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    return yield* sql.unsafe<A>(text)
  }).pipe(Effect.provide(client(url, { maxConnections: 1 })), Effect.orDie)

const startedAt = (url: string) => query<{ at: Date }>(url, "select pg_postmaster_start_time()::text as at")

// A connection left open would keep a server that is stopping from its end: it waits for what the client has to say.
const isListening = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1")
    const answer = (listening: boolean) => () => {
      socket.destroy()
      resume(Effect.succeed(listening))
    }
    socket.once("connect", answer(true)).once("error", answer(false))
    return Effect.sync(() => socket.destroy())
  })

/** Waits until nothing listens there and the lock file is gone. */
const stopped = (dataDir: string, port: number) =>
  poll(
    120_000,
    Effect.map(isListening(port), (listening) => (listening || existsSync(lockFile(dataDir)) ? undefined : true))
  ).pipe(Effect.map((answer) => assert.isTrue(answer, "the server still runs")))

/** A part of a test that is the last user of its server. */
const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(Effect.scoped(effect), LeavePatience, 120_000)

const lockFile = (dataDir: string) => path.join(dataDir, "data", "postmaster.pid")
const serverPid = (dataDir: string) => Number(readFileSync(lockFile(dataDir), "utf8").split("\n")[0])
const portOf = (url: string) => Number(new URL(url).port)

describe("start", () => {
  it.effect("gives a Postgres that writes through, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const { dataDir, port } = yield* Effect.scoped(
        Effect.gen(function*() {
          const server = yield* EmbeddedPostgres.start({ settings: { work_mem: "5MB" } })
          const setting = "select name, setting from pg_settings where name in "
            + "('fsync', 'synchronous_commit', 'listen_addresses', 'max_connections', 'work_mem') order by name"
          assert.deepStrictEqual(yield* query(server.url, setting), [
            { name: "fsync", setting: "on" },
            { name: "listen_addresses", setting: "127.0.0.1" },
            { name: "max_connections", setting: "200" },
            { name: "synchronous_commit", setting: "on" },
            { name: "work_mem", setting: "5120" }
          ])
          return server
        })
      )
      assert.isFalse(existsSync(dataDir))
      assert.isFalse(yield* isListening(port))
    }))

  it.effect("keeps the data of a folder, and its port", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder
      const use = (statement: string) =>
        alone(
          Effect.gen(function*() {
            const server = yield* EmbeddedPostgres.start({ dataDir })
            return { ...server, rows: yield* query(server.url, statement) }
          })
        )
      const first = yield* use("create table kept as select 1 as n")
      assert.isFalse(yield* isListening(first.port))
      const second = yield* use("table kept")
      assert.deepStrictEqual(second.rows, [{ n: 1 }])
      assert.strictEqual(second.port, first.port)
      assert.strictEqual(second.dataDir, dataDir)
    }))

  it.effect("says what to do when the port is taken", () =>
    Effect.gen(function*() {
      const taken = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer()
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const { port } = taken.address() as { readonly port: number }
      const error = yield* Effect.flip(EmbeddedPostgres.start({ port }))
      assert.instanceOf(error, EmbeddedPostgres.EmbeddedPostgresError)
      assert.include(error.message, `port ${port}: something else listens there`)
    }))

  it.effect("says why Postgres doesn't start", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(EmbeddedPostgres.start({ settings: { work_mem: "lots" } }))
      assert.include(error.message, `invalid value for parameter "work_mem": "lots"`)
    }))

  it.effect("leaves a folder with other things in it alone", () =>
    Effect.gen(function*() {
      const dataDir = path.dirname(yield* folder)
      writeFileSync(path.join(dataDir, "thesis.txt"), "")
      const error = yield* Effect.flip(EmbeddedPostgres.start({ dataDir }))
      assert.include(error.message, "there are other things in it")
      assert.isFalse(existsSync(path.join(dataDir, "data")))
    }))
})

describe("a shared folder", () => {
  it.effect("has one server, which outlives any but the last of its users", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder
      const [one, two] = yield* Effect.all([useIn(dataDir), useIn(dataDir)], { concurrency: "unbounded" })
      assert.strictEqual(one.url, two.url)
      const started = yield* startedAt(one.url)
      yield* one.script.kill("SIGTERM")
      yield* one.script.exit
      const three = yield* useIn(dataDir, "last")
      assert.deepStrictEqual(yield* startedAt(three.url), started)
      yield* two.script.kill("SIGKILL")
      yield* two.script.exit
      assert.deepStrictEqual(yield* startedAt(three.url), started)
      yield* three.script.kill("SIGTERM")
      assert.strictEqual(yield* three.script.exit, 130)
      assert.isFalse(existsSync(lockFile(dataDir)), "the last one waits for the end")
    }))

  it.effect("has no server left when its only user was killed, and the next one starts", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder
      const { script, url } = yield* useIn(dataDir)
      yield* script.kill("SIGKILL")
      yield* stopped(dataDir, portOf(url))
      const next = yield* EmbeddedPostgres.start({ dataDir })
      assert.strictEqual(next.url, url)
    }))

  it.effect("may be joined at any moment of a server's life", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder
      const visit = Effect.scoped(
        Effect.gen(function*() {
          const { url } = yield* EmbeddedPostgres.start({ dataDir })
          yield* startedAt(url)
          return portOf(url)
        })
      )
      const visits = Effect.forEach(Array.from({ length: 5 }), () => visit)
      const [[port]] = yield* Effect.all([visits, visits, visits], { concurrency: "unbounded" })
      yield* stopped(dataDir, port!)
    }))
})

const useIn = Effect.fnUntraced(
  function*(...args: readonly [dataDir: string] | readonly [dataDir: string, last: "last"]) {
    const script = yield* Script.run("test/support/process/scripts/usePostgres.ts", { args })
    return { script, url: (yield* script.line(/^ready /)).slice("ready ".length) }
  }
)

describe("recovery", () => {
  it.effect("from a server that was killed", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder
      const { url } = yield* EmbeddedPostgres.start({ dataDir })
      yield* query(url, "create table kept as select 1 as n")
      process.kill(serverPid(dataDir), "SIGKILL")
      const again = yield* EmbeddedPostgres.start({ dataDir })
      assert.deepStrictEqual(yield* query(again.url, "table kept"), [{ n: 1 }])
    }))

  it.effect("from a lock file whose process number another program has got", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder
      const first = yield* alone(EmbeddedPostgres.start({ dataDir }))
      const user = yield* serverUser
      const other = yield* Effect.acquireRelease(
        Effect.sync(() => spawn("sleep", ["600"], { cwd: "/", stdio: "ignore", ...user })),
        (other) => Effect.sync(() => other.kill("SIGKILL"))
      )
      const lock = [other.pid, `${dataDir}/data`, 0, first.port, "", "127.0.0.1", "  1 2", "ready"].join("\n")
      writeFileSync(lockFile(dataDir), `${lock}\n`)
      const next = yield* EmbeddedPostgres.start({ dataDir })
      assert.notStrictEqual(serverPid(dataDir), other.pid)
      yield* startedAt(next.url)
    }))
})

describe("restart", () => {
  for (const mode of ["fast", "immediate"] as const) {
    it.effect(`${mode}: the same data on the same port, in a new server`, () =>
      Effect.gen(function*() {
        const { restart, url } = yield* EmbeddedPostgres.start()
        yield* query(url, "create table kept as select 1 as n")
        const before = yield* startedAt(url)
        yield* restart(mode)
        assert.notDeepEqual(yield* startedAt(url), before)
        assert.deepStrictEqual(yield* query(url, "table kept"), [{ n: 1 }])
      }))
  }
})

describe("layer", () => {
  it.effect("is a client on a server of its own", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`select 1 as n`, [{ n: 1 }])
    }).pipe(Effect.provide(EmbeddedPostgres.layer())))
})
