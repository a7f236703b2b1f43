import { assert } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import * as Script from "../../support/process/Script.ts"
import { type Chore, chore, createTraces, makeChores, nextRound, type Trace } from "../../support/worker/Chores.ts"
import { makeGate, start, workerTests } from "../../support/worker/Fixture.ts"
import type { Arguments } from "../../support/worker/scripts/runChores.ts"
import { empty, gone, listening, parked, row, rows, rowWhere, run, stopAll } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

/** Starts a worker process, and waits until it works. */
const startProcess = (args: Arguments) =>
  Effect.gen(function*() {
    const { config } = yield* PgClient.PgClient
    const script = yield* Script.run("test/support/worker/scripts/runChores.ts", {
      args: [JSON.stringify(args)],
      env: { DATABASE_URL: Redacted.value(config.url!) }
    })
    yield* within(script.line("Worker started"), "the worker process")
    return script
  })

const traces = run<Trace>("select * from trace order by at")

/** Empties the traces of the test before. */
const prepare = Effect.andThen(run(createTraces), run("truncate trace"))

const Chores = makeChores("test", (the: Chore) => Effect.succeed(nextRound(the)))

workerTests("a worker process that is killed", (test) => {
  test(
    "in the middle of a step: another takes over once the lease is over, and the try doesn't count",
    Effect.gen(function*() {
      yield* prepare
      const gate = yield* makeGate
      const process = yield* startProcess({ name: "killed", options: { lease: "2 seconds" } })
      const id = yield* Chores.enqueue(chore("endless", "a"))
      yield* process.line("started a.")
      yield* run("update pg_task set tried = 3")
      yield* process.kill("SIGKILL")
      assert.strictEqual(yield* process.exit, "SIGKILL")
      const left = (yield* row(id))!
      assert.deepInclude(left, { status: "running", crashes: 0 })
      const Mine = makeChores("heir", ({ name }) => Effect.as(gate.enter(name), nextRound(chore("quick", name))))
      yield* start({ tasks: [Mine], lease: "2 seconds" })
      yield* gate.next
      assert.deepInclude(yield* row(id), { status: "running", tried: 3, crashes: 1, transitions: 0 })
      const [first, second, ...more] = yield* traces
      assert.deepStrictEqual(more, [])
      assert.deepInclude(first, { worker: "killed", attempt: 1 })
      assert.deepInclude(second, { worker: "heir", attempt: 4, key: first!.key })
      assert.isAtLeast(second!.at, left.leaseUntil!)
      yield* gate.open
      yield* gone(id)
    })
  )

  test(
    "with its hands full, again and again: nothing is lost, and nothing is parked",
    Effect.gen(function*() {
      yield* prepare
      const names = Array.from({ length: 120 }, (_, n) => `chore ${n}`)
      yield* Chores.enqueueAll(names.map((name, n) => chore(n % 6 === 0 ? "slow" : "quick", name, 1 + (n % 3))))
      for (const name of ["first", "second"]) {
        const process = yield* startProcess({ name, options: { lease: "5 seconds", concurrency: 4 } })
        yield* process.line("ended")
        yield* process.kill("SIGKILL")
        yield* process.exit
      }
      yield* start({ tasks: [Chores], lease: "5 seconds" })
      yield* empty
      const done = new Set((yield* traces).filter(({ round }) => round === 1).map(({ name }) => name))
      assert.deepStrictEqual([...done].sort(), names.sort())
      assert.isTrue((yield* traces).every(({ attempt }) => attempt === 1))
    })
  )

  test(
    "by a step, three times in a row: that step is parked, and its neighbours are not",
    Effect.gen(function*() {
      yield* prepare
      const neighbours = Array.from({ length: 20 }, (_, n) => chore("slow", `neighbour ${n}`))
      const ids = yield* Chores.enqueueAll([
        ...neighbours.slice(0, 3),
        chore("poison", "poison"),
        ...neighbours.slice(3)
      ])
      const poison = ids[3]!
      let processes = 0
      while ((yield* row(poison))!.status !== "parked") {
        processes++
        const process = yield* startProcess({
          name: `${processes}`,
          options: { lease: "5 seconds", concurrency: 4 },
          // The next ones run it alone.
          hasNeighbours: processes === 1
        })
        yield* Effect.raceFirst(process.exit, parked(poison))
      }
      const left = yield* parked(poison)
      assert.deepInclude(left, { tried: 0, crashes: 3, token: null })
      assert.match(left.error!, /^The worker crashed 3 times in a row while it ran this step/)
      assert.isTrue((yield* rows).every(({ error, id }) => error === null || id === poison))
      yield* start({ tasks: [Chores], lease: "5 seconds" })
      for (const id of ids) if (id !== poison) yield* gone(id)
      const died = (yield* traces).filter(({ name }) => name === "poison")
      assert.deepStrictEqual(died.map(({ worker }) => worker), ["1", "2", "3"])
      // They did run beside it.
      const beside = (yield* traces).filter(({ name, worker }) => name !== "poison" && worker === "1")
      assert.isAtLeast(beside.length, 2)
    })
  )
})

