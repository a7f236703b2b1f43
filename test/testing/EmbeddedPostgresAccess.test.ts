/**
 * What other users of the machine may do: nothing. The tests that need a second user run as root only.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as EmbeddedPostgres from "../../src/testing/EmbeddedPostgres.ts"
import { LeavePatience } from "../../src/testing/internal/membership.ts"
import { client } from "../support/database/Database.ts"
import { temporaryFolder as folder } from "../support/process/Folder.ts"
import * as Script from "../support/process/Script.ts"

const project = fileURLToPath(new URL("../..", import.meta.url))

/** Two users that every system has. */
const idOf = (name: string) => {
  const id = (flag: string) => Number(execFileSync("id", [flag, name], { encoding: "utf8" })) | 0
  return { uid: id("-u"), gid: id("-g") }
}
const user = idOf("daemon")
const stranger = idOf("nobody")

const isRoot = process.getuid?.() === 0
const mayRead = (file: string, reader: typeof user) => spawnSync("cat", [file], { cwd: "/", ...reader }).status === 0
const asRoot = it.effect.skipIf(!isRoot)
/** A checkout in a closed folder can't be run by others. */
const asUser = it.effect.skipIf(!isRoot || !mayRead(path.join(project, "package.json"), user))

/** A folder as /tmp is, and a folder with a file that nobody may touch. */
const common = folder(0o1777)
const precious = Effect.map(folder(0o700), (made) => {
  fs.writeFileSync(path.join(made, "thesis.txt"), "")
  return made
})
const assertUntouched = (made: string) => assert.deepStrictEqual(fs.readdirSync(made), ["thesis.txt"])

const makeOwn = (made: string, mode: number, { gid, uid }: typeof user) => {
  fs.mkdirSync(made)
  fs.chmodSync(made, mode)
  fs.chownSync(made, uid, gid)
}

const refusal = (dataDir: string) =>
  Effect.map(Effect.flip(EmbeddedPostgres.start({ dataDir })), ({ message }) => message)

const select = (url: string, statement = "select 1 as n") =>
  Effect.scoped(
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Record<string, unknown>>(statement)).pipe(
      Effect.provide(client(url, { maxConnections: 1 }))
    )
  )

/** Not one of npm, so there may be none. */
const program = "psql"

const passfileOf = (psql: string) => new URL(/'(.*)'/.exec(psql)![1]!).searchParams.get("passfile")!

describe("a password", () => {
  it.effect("is asked of everybody", () =>
    Effect.gen(function*() {
      const { port, url } = yield* EmbeddedPostgres.start()
      const rules = "select distinct auth_method from pg_hba_file_rules"
      assert.deepStrictEqual(yield* select(url, rules), [{ auth_method: "scram-sha-256" }])
      for (const who of ["postgres", "postgres:", "postgres:postgres"]) {
        const error = yield* Effect.flip(select(`postgres://${who}@127.0.0.1:${port}/postgres`))
        assert.strictEqual(error.reason._tag, "AuthenticationError")
      }
    }))

  it.effect("is another one for each server, and in a file for its user alone", () =>
    Effect.gen(function*() {
      const one = yield* EmbeddedPostgres.start({ dataDir: path.join(yield* folder(0o755), "pgdata") })
      const two = yield* EmbeddedPostgres.start()
      const { password } = new URL(one.url)
      assert.match(password, /^[0-9a-f]{48}$/)
      assert.notStrictEqual(new URL(two.url).password, password)
      assert.notInclude(one.psql, password)
      const file = passfileOf(one.psql)
      assert.include(fs.readFileSync(file, "utf8"), password)
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(fs.statSync(one.dataDir).mode & 0o777, 0o700)
      if (isRoot) assert.isFalse(mayRead(file, stranger))
    }))

  it.effect.skipIf(spawnSync(program, ["--version"]).status !== 0)("is found by psql", () =>
    Effect.gen(function*() {
      const { psql } = yield* EmbeddedPostgres.start({ dataDir: path.join(yield* folder(0o755), "Ada's data, 100%") })
      const printed = execFileSync("/bin/sh", ["-c", `${psql} -w -Atc "select 'hello'"`], { encoding: "utf8" })
      assert.strictEqual(printed.trim(), "hello")
    }))

  it.effect("that others may read is refused", () =>
    Effect.gen(function*() {
      const dataDir = path.join(yield* folder(0o755), "pgdata")
      const { psql } = yield* Effect.scoped(EmbeddedPostgres.start({ dataDir }))
      fs.chmodSync(passfileOf(psql), 0o644)
      assert.include(yield* refusal(dataDir), "others may read it")
      fs.rmSync(passfileOf(psql))
      assert.include(yield* refusal(dataDir), "There is no password")
    }))
})

