/** `pg-task` as its users run it: a process, with an environment, an exit code, and signals. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inject } from "vitest"
import { Migrations, NextStep } from "../../src/index.ts"
import { type Ended, module, runProcess } from "../support/cli/cli.ts"
import { client, makeDatabase } from "../support/database/Database.ts"
import { insertEach } from "../support/cli/Greeter.ts"
import { run as runScript } from "../support/process/Script.ts"
import { Job, jobs, makeGate, start } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { within } from "../support/worker/Wait.ts"

const bin = "src/cli/bin.ts"

type Services = Layer.Success<ReturnType<typeof client>> | Scope.Scope

/**
 * A test with a database of its own: `env` leads processes to it, and the test's own statements go there, too. What the
 * body starts ends before its client does: a client that closes waits for the connection of a worker that listens.
 */
const test = <E>(
  name: string,
  body: (env: { readonly DATABASE_URL: string }) => Effect.Effect<unknown, E, Services>
) =>
  it.live(name, () =>
    Effect.gen(function*() {
      const { url } = yield* makeDatabase
      yield* Effect.provide(Effect.scoped(body({ DATABASE_URL: url })), Layer.merge(client(url), Logger.layer([])))
    }))

/** A process that goes on until it is killed, at the latest when the scope closes. */
const watch = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.map(runScript(bin, { args: ["watch", ...args], env }), ({ exit, kill, line }) => ({
    kill,
    line: (part: string | RegExp) => within(line(part), `a line with ${part}`),
    exit: within(exit, "the end of pg-task watch")
  }))

/** That it said one line about what is wrong, without a stack. */
const assertRefused = (ended: Ended, code: number, message: string) => {
  assert.include(ended.err, message)
  assert.match(ended.err, /^pg-task: [^\n]+\n$/)
  assert.deepInclude(ended, { code, out: "" })
}

it.live("says what is wrong with a command line, in one line", () =>
  Effect.forEach(
    [
      [["lst"], "Unknown subcommand \"lst\" for \"pg-task\" Did you mean this? list"],
      [["list", "--status", "nope"], "Invalid value for flag --status: \"nope\""],
      [["watch", "--interval", "500"], "a duration with its unit, such as 500ms, 30s, 5m, 2h or 1d"],
      [["list", "--limit", "0"], "a number of 1 or more"],
      [["list", "--after", "x"], "the `next` of a page"],
      [["show"], "Missing required argument: id. See pg-task show --help"],
      [["list"], "Which database? Set DATABASE_URL, or give --url"],
      [["list", "--url", "mysql://a@b/c"], "must look like postgres://"]
    ] as const,
    ([args, message]) => Effect.map(runProcess(args), (ended) => assertRefused(ended, 2, message)),
    {
      concurrency: 2
    }
  ))

it.live("helps", () =>
  Effect.gen(function*() {
    const [bare, help, version, completions] = yield* Effect.all([
      runProcess([]),
      runProcess(["retry", "--help"]),
      runProcess(["--version"]),
      runProcess(["--completions", "bash"])
    ], { concurrency: 2 })
    assert.include(bare.out, "run-now")
    assert.include(help.out, "pg-task retry --task Greeter")
    assert.match(version.out, /^pg-task v\d+\.\d+\.\d+\n$/)
    assert.include(completions.out, "complete ")
    for (const ended of [bare, help, version, completions]) assert.deepInclude(ended, { code: 0, err: "" })
  }))

/** A server that takes connections, and never answers. */
const silentServer = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer(() => {})
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
)

it.live("says why it can't reach the database, and doesn't wait for it", () =>
  Effect.gen(function*() {
    const { port } = (yield* silentServer).address() as AddressInfo
    const missing = new URL(inject("databaseUrl"))
    missing.pathname = "/no_such_database"
    const [closed, silent, absent, json] = yield* Effect.all([
      runProcess(["list", "--url", "postgres://a@127.0.0.1:1/x"]),
      runProcess(["list", "--url", `postgres://a@127.0.0.1:${port}/x`]),
      runProcess(["list"], { env: { DATABASE_URL: missing.href } }),
      runProcess(["list", "--json=true", "--url", "postgres://a@127.0.0.1:1/x"])
    ], { concurrency: 2 })
    assertRefused(closed, 3, "Can't reach the database: connect ECONNREFUSED 127.0.0.1:1")
    assertRefused(silent, 3, "Can't reach the database")
    assertRefused(absent, 3, "create the database, or check its name")
    assert.include(JSON.parse(json.err).error.message, "Can't reach the database")
    // No half of a document.
    assert.strictEqual(json.out, "")
  }))