workerTests("a worker process that is frozen", (test) => {
  test(
    "for longer than its lease: its late result changes nothing, and what it still runs is interrupted",
    Effect.gen(function*() {
      yield* prepare
      const gate = yield* makeGate
      const process = yield* startProcess({ name: "frozen", options: { lease: "5 seconds" } })
      const stuck = yield* Chores.enqueue(chore("endless", "stuck"))
      yield* process.line("started stuck.")
      const late = yield* Chores.enqueue(chore("frozen", "late"))
      yield* process.line("started late.")
      yield* process.kill("SIGSTOP")
      const Mine = makeChores("heir", ({ name }) => Effect.as(gate.enter(name), nextRound(chore("quick", name))))
      // Longer than this process may be starved.
      yield* start({ tasks: [Mine], lease: "6 seconds" })
      assert.deepStrictEqual([yield* gate.next, yield* gate.next].sort(), ["late", "stuck"])
      const before = [yield* row(late), yield* row(stuck)]
      yield* process.kill("SIGCONT")
      yield* process.line("ended late.")
      yield* process.line("interrupted stuck.")
      yield* process.line(/Lease lost/)
      for (const { id, step, token } of before.map((found) => found!)) {
        assert.deepInclude(yield* row(id), { status: "running", step, token, tried: 0, transitions: 0, error: null })
      }
      yield* gate.open
      yield* empty
      const made = (yield* traces).map(({ name, worker }) => `${worker}: ${name}`).sort()
      assert.deepStrictEqual(made, ["frozen: late", "frozen: stuck", "heir: late", "heir: stuck"])
    })
  )
})

workerTests("a worker process that was frozen", (test) => {
  test(
    "begins nothing of what it had buffered when its leases were over",
    Effect.gen(function*() {
      yield* prepare
      const process = yield* startProcess({ name: "frozen", options: { lease: "2 seconds", concurrency: 1 } })
      // From the first ones it learns that its buffer runs empty too soon. So it has some of the last ones when it freezes.
      yield* Chores.enqueueAll([
        ...Array.from({ length: 200 }, (_, n) => chore("quick", `before ${n}`)),
        chore("frozen", "running"),
        ...Array.from({ length: 50 }, (_, n) => chore("slow", `after ${n}`))
      ])
      yield* process.line("started running.")
      // Another worker takes what the process has when its leases are over.
      const found = yield* run<{ name: string }>(
        `update pg_task set lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour'
        where is_running returning step::json -> 'Chores' -> 'Chore' ->> 'name' as name`
      )
      const stolen = found.map(({ name }) => name)
      const buffered = stolen.filter((name) => name.startsWith("after"))
      assert.include(stolen, "running")
      assert.isAbove(buffered.length, 0)
      yield* process.line("ended running.")
      yield* process.line(/Lease lost/)
      yield* process.kill("SIGTERM")
      yield* within(process.exit, "the end of the process")
      const begun = (yield* traces).map(({ name }) => name)
      assert.include(begun, "running")
      assert.deepStrictEqual(buffered.filter((name) => begun.includes(name)), [])
    })
  )
})

