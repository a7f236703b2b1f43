/** Workers of several schemas in one database: all share a channel. */
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Redacted } from "effect"
import { Admin, Migrations, NextStep, Worker } from "../../../src/index.ts"
import { makeDatabase } from "../../support/database/Database.ts"
import { Job, jobs } from "../../support/worker/Fixture.ts"
import { gone, run, stopAll } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

const Jobs = jobs(() => Effect.succeed(NextStep.none))

/** A worker in a schema of its own, with a client that looks there. */
const inSchema = (url: string, schema: string) =>
  Effect.gen(function*() {
    const searchPath = `"${schema.replaceAll("\"", "\"\"")}"`
    const client = yield* Layer.build(
      PgClient.layer({ url: Redacted.make(url), startupParameters: { search_path: searchPath } })
    )
    const provide = Effect.provide(client)
    yield* provide(Effect.andThen(run(`create schema ${searchPath}`), Migrations.run))
    const worker = Context.get(yield* provide(Layer.build(Worker.layer({ tasks: [Jobs] }))), Worker.Worker)
    return { worker, provide, works: provide(Effect.flatMap(Jobs.enqueue(new Job({ name: "a" })), gone)) }
  })

it.live("`stop` stops the workers of its schema, and the bare `stop_worker` those of all", () =>
  Effect.gen(function*() {
    const { url } = yield* makeDatabase
    const one = yield* inSchema(url, "jobs")
    const two = yield* inSchema(url, `Jobs of "two"`)
    const three = yield* inSchema(url, "jobs2")
    yield* two.provide(Admin.stopWorkers())
    yield* within(two.worker.stopped, "the end of the second")
    // Each listens on a connection of its own, so another notification, and a task, show that it has read the first.
    yield* one.works
    yield* three.works
    assert.isTrue((yield* one.worker.health).alive)
    assert.isTrue((yield* three.worker.health).alive)
    yield* two.provide(run("select pg_notify('pg_task_changed', 'stop_worker jobs2')"))
    yield* within(three.worker.stopped, "the end of the third")
    yield* one.works
    assert.isTrue((yield* one.worker.health).alive)
    yield* two.provide(stopAll)
    yield* within(one.worker.stopped, "the end of the first")
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))))
