/** How `pg-task` finds its database: as libpq does, from a URL, from variables, by a socket, with a file of passwords. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import { findPassword, parseUrl, resolve } from "../../src/cli/input/address.ts"
import { Admin, Migrations } from "../../src/index.ts"
import { runProcess } from "../support/cli/cli.ts"
import { client, makeDatabase } from "../support/database/Database.ts"
import { readName } from "../support/cli/Greeter.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "pg-task-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A database with one task, and its address in parts. */
const makeTarget = Effect.gen(function*() {
  const { name, url } = yield* makeDatabase
  const { hostname, password, port, username } = new URL(url)
  const id = yield* Effect.andThen(Migrations.run, Admin.enqueueRaw(readName("a"))).pipe(
    Effect.provide(Layer.merge(client(url), Logger.layer([])))
  )
  const user = decodeURIComponent(username) || userInfo().username
  return { id, name, host: hostname, port: port || "5432", user, password: decodeURIComponent(password) }
})

type Target = Effect.Success<typeof makeTarget>

/** That it lists the one task there is. */
const assertFinds = (
  { id }: Target,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
) =>
  Effect.map(runProcess(["list", "--json", ...args], { env }), ({ code, err, out }) => {
    assert.deepStrictEqual({ code, err }, { code: 0, err: "" })
    assert.strictEqual(JSON.parse(out).tasks[0].id, id)
  })

/** A socket in a folder of its own, that leads to the server. */
const socketTo = ({ host, port }: Target): Effect.Effect<string, never, Scope.Scope> =>
  Effect.flatMap(folder, (folder) =>
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((socket) => {
          const upstream = connect(Number(port), host)
          for (const [one, other] of [[socket, upstream], [upstream, socket]] as const) {
            one.on("error", () => other.destroy()).pipe(other)
          }
        })
        server.listen(join(folder, `.s.PGSQL.${port}`), () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ).pipe(Effect.as(folder)))

it.live("takes from variables what the URL leaves out, and does without a URL", () =>
  Effect.gen(function*() {
    const target = yield* makeTarget
    const { host, name, password, port, user } = target
    const login = { PGUSER: user, PGPASSWORD: password }
    yield* Effect.all([
      assertFinds(target, ["--url", `postgres://${host}:${port}/${name}`], login),
      assertFinds(target, [], { ...login, DATABASE_URL: `postgresql://${host}:${port}/${name}`, PGDATABASE: "other" }),
      assertFinds(target, [], { ...login, PGHOST: host, PGPORT: port, PGDATABASE: name, PGSSLMODE: "disable" }),
      assertFinds(target, ["--url", `postgres:///${name}?host=${host}&port=${port}&user=${user}`], login)
    ], { concurrency: 2 })
    const shown = yield* runProcess(["migrate", "--url", `postgres://${host}/${name}`], {
      env: { ...login, PGPORT: port }
    })
    assert.strictEqual(shown.out, `${host}:${port}/${name}: up to date already\n`)
  }))

it.live("takes the user of the system where nothing names one", () =>
  Effect.gen(function*() {
    const { host, name, password, port } = yield* makeTarget
    const env = { PGPASSWORD: password }
    const { code, err } = yield* runProcess(["list", "--url", `postgres://${host}:${port}/${name}`], { env })
    // The server may have no such role, or another password for it: then it says so.
    if (code !== 0) assert.include(err, `"${userInfo().username}"`)
  }))

it.live("goes through sockets", () =>
  Effect.gen(function*() {
    const target = yield* makeTarget
    const { name, password, port, user } = target
    const socket = yield* socketTo(target)
    const env = { PGPASSWORD: password, PGSSLMODE: "require" }
    yield* Effect.all([
      assertFinds(target, [], { ...env, PGHOST: socket, PGPORT: port, PGUSER: user, PGDATABASE: name }),
      assertFinds(target, ["--url", `postgres://${user}@/${name}?host=${socket}&port=${port}`], env),
      assertFinds(target, ["--url", `postgres://${user}@${encodeURIComponent(socket)}:${port}/${name}`], env)
    ], { concurrency: 2 })
  }))