workerTests("worker processes", (test) => {
  test(
    "share the work, each step once, until `stop_worker` ends them all",
    Effect.gen(function*() {
      yield* prepare
      const options = { concurrency: 3 }
      const [one, two] = yield* Effect.all([
        startProcess({ name: "one", options }),
        startProcess({ name: "two", options })
      ], {
        concurrency: 2
      })
      const names = Array.from({ length: 100 }, (_, n) => `chore ${n}`)
      yield* Chores.enqueueAll(names.map((name, n) => chore(n < 6 ? "slow" : "quick", name, 3)))
      yield* empty
      const keys = (yield* traces).map(({ key }) => key)
      assert.strictEqual(keys.length, 300)
      assert.strictEqual(new Set(keys).size, 300)
      assert.strictEqual(new Set((yield* traces).map(({ worker }) => worker)).size, 2)
      yield* listening(2)
      yield* stopAll
      assert.deepStrictEqual(yield* within(Effect.all([one.exit, two.exit]), "their end"), [0, 0])
      yield* one.line("the end")
      yield* two.line("the end")
    })
  )

  test(
    "with a wrong clock neither steal, nor wait, nor hurry",
    Effect.gen(function*() {
      yield* prepare
      const gate = yield* makeGate
      const Mine = makeChores("test", ({ name }) => Effect.as(gate.enter(name), nextRound(chore("quick", name))))
      yield* start({ tasks: [Mine], concurrency: 1, bufferSize: 0 })
      const held = yield* Chores.enqueue(chore("quick", "held"))
      yield* gate.next
      yield* startProcess({ name: "ahead", clockOffset: 3_600_000, options: { lease: "2 seconds" } })
      const later = yield* Chores.delay(chore("quick", "later"), "30 minutes")
      yield* gone(yield* Chores.enqueue(chore("quick", "now", 3)))
      yield* gone(yield* Chores.delay(chore("slow", "soon"), "300 millis"))
      const running = yield* Chores.enqueue(chore("endless", "running"))
      const { leaseIn } = yield* rowWhere(running, ({ status }) => status === "running")
      assert.isAtMost(leaseIn!, 2000)
      assert.deepInclude(yield* row(held), { status: "running", crashes: 0 })
      assert.deepInclude(yield* row(later), { status: "scheduled", transitions: 0 })
      const mine = (yield* traces).filter(({ worker }) => worker === "test")
      assert.deepStrictEqual(mine.map(({ name }) => name), ["held"])
      yield* gate.open
    })
  )

  test(
    "that get SIGTERM let steps end that do in time, give up the others, and hand everything on",
    Effect.gen(function*() {
      yield* prepare
      const process = yield* startProcess({
        name: "stopped",
        options: { concurrency: 2, shutdownTimeout: "2 seconds" }
      })
      const ids = yield* Chores.enqueueAll([
        chore("until SIGTERM", "in time", 2),
        chore("endless", "endless"),
        chore("quick", "buffered 1"),
        chore("quick", "buffered 2")
      ])
      yield* process.line("started in time.")
      yield* process.line("started endless.")
      yield* process.kill("SIGTERM")
      yield* within(process.exit, "the end of the process")
      yield* process.line("ended in time.")
      yield* process.line("interrupted endless.")
      yield* process.line("Worker stopped")
      const [inTime, endless, ...buffered] = yield* Effect.forEach(ids, row)
      assert.deepInclude(inTime, { status: "ready", transitions: 1, tried: 0, crashes: 0, token: null })
      for (const found of [endless, ...buffered]) {
        assert.deepInclude(found, { status: "ready", transitions: 0, tried: 0, crashes: 0, token: null })
      }
      yield* start({ tasks: [Chores] })
      yield* empty
      assert.isTrue((yield* traces).every(({ attempt }) => attempt === 1))
    })
  )
})
