/**
 * The documentation's modules do what they are shown for. Each is loaded, so that what it defines is made; the effects
 * that it exports are run, and its layers are built. What runs by itself is run as a process.
 */
import { NodeServices } from "@effect/platform-node"
import { afterAll, assert, beforeAll, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Schedule, Schema } from "effect"
import { HttpRouter } from "effect/http"
import { SqlClient } from "effect/sql/SqlClient"
import { rmSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Admin from "../../src/Admin.ts"
import * as Migrations from "../../src/Migrations.ts"
import * as NextStep from "../../src/NextStep.ts"
import * as Step from "../../src/Step.ts"
import * as Task from "../../src/Task.ts"
import type { TaskId } from "../../src/TaskId.ts"
import * as Worker from "../../src/Worker.ts"
import { client, makeDatabase } from "../support/database/Database.ts"
import * as Script from "../support/process/Script.ts"
import * as Snippets from "../support/docs/snippets.ts"

// The API reference shows what the comments show.
const pages = ["README.md", ...Snippets.filesIn("docs", ".md").filter((page) => !page.startsWith("docs/api/"))]
const snippets = [
  ...pages.flatMap(Snippets.inPage),
  ...Snippets.filesIn("src", ".ts").flatMap(Snippets.inComments)
]
let folder = ""

beforeAll(() => {
  folder = Snippets.write(snippets)
})

afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 }))

/** Neither a program, nor a list of compile errors, nor tests (which `testing/docs.test.ts` runs). */
const isModule = ({ file, text }: Snippets.Snippet) =>
  !file.endsWith(".test.ts") && !/\.run(Main|Fork|Promise)\(|@ts-expect-error/.test(text)

const id = "018f4e1e-5d0c-7000-8000-000000000000" as TaskId

const Idle = Schema.TaggedStruct("Idle", {})
const idler = Task.make("Idler", [Step.make(Idle, { handler: () => Effect.succeed(NextStep.none) })])

/** What handlers and probes ask for. */
const world = Layer.mergeAll(
  Worker.layer({ tasks: [idler] }),
  HttpRouter.layer,
  Layer.succeed(Step.Context, { id, task: "Greeter", step: "ReadName", attempt: 1, idempotencyKey: "key" })
)

/** An empty table, but for one parked task. */
const prepare = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* Migrations.run
  yield* sql`create table if not exists users (id int)`
  yield* sql`truncate pg_task`
  const row = { id, step: `{"Greeter":{"ReadName":{"filename":"name.txt"}}}`, error: "out of order" }
  yield* sql`insert into pg_task ${sql.insert(row)}`
})

/** Workers run until they are told to stop, and hear it only once they listen. */
const stopWorkers = Effect.flatMap(SqlClient, (sql) => sql`select pg_notify('pg_task_changed', 'stop_worker')`).pipe(
  Effect.repeat(Schedule.spaced("100 millis")),
  Effect.andThen(Effect.never)
)

const isArrow = (value: unknown): value is (id: string) => unknown =>
  typeof value === "function" && value.prototype === undefined

/** Runs what can be run. Functions are given the id of a task. */
const runExport = (value: unknown): Effect.Effect<unknown, unknown, unknown> => {
  if (isArrow(value)) return runExport(value(id))
  if (Layer.isLayer(value)) return Effect.scoped(Layer.build(value))
  return Effect.isEffect(value) && typeof value !== "function" ? value : Effect.void
}

const services = Layer.unwrap(Effect.map(makeDatabase, ({ url }) =>
  Layer.mergeAll(
    client(url),
    NodeServices.layer,
    ConfigProvider.layer(ConfigProvider.fromUnknown({ DATABASE_URL: url, TENANT_A_URL: url, TENANT_B_URL: url }))
  )))

layer(services, { excludeTestServices: true })("the documentation's modules", (it) => {
  it.effect.each(snippets.filter(isModule))("work: $file", ({ file, text }) =>
    Effect.gen(function*() {
      yield* prepare
      const exported = yield* Effect.promise(() => import(/* @vite-ignore */ join(folder, file)))
      const run = Effect.forEach(Object.values(exported), runExport).pipe(Effect.provide(world))
      yield* (text.includes("Worker.run(") ? Effect.raceFirst(run, stopWorkers) : run) as Effect.Effect<unknown>
    }))
})

layer(services, { excludeTestServices: true })("the documentation's programs", (it) => {
  /** Runs the one program of a source that has these words. */
  const run = Effect.fnUntraced(function*(source: string, words: string) {
    const found = snippets.filter((snippet) => snippet.source === source && snippet.text.includes(words))
    assert.lengthOf(found, 1, words)
    const { url } = yield* makeDatabase
    yield* Effect.provide(Migrations.run, client(url))
    const { file } = found[0]!
    const options = { cwd: join(folder, dirname(file)), env: { DATABASE_URL: url } }
    return { ...(yield* Script.run(join(folder, file), options)), url }
  })

  const workers = [
    { source: "README.md", words: `Task.make("Pinger"` },
    { source: "docs/getting-started.md", words: "// worker.ts" },
    { source: "docs/telemetry.md", words: "// worker.ts" },
    { source: "docs/several-workers.md", words: "// workers.ts" }
  ]

  it.effect.each(workers)("work: a worker, in $source, until Ctrl-C", ({ source, words }) =>
    Effect.gen(function*() {
      const worker = yield* run(source, words)
      yield* worker.line("Worker started")
      yield* worker.kill("SIGINT")
      assert.strictEqual(yield* worker.exit, 130, worker.lines().join("\n"))
    }))

  it.effect.each(workers)(
    "work: a worker, in $source, whose process ends when it is told to stop",
    ({ source, words }) =>
      Effect.gen(function*() {
        const worker = yield* run(source, words)
        yield* worker.line("Worker started")
        // One that starts after the others were told would not hear it: so they are told until the process ends.
        const stopAll = Effect.repeat(Admin.stopWorkers(), Schedule.spaced("500 millis"))
        yield* Effect.raceFirst(worker.exit, Effect.andThen(Effect.provide(stopAll, client(worker.url)), Effect.never))
        assert.strictEqual(yield* worker.exit, 0, worker.lines().join("\n"))
      })
  )

  it.effect("work: a server for others, in EmbeddedPostgres", () =>
    Effect.gen(function*() {
      const server = yield* run("src/testing/EmbeddedPostgres.ts", "EmbeddedPostgres.start(")
      yield* server.line(/^psql 'postgres:\/\//)
    }))

  it.effect("work: a server for one query, in EmbeddedPostgres", () =>
    Effect.gen(function*() {
      const query = yield* run("src/testing/EmbeddedPostgres.ts", "EmbeddedPostgres.layer(")
      assert.strictEqual(yield* query.exit, 0, query.lines().join("\n"))
      assert.include(query.lines().join("\n"), "PostgreSQL")
    }))
})