test("makes the table, and says so when it is missing", (env) =>
  Effect.gen(function*() {
    assertRefused(yield* runProcess(["stats"], { env }), 3, "make it with `pg-task migrate`")
    const npx = { ...env, npm_command: "exec" }
    const [hinted, helped, misspelt] = yield* Effect.all([
      runProcess(["stats"], { env: npx }),
      runProcess(["retry", "--help"], { env: npx }),
      runProcess(["show"], { env: npx })
    ], { concurrency: 2 })
    assertRefused(hinted, 3, "make it with `npx effect-pg-task migrate`")
    assert.match(helped.out, /^ {2}npx effect-pg-task retry --task Greeter/m)
    assert.notMatch(helped.out, /^ *pg-task/m)
    assertRefused(misspelt, 2, "See npx effect-pg-task show --help")
    yield* run("create view pg_task as select 1 as id")
    assertRefused(yield* runProcess(["migrate"], { env }), 3, "Migration \"1_table\" failed: ")
    yield* run("drop view pg_task")
    const made = yield* runProcess(["migrate"], { env })
    assert.match(made.out, /: applied \d+ migrations \(table, triggers, foundation, .*\)\n$/)
    const [again, printed] = yield* Effect.all([
      runProcess(["migrate", "--json"], { env }),
      runProcess(["migrate", "--print"])
    ], { concurrency: 2 })
    assert.deepStrictEqual(JSON.parse(again.out), { applied: [] })
    assert.strictEqual(printed.out, Migrations.script)
  }))

