import { assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { Migrations, NextStep } from "../../src/index.ts"
import * as EmbeddedPostgres from "../../src/testing/EmbeddedPostgres.ts"
import { client } from "../support/Database.ts"
import { chains } from "../support/worker/Chains.ts"
import { Job, jobs, makeGate, startWith, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { empty, row, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

type Restart = Effect.Effect<void, EmbeddedPostgres.EmbeddedPostgresError>

/** Waits until the server has been up for so long. */
const upFor = (seconds: number) => {
  const since = run<{ seconds: number }>(
    "select extract(epoch from now() - pg_postmaster_start_time())::float8 as seconds"
  )
  return eventually(Effect.orElseSucceed(since, () => []), (found) => (found[0]?.seconds ?? 0) > seconds)
}

const leasesAreKept = (url: string, restart: Restart) =>
  Effect.gen(function*() {
    const gate = yield* makeGate
    const Held = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
    const logs = Logs.capture()
    // The lease is over before anybody can renew it; and a second worker stands by to take what has lapsed.
    const options = { tasks: [Held], lease: "500 millis", pollInterval: "200 millis" } as const
    const held = yield* Held.enqueueAll(["a", "b", "c"].map((name) => new Job({ name })))
    yield* Effect.provide(startWith(url, options), logs.layer)
    for (const _ of held) yield* gate.next
    yield* startWith(url, options)
    yield* restart
    yield* upFor(1.5)
    for (const id of held) {
      assert.deepInclude(yield* row(id), { status: "running", tried: 0, deaths: 0, transitions: 0 })
    }
    assert.strictEqual(yield* gate.unseen, 0)
    assert.deepStrictEqual(logs.find("Lease lost"), [])
    yield* gate.open
    yield* empty
  })

const chainsGoOn = (url: string, restart: Restart) =>
  Effect.gen(function*() {
    const { Chains, enqueue, ran } = chains(300)
    yield* startWith(url, { tasks: [Chains] })
    yield* enqueue(10)
    yield* eventually(Effect.sync(() => ran.size), (size) => size > 500)
    yield* restart
    const left = run<{ n: number }>("select count(*)::int as n from pg_task")
    yield* eventually(Effect.orElseSucceed(left, () => []), ([found]) => found?.n === 0)
    assert.strictEqual(ran.size, 3000)
    // A crash loses nothing that was stored; and what was stored is not done again.
    assert.deepStrictEqual([...ran].filter(([, times]) => times > 1), [])
  })

workerTests("when the server restarts", (test) => {
  for (const mode of ["fast", "immediate"] as const) {
    const onServer = (
      body: (url: string, restart: Restart) => Effect.Effect<void, unknown, SqlClient.SqlClient | Scope.Scope>
    ) =>
      Effect.gen(function*() {
        const { restart, url } = yield* EmbeddedPostgres.start()
        yield* Effect.provide(Effect.andThen(Migrations.run, body(url, restart(mode))), client(url))
      })
    test(`(${mode}) no live worker loses its tasks`, onServer(leasesAreKept), 120_000)
    test(`(${mode}) the work under way goes on, none of it twice`, onServer(chainsGoOn), 120_000)
  }
})
