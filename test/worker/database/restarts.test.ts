import { assert } from "@effect/vitest"
import { Effect, Schema, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { Migrations, NextStep, Step, Task } from "../../../src/index.ts"
import * as EmbeddedPostgres from "../../../src/testing/EmbeddedPostgres.ts"
import { client } from "../../support/database/Database.ts"
import { chains } from "../../support/worker/Chains.ts"
import { Job, jobs, makeGate, startWith, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { empty, gone, type Row, rows, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

type Restart = Effect.Effect<void, EmbeddedPostgres.EmbeddedPostgresError>

/** Leases that ended while nobody could renew them: nobody takes their tasks until their workers had the time to. */
const leasesAreKept = (url: string, restart: Restart) =>
  Effect.gen(function*() {
    const gate = yield* makeGate
    const Held = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
    const ran: Array<string> = []
    const Others = jobs(({ name }) => Effect.sync(() => (ran.push(name), NextStep.none)))
    const logs = Logs.capture()
    const network = yield* makeNetwork(url)
    yield* network.mend
    const options = { lease: "15 seconds", pollInterval: "100 millis" } as const
    const ids = yield* Held.enqueueAll(["a", "b", "c"].map((name) => new Job({ name })))
    yield* Effect.provide(startWith(network.url, { tasks: [Held], ...options }), logs.layer)
    for (const _ of ids) yield* gate.next
    yield* network.cut
    yield* run("update pg_task set lease_until = now() - interval '1 minute'")
    const held = yield* rows
    yield* restart
    // Looks for lapsed leases first of all.
    yield* startWith(url, { tasks: [Others], ...options })
    yield* gone(yield* Others.enqueue(new Job({ name: "new" })))
    assert.deepStrictEqual((yield* rows).map(identity), held.map(identity))
    yield* network.mend
    for (const id of ids) yield* rowWhere(id, ({ leaseIn }) => leaseIn! > 0)
    yield* gate.open
    yield* empty
    assert.deepStrictEqual(ran, ["new"])
    assert.deepStrictEqual(logs.find("Lease lost"), [])
  })

const identity = ({ crashes, id, status, token, tried }: Row) => ({ crashes, id, status, token, tried })

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

/** Claims whose commit did not wait for the disk, all the time, and crashes in the middle of them. */
const doneOnce = (url: string, restart: Restart) =>
  Effect.gen(function*() {
    const names = Array.from({ length: 2000 }, (_, n) => `job ${n}`)
    yield* run("create table done (name text)")
    const handler = ({ name }: Job) =>
      Effect.succeed(NextStep.noneWith({ commit: run("insert into done values ($1)", [name]) }))
    const Jobs = Task.make("Jobs", [Step.make(Job, { next: [], handler })])
    yield* Jobs.enqueueAll(names.map((name) => new Job({ name })))
    yield* startWith(url, { tasks: [Jobs], bufferSize: 20 })
    const left = Effect.orElseSucceed(run<{ n: number }>("select count(*)::int as n from pg_task"), () => [])
    for (const most of [1600, 800]) {
      yield* eventually(left, ([found]) => found !== undefined && found.n < most)
      yield* restart
    }
    yield* eventually(left, ([found]) => found?.n === 0)
    const done = yield* run<{ name: string }>("select name from done")
    assert.deepStrictEqual(done.map(({ name }) => name).sort(), names.sort())
  })

/**
 * Stops the process that writes what commits did not wait for. The table is analyzed and vacuumed by nobody, because
 * each commit that waits for the disk takes all earlier ones along. A page of the table that is written does so, too: so
 * the process that writes pages writes none.
 */
const freezeWalWriter = Effect.gen(function*() {
  yield* run("alter system set autovacuum = off")
  yield* run("alter system set bgwriter_lru_maxpages = 0")
  yield* run("select pg_reload_conf()")
  const walWriter = run<{ event: string; pid: number }>(
    "select pid, wait_event as event from pg_stat_activity where backend_type = 'walwriter'"
  )
  const pid = (yield* walWriter)[0]!.pid
  // While it writes, it has a lock that each commit needs: it is let go then, and stopped again.
  const stop = Effect.andThen(
    Effect.sync(() => (process.kill(pid, "SIGCONT"), process.kill(pid, "SIGSTOP"))),
    walWriter
  )
  yield* eventually(stop, ([found]) => found?.event === "WalWriterMain")
})

/** The commit of a claim doesn't wait for the disk: here the disk doesn't have it when the server crashes. */
const claimsAreForgotten = (url: string, restart: Restart) =>
  Effect.gen(function*() {
    yield* freezeWalWriter
    yield* run("create table done (name text)")
    const gate = yield* makeGate
    let begun = 0
    const count = Effect.sync(() => begun++)
    const handler = ({ name }: Job) =>
      Effect.andThen(
        count,
        Effect.as(gate.enter(name), NextStep.noneWith({ commit: run("insert into done values ($1)", [name]) }))
      )
    const Counted = Task.make("Jobs", [Step.make(Job, { next: [], handler })])
    const names = Array.from({ length: 20 }, (_, n) => `job ${n}`)
    yield* Counted.enqueueAll(names.map((name) => new Job({ name })))
    yield* startWith(url, { tasks: [Counted], concurrency: 20 })
    for (const _ of names) yield* gate.next
    yield* restart
    yield* eventually(Effect.sync(() => begun), (times) => times === 2 * names.length)
    assert.deepStrictEqual((yield* rows).map(({ crashes, tried }) => [crashes, tried]), names.map(() => [0, 0]))
    yield* gate.open
    yield* empty
    const done = yield* run<{ name: string }>("select name from done")
    assert.deepStrictEqual(done.map(({ name }) => name).sort(), [...names].sort())
  })

const step = { name: Schema.String, gate: Schema.Literals(["first", "second", "late"]) }

class Fast extends Schema.TaggedClass<Fast>()("Fast", { ...step, next: Schema.Literals(["Fast", "Safe", "none"]) }) {}
class Safe extends Schema.TaggedClass<Safe>()("Safe", step) {}

/** Fast steps, whose moves need not be on the disk, and safe ones. Each ends once its gate is open. */
const fastTask = Effect.gen(function*() {
  const ran: Array<string> = []
  const gates = { first: yield* makeGate, second: yield* makeGate, late: yield* makeGate }
  const pass = (gate: keyof typeof gates, name: string) =>
    Effect.andThen(Effect.sync(() => ran.push(name)), gates[gate].enter(name))
  const Fasts = Task.make("Fasts", [
    Step.make(Fast, {
      next: [Fast, Safe],
      asyncCommit: true,
      handler: ({ gate, name, next }) =>
        Effect.as(
          pass(gate, name),
          next === "Safe"
            ? NextStep.now(new Safe({ name: `${name} 2`, gate: "late" }))
            : next === "Fast"
            ? NextStep.now(new Fast({ name: `${name} 2`, gate: "late", next: "none" }))
            : NextStep.none
        )
    }),
    Step.make(Safe, { handler: ({ gate, name }) => Effect.as(pass(gate, name), NextStep.none) })
  ])
  return { Fasts, gates, ran }
})

/**
 * The moves of steps with `asyncCommit` don't wait for the disk: here it has their claims, and not their moves. But it
 * has the move to a step without this option.
 */
const movesAreForgotten = (url: string, restart: Restart) =>
  Effect.gen(function*() {
    yield* freezeWalWriter
    const { Fasts, gates, ran } = yield* fastTask
    const safe = yield* Fasts.enqueue(new Fast({ name: "safe", gate: "first", next: "Safe" }))
    const chain = yield* Fasts.enqueue(new Fast({ name: "chain", gate: "second", next: "Fast" }))
    const end = yield* Fasts.enqueue(new Fast({ name: "end", gate: "second", next: "none" }))
    // The lease is so long that nobody rescues "end" before the test has seen its row.
    yield* startWith(url, { tasks: [Fasts], lease: "5 seconds", pollInterval: "1 hour" })
    yield* gates.first.next
    for (const _ of [chain, end]) yield* gates.second.next
    yield* gates.first.open
    yield* rowWhere(safe, ({ transitions }) => transitions === 1)
    yield* gates.second.open
    yield* rowWhere(chain, ({ transitions }) => transitions === 1)
    yield* gone(end)
    yield* restart
    const after = Effect.orElseSucceed(rows, () => [])
    const [first, second, third] = yield* eventually(after, (found) => found.length > 0)
    assert.deepInclude(first, { id: safe, transitions: 1 })
    assert.deepInclude(second, { id: chain, transitions: 0, status: "running" })
    assert.deepInclude(third, { id: end, transitions: 0, status: "running" })
    yield* gates.late.open
    yield* empty
    assert.deepStrictEqual(ran.sort(), ["chain", "chain", "chain 2", "chain 2", "end", "end", "safe", "safe 2"])
  })

workerTests("when the server restarts", (test) => {
  const onServer = (
    mode: "fast" | "immediate",
    body: (url: string, restart: Restart) => Effect.Effect<void, unknown, SqlClient.SqlClient | Scope.Scope>
  ) =>
    Effect.gen(function*() {
      const { restart, url } = yield* EmbeddedPostgres.start()
      yield* Effect.provide(Effect.andThen(Migrations.run, body(url, restart(mode))), client(url))
    })

  test("no live worker loses its tasks", onServer("immediate", leasesAreKept))
  test("the work under way goes on, none of it twice", onServer("fast", chainsGoOn))
  test("so it does after a crash", onServer("immediate", chainsGoOn))
  test("many tasks are done once each, whatever claims two crashes undo", onServer("immediate", doneOnce))
  test(
    "a claim that a crash has undone is made again, and its step is done once",
    onServer("immediate", claimsAreForgotten)
  )
  test(
    "moves with `asyncCommit` that a crash has undone are made again, and no step without it runs twice",
    onServer("immediate", movesAreForgotten)
  )
})