it.live("looks up passwords in a file that is for its user alone", () =>
  Effect.gen(function*() {
    const target = yield* makeTarget
    const { host, name, password, port, user } = target
    const file = join(yield* folder, "passwords")
    const saved = password.replace(/[\\:]/g, "\\$&")
    writeFileSync(file, `# ours\nelsewhere:*:*:*:wrong\n${host}:${port}:*:${user}:${saved}\n`, { mode: 0o600 })
    const args = ["--url", `postgres://${user}@${host}:${port}/${name}`]
    yield* assertFinds(target, args, { PGPASSFILE: file })
    chmodSync(file, 0o644)
    const { err } = yield* runProcess(["list", ...args], { env: { PGPASSFILE: file } })
    assert.include(err, `${file} is not used: others may read it (chmod 600 ${file})`)
  }))

describe("an address", () => {
  const at = (url: string, env: Record<string, string> = {}) => {
    const { dbname, host, port, user } = resolve(parseUrl(url)!, env)
    return `${user} ${host} ${port} ${dbname}`
  }

  it("is the URL's, else the environment's, else the usual one", () => {
    const me = userInfo().username
    assert.strictEqual(at("postgres://localhost/shop"), `${me} localhost 5432 shop`)
    assert.strictEqual(at("postgres://h"), `${me} h 5432 ${me}`)
    assert.strictEqual(at("postgres://h", { PGUSER: "ann" }), "ann h 5432 ann")
    assert.strictEqual(at("postgres://ann:pw@h:1/db", { PGUSER: "x", PGHOST: "x", PGPORT: "2" }), "ann h 1 db")
    assert.strictEqual(at("postgresql://a%40b@[::1]/d%20b", { PGPORT: "2" }), "a@b ::1 2 d b")
    assert.strictEqual(at("postgres://h/db?user=ann&port=3&dbname=other"), "ann h 3 other")
    assert.strictEqual(at("postgres://ann@:7/db", { PGHOST: "h" }), "ann h 7 db")
    assert.strictEqual(at("postgres://", { PGHOST: "/run/pg", PGDATABASE: "db", PGUSER: "a" }), "a /run/pg 5432 db")
  })

  it("has the parameters of the connection, too", () => {
    const env = { PGSSLMODE: "require", PGOPTIONS: "-c search_path=a", PGCONNECT_TIMEOUT: "3", PGPASSWORD: "pw" }
    const { connect_timeout, options, password, sslmode } = resolve(parseUrl("postgres://h?sslmode=prefer")!, env)
    assert.deepStrictEqual({ connect_timeout, options, password, sslmode }, {
      connect_timeout: "3",
      options: "-c search_path=a",
      password: "pw",
      sslmode: "prefer"
    })
    assert.strictEqual(resolve(parseUrl("postgres://%2Frun/db?sslmode=require")!, {}).sslmode, "disable")
  })

  it("is none of another database's", () => {
    for (const url of ["mysql://a@b/c", "localhost", "postgres://a:1,b:2/c", "postgres://%zz@h/db"]) {
      assert.isUndefined(parseUrl(url))
    }
  })

  it("has the password of the first line that fits", () => {
    const address = { host: "h", port: "5432", user: "a:b", dbname: "c\\d" }
    const file = "#h:*:*:*:no\nnonsense\nh:5433:*:*:no\r\nh:*:c\\\\d:a\\:b:p:\\:\\\\w\r\n*:*:*:*:last\n"
    assert.strictEqual(findPassword(file, address), "p::\\w")
    assert.strictEqual(findPassword(file, { ...address, user: "x" }), "last")
    assert.isUndefined(findPassword("h:*:*:*\n\n", address))
  })
})