test("ends quietly when nobody reads on, and although a module keeps the process alive", (env) =>
  Effect.gen(function*() {
    yield* Migrations.run
    yield* run("insert into pg_task (step) select '{\"Many\":{\"One\":{}}}' from generate_series(1, 3000)")
    const command = [process.execPath, "--import", import.meta.resolve("tsx"), bin, "list", "--all"].join(" ")
    const piped = yield* Effect.callback<string>((resume) => {
      const child = execFile(
        "sh",
        ["-c", `${command} | head -n 1`],
        { env: { ...process.env, ...env }, timeout: 240_000 },
        (_, out, err) => resume(Effect.succeed(out + err))
      )
      return Effect.sync(() => child.kill())
    })
    assert.match(piped, /^ID +TASK[^\n]+\n$/)
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "pg-task-test-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
    writeFileSync(join(folder, "busy.mjs"), "setInterval(() => {}, 1000)\nexport const task = 1\n")
    const busy = yield* runProcess(["diagram", "-m", "busy.mjs"], { cwd: folder })
    assertRefused(busy, 1, "exports no task")
    const drawn = yield* runProcess(["diagram", "-m", module, "--live"], { env })
    assert.match(drawn.out, /^---\ntitle: "?Greeter/)
  }))

test("reads no more of long texts than it shows", (env) =>
  Effect.gen(function*() {
    yield* Migrations.run
    // Measured as a whole, or looked at again from each of its spaces, such a text took many minutes.
    yield* run(
      `insert into pg_task (step, error) values ('{"Long":{"Parked":{}}}', repeat('é ', 2500000)),
        ('{"Long":{"Ready":{"text":"' || repeat(' ', 2000000) || '"}}}', null)`
    )
    for (const columns of ["90", "5000", ""]) {
      const { code, err, out } = yield* runProcess(["list"], { env: { ...env, COLUMNS: columns } })
      assert.deepInclude({ code, err }, { code: 0, err: "" })
      assert.match(out, columns === "" ? / (é ){1000}/ : / é é ?…\n/)
    }
  }))

test("ends when it is told to, although the database doesn't answer", ({ DATABASE_URL }) =>
  Effect.gen(function*() {
    yield* Migrations.run
    const network = yield* makeNetwork(DATABASE_URL)
    yield* network.mend
    const sent = yield* network.loseAnswer("pg_task")
    const listing = yield* runScript(bin, { args: ["list", "--url", network.url] })
    yield* sent
    yield* listing.kill("SIGTERM")
    assert.strictEqual(yield* within(listing.exit, "the end"), 130)
  }))

test("stops workers, or says that they don't", (env) =>
  Effect.gen(function*() {
    yield* Migrations.run
    const worker = yield* start({ tasks: [jobs(() => Effect.succeed(NextStep.none))] })
    const stopped = yield* runProcess(["stop", "--yes"], { env })
    assert.deepInclude(stopped, { out: "All workers have stopped\n", code: 0 })
    yield* within(worker.stopped, "the worker's end")
    yield* insertEach
    const [late, asked] = yield* Effect.all([
      runProcess(["stop", "--yes", "--timeout", "500ms", "--json"], { env }),
      runProcess(["stop"], { env })
    ], { concurrency: 2 })
    assert.strictEqual(late.code, 1)
    assert.match(JSON.parse(late.err).error.message, /^1 step still runs after 500ms/)
    assertRefused(asked, 2, "Stop all workers (1 task running)? Nobody can be asked here: give --yes")
  }))

test("watches one task to its end", (env) =>
  Effect.gen(function*() {
    yield* Migrations.run
    const gate = yield* makeGate
    const task = jobs(({ name }) => name === "bad" ? Effect.fail("broken") : Effect.as(gate.enter(name), NextStep.none))
    yield* start({ tasks: [task] })
    const good = yield* task.enqueue(new Job({ name: "good" }))
    yield* gate.next
    const watching = yield* watch([good.slice(0, 8), "--interval", "50ms"], env)
    yield* watching.line(/running +Jobs\.Job {2}lease ends in/)
    yield* gate.open
    yield* watching.line(`${good} is gone: it has finished, or was cancelled`)
    assert.strictEqual(yield* watching.exit, 0)
    const bad = yield* task.enqueue(new Job({ name: "bad" }))
    const parked = yield* runProcess(["watch", bad], { env })
    assert.match(parked.out, /parked +Jobs\.Job {2}broken/)
    assert.deepInclude(parked, { code: 1, err: `pg-task: ${bad} is parked: pg-task show ${bad.slice(0, 8)}\n` })
  }))

test("watches all of them until it is interrupted, whatever the database does", (env) =>
  Effect.gen(function*() {
    yield* Migrations.run
    yield* insertEach
    const watching = yield* watch(["--interval", "50ms"], env)
    yield* watching.line(/Greeter +ReadName +1/)
    yield* watching.line(/Greeter +ReadName +2h(\d+m)? +3 +HttpError/)
    const byError = yield* watch(["--by", "error"], env)
    yield* byError.line(/^ *1 +Greeter +ReadName +2h(\d+m)? +2h(\d+m)? +HttpError: 100% of it$/)
    const jsonByError = yield* watch(["--by", "error", "--json"], env)
    const { errors } = JSON.parse(yield* jsonByError.line("counts"))
    assert.deepInclude(errors[0], { count: 1, error: "HttpError: 100% of it" })
    yield* run("alter table pg_task rename to pg_task_away")
    yield* watching.line("This database has no table pg_task")
    yield* run("alter table pg_task_away rename to pg_task")
    yield* run("delete from pg_task")
    yield* watching.line("No tasks")
    yield* watching.kill("SIGINT")
    assert.strictEqual(yield* watching.exit, 130)
    const json = yield* watch(["--json"], env)
    assert.deepInclude(JSON.parse(yield* json.line("counts")), { counts: [], parked: [] })
    yield* run("alter table pg_task rename to pg_task_away")
    assert.include(JSON.parse(yield* json.line("error")).error.message, "This database has no table pg_task")
    yield* run("alter table pg_task_away rename to pg_task")
  }))