describe("a folder", () => {
  it.effect("that others may write to is closed to them", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder(0o777)
      const server = yield* EmbeddedPostgres.start({ dataDir })
      assert.strictEqual(server.dataDir, dataDir)
      assert.strictEqual(fs.statSync(dataDir).mode & 0o777, 0o700)
    }))

  it.effect("may be named by a link of one's own", () =>
    Effect.gen(function*() {
      const parent = yield* folder(0o755)
      const link = path.join(parent, "link")
      fs.mkdirSync(path.join(parent, "pgdata"))
      fs.symlinkSync("pgdata", link)
      const server = yield* EmbeddedPostgres.start({ dataDir: link })
      assert.strictEqual(server.dataDir, path.join(parent, "pgdata"))
    }))

  for (const name of ["acks", "users", "data", "draft-1", "server.log", "data/postmaster.pid"]) {
    it.effect(`with a link in it is refused: ${name}`, () =>
      Effect.gen(function*() {
        const dataDir = path.join(yield* folder(0o755), "pgdata")
        const target = yield* precious
        fs.mkdirSync(path.join(dataDir, "data"), { recursive: true })
        fs.mkdirSync(path.join(dataDir, "acks"))
        fs.rmSync(path.join(dataDir, name), { recursive: true, force: true })
        fs.symlinkSync(target, path.join(dataDir, name))
        if (name === "acks" && isRoot) fs.chownSync(target, 1, 1)
        assert.include(yield* refusal(dataDir), `${name} is a link`)
        assertUntouched(target)
      }))
  }

  it.effect("with another name of a file in it is refused", () =>
    Effect.gen(function*() {
      const parent = yield* folder(0o755)
      const dataDir = path.join(parent, "pgdata")
      fs.writeFileSync(path.join(parent, "thesis.txt"), "all of it")
      fs.mkdirSync(path.join(dataDir, "acks"), { recursive: true })
      fs.linkSync(path.join(parent, "thesis.txt"), path.join(dataDir, "port"))
      assert.include(yield* refusal(dataDir), "port is a link")
      assert.strictEqual(fs.readFileSync(path.join(parent, "thesis.txt"), "utf8"), "all of it")
    }))

  asRoot("in which another user has put something is refused", () =>
    Effect.gen(function*() {
      const dataDir = path.join(yield* folder(0o755), "pgdata")
      fs.mkdirSync(path.join(dataDir, "acks"), { recursive: true })
      makeOwn(path.join(dataDir, "data"), 0o700, user)
      assert.include(yield* refusal(dataDir), "data belongs to another user")
    }))

  asRoot("that a stranger has put where all may write is not used, as root", () =>
    Effect.gen(function*() {
      const dataDir = path.join(yield* common, "pgdata")
      makeOwn(dataDir, 0o777, stranger)
      const { dataDir: home } = yield* Effect.scoped(EmbeddedPostgres.start({ dataDir })).pipe(
        Effect.provideService(LeavePatience, 120_000)
      )
      fs.rmSync(home, { recursive: true })
      assert.notStrictEqual(home, dataDir)
      assert.deepStrictEqual(fs.readdirSync(dataDir), [])
    }))
})

/** Runs as `user`, with temporary files in a folder of the test's. */
const start = (dataDir: string, tmp: string, ...last: ReadonlyArray<"last">) =>
  Script.run("test/support/process/scripts/usePostgres.ts", { args: [dataDir, ...last], env: { TMPDIR: tmp }, user })

const homeOf = Effect.fnUntraced(function*(script: Script.Script) {
  const home = (yield* script.line("home ")).slice("home ".length)
  yield* script.line("ready ")
  return home
})

const stop = (script: Script.Script) => Effect.andThen(script.kill("SIGTERM"), script.exit)

/** Where this user's data goes when the folder named is not the user's, as a stranger may find out. */
const predict = Effect.fnUntraced(function*(dataDir: string, tmp: string) {
  const script = yield* start(dataDir, tmp, "last")
  const home = yield* homeOf(script)
  yield* stop(script)
  fs.rmSync(home, { recursive: true })
  return home
})

const assertRefused = Effect.fnUntraced(function*(script: Script.Script, reason: string) {
  yield* script.line(reason)
  assert.strictEqual(yield* script.exit, 1)
})

describe("a user's folder for temporary files", () => {
  asUser("is the user's own, and is found again", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder(0o755)
      const tmp = yield* common
      const one = yield* start(dataDir, tmp)
      const home = yield* homeOf(one)
      assert.strictEqual(path.dirname(home), tmp)
      assert.strictEqual(fs.statSync(home).mode & 0o777, 0o700)
      const two = yield* start(dataDir, tmp)
      assert.strictEqual(yield* two.line("ready "), yield* one.line("ready "))
    }))

  asUser("is refused if a stranger made it", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder(0o755)
      const tmp = yield* common
      const home = yield* predict(dataDir, tmp)
      const target = yield* precious
      fs.chownSync(target, user.uid, user.gid)
      makeOwn(home, 0o777, stranger)
      fs.symlinkSync(target, path.join(home, "acks"))
      yield* assertRefused(yield* start(dataDir, tmp), "belongs to another user")
      assertUntouched(target)
    }))

  asUser("is refused if it is a link", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder(0o755)
      const tmp = yield* common
      const home = yield* predict(dataDir, tmp)
      const target = path.join(yield* folder(0o755), "empty")
      makeOwn(target, 0o755, user)
      fs.symlinkSync(target, home)
      fs.lchownSync(home, stranger.uid, stranger.gid)
      yield* assertRefused(yield* start(dataDir, tmp), "is a link")
      assert.deepStrictEqual(fs.readdirSync(target), [])
    }))

  asUser("is not where all may rename what is in it", () =>
    Effect.gen(function*() {
      const tmp = yield* folder(0o777)
      const home = yield* homeOf(yield* start(yield* folder(0o755), tmp))
      yield* Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(home, { recursive: true, force: true })))
      assert.notStrictEqual(path.dirname(home), tmp)
    }))
})

describe("a link", () => {
  asUser("that a stranger made is not followed", () =>
    Effect.gen(function*() {
      const tmp = yield* common
      const target = path.join(yield* folder(0o755), "empty")
      makeOwn(target, 0o755, user)
      const link = path.join(tmp, "pgdata")
      fs.symlinkSync(target, link)
      fs.lchownSync(link, stranger.uid, stranger.gid)
      yield* assertRefused(yield* start(link, tmp), "a link that another user made")
      assert.deepStrictEqual(fs.readdirSync(target), [])
    }))
})
