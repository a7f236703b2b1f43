/**
 * The README's story, played with real processes in a copy of the project, which has a database of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as fs from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Script from "../support/process/Script.ts"

const project = fileURLToPath(new URL("../..", import.meta.url))

/** What a clone has, without what git doesn't keep: another `.pgdata`, and no `name.txt`. */
const copyProject: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = fs.mkdtempSync(join(tmpdir(), "effect-pg-task-"))
    // As any clone: with a closed folder, root's server would keep its data elsewhere, and leave it there.
    fs.chmodSync(folder, 0o755)
    for (const part of ["src", "examples", "package.json", "tsconfig.json"]) {
      fs.cpSync(join(project, part), join(folder, part), { recursive: true })
    }
    fs.symlinkSync(join(project, "node_modules"), join(folder, "node_modules"))
    return folder
  }),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

const inFolder = (cwd: string) => {
  const env = { DATABASE_URL: "" }
  return {
    tutorial: Script.run("examples/tutorial.ts", { cwd, env }),
    sql: (statement: string) =>
      Effect.gen(function*() {
        const script = yield* Script.run("examples/sql.ts", { args: [statement], cwd, env })
        assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
        return script.lines()
      }),
    writeName: Effect.sync(() => fs.writeFileSync(join(cwd, "name.txt"), "Fixed World\n"))
  }
}

const matching = (lines: ReadonlyArray<string>, pattern: RegExp) => lines.filter((line) => pattern.test(line))

const portOf = (line: string) => Number(new URL(line.slice(line.indexOf("postgres://"))).port)

const isListening = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resume(Effect.succeed(true)))
    socket.once("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })

const assertServerGone = Effect.fnUntraced(function*(port: number) {
  yield* isListening(port).pipe(
    Effect.tap((listens) => listens ? Effect.sleep("50 millis") : Effect.void),
    Effect.repeat({ until: (listens) => !listens }),
    Effect.timeout("2 minutes")
  )
})

const tries = /^\S+ WARN {2}Greeter\.ReadName, try [1-5]: Retry in 1s: PlatformError: NotFound: .*\(name\.txt\)$/

describe("npm run tutorial", () => {
  it.live("fails, shows its row, is repaired, greets, and stops", () =>
    Effect.gen(function*() {
      const { sql, tutorial, writeName } = inFolder(yield* copyProject)
      const run = yield* tutorial
      const port = portOf(yield* run.line("The database is at: psql "))
      yield* run.line("Watch what happens without the file")
      yield* run.line(/ ERROR Greeter\.ReadName, try 6: Parked: PlatformError: NotFound: /)
      assert.strictEqual(matching(run.lines(), tries).length, 5)
      yield* run.line("The greeter has failed 6 times, and is parked")

      yield* run.line("npm run sql -- \"table pg_task\"")
      const row = (yield* sql("table pg_task")).join("\n")
      assert.match(row, /^step +\| \{"Greeter":\{"ReadName":\{"filename":"name.txt"\}\}\}$/m)
      assert.match(row, /^tried +\| 6$/m)
      assert.match(row, /^is_running +\| false$/m)
      assert.match(row, /^error +\| PlatformError: NotFound: .*\n +\| +caused by: Error: ENOENT: no such file/m)

      yield* writeName
      const clear = "update pg_task set error = null where error is not null"
      yield* run.line(`npm run sql -- "${clear}"`)
      assert.deepStrictEqual(yield* sql(clear), ["UPDATE 1"])
      yield* run.line(/^Hello, Fixed World$/)
      yield* run.line("The greeter is done, and its row is gone")
      assert.include(yield* sql("select exists(select 1 from pg_task)"), "false")

      yield* run.kill("SIGINT")
      assert.strictEqual(yield* run.exit, 0)
      assert.match(run.lines().at(-1)!, / INFO {2}Worker stopped$/)
      yield* assertServerGone(port)
    }))

  it.live("lets go on what is parked, also by the statement without its `where`", () =>
    Effect.gen(function*() {
      const { sql, tutorial, writeName } = inFolder(yield* copyProject)
      const run = yield* tutorial
      yield* run.line("The greeter has failed 6 times, and is parked")
      yield* writeName
      assert.deepStrictEqual(yield* sql("update pg_task set error = null"), ["UPDATE 1"])
      yield* run.line(/^Hello, Fixed World$/)
      yield* run.kill("SIGINT")
      assert.strictEqual(yield* run.exit, 0)
    }))

  it.live("goes on after a crash with the row it left, and stops when SQL says so", () =>
    Effect.gen(function*() {
      const { sql, tutorial, writeName } = inFolder(yield* copyProject)
      const crashed = yield* tutorial
      yield* crashed.line(/ try 1: Retry/)
      yield* crashed.kill("SIGKILL")
      yield* crashed.exit

      yield* writeName
      const run = yield* tutorial
      const port = portOf(yield* run.line("The database is at: psql "))
      yield* run.line("An earlier run left its greeter unfinished")
      yield* run.line(/^Hello, Fixed World$/)
      yield* run.line("The greeter is done, and its row is gone")
      assert.strictEqual(matching(run.lines(), /^Hello/).length, 1)

      yield* sql("select pg_notify('pg_task_changed', 'stop_worker')")
      assert.strictEqual(yield* run.exit, 0)
      yield* assertServerGone(port)
    }))
})
