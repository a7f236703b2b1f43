import { assert } from "@effect/vitest"
import { DateTime, Deferred, Effect, Latch, Queue } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { NextStep, Step } from "../../../src/index.ts"
import { Job, jobs, makeGate, start, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { empty, gone, orphan, row, rowWhere, run, steal } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

const none = Effect.succeed(NextStep.none)

workerTests("leases", (test) => {
  test(
    "begin with the claim, and are renewed for as long as the step runs",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      yield* start({ tasks: [Jobs], lease: "6 seconds" })
      const id = yield* Jobs.enqueue(new Job({ name: "long" }))
      yield* gate.next
      let last = yield* rowWhere(id, ({ status }) => status === "running")
      const token = last.token
      assert.isNotNull(token)
      for (let renewals = 0; renewals < 2; renewals++) {
        assert.isAbove(last.leaseIn!, 0)
        assert.isAtMost(last.leaseIn!, 6000)
        const { leaseUntil } = last
        last = yield* rowWhere(id, (found) => found.leaseUntil! > leaseUntil!)
      }
      assert.deepInclude(last, { status: "running", token, tried: 0, crashes: 0 })
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* gone(id)
    })
  )

  test(
    "keep a second worker, started while the first is busy, from what the first runs",
    Effect.gen(function*() {
      const first = yield* makeGate
      const second = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(first.enter(name), NextStep.none))
      const same = jobs(({ name }) => Effect.as(second.enter(name), NextStep.none))
      yield* start({ tasks: [Jobs], lease: "4 seconds", concurrency: 3, bufferSize: 0 })
      const ids = yield* Jobs.enqueueAll(["a", "b", "c"].map((name) => new Job({ name })))
      for (const _ of ids) yield* first.next
      const before = yield* rowWhere(ids[0]!, () => true)
      yield* start({ tasks: [same], lease: "4 seconds" })
      const fourth = yield* same.enqueue(new Job({ name: "d" }))
      assert.strictEqual(yield* second.next, "d")
      // The second worker has had every chance: two leases long.
      yield* rowWhere(ids[0]!, ({ leaseUntil }) => leaseUntil! > before.leaseUntil! + 8000)
      for (const id of ids) {
        assert.deepInclude(yield* row(id), { status: "running", tried: 0, crashes: 0, transitions: 0 })
      }
      assert.strictEqual(yield* second.unseen, 0)
      yield* first.open
      yield* second.open
      for (const id of [...ids, fourth]) yield* gone(id)
      assert.strictEqual(yield* first.unseen, 0)
    })
  )

  test(
    "let two workers share a queue: each step runs once",
    Effect.gen(function*() {
      const seen: Array<string> = []
      const workers = new Set<string>()
      const both = yield* Latch.make()
      const task = (worker: string) =>
        jobs(({ name }) =>
          Effect.gen(function*() {
            seen.push(name)
            if (workers.add(worker).size === 2) yield* both.open
            yield* both.await
            return name.endsWith("!") ? NextStep.none : NextStep.now(new Job({ name: `${name}!` }))
          })
        )
      const Jobs = task("first")
      yield* Jobs.enqueueAll(Array.from({ length: 400 }, (_, n) => new Job({ name: `${n}` })))
      yield* start({ tasks: [Jobs], concurrency: 5 })
      yield* start({ tasks: [task("second")], concurrency: 5 })
      yield* empty
      assert.strictEqual(seen.length, 800)
      assert.strictEqual(new Set(seen).size, 800)
    })
  )

  test(
    "that are over are taken over, without counting as a try; those that aren't stay",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const attempts: Array<number> = []
      const Jobs = jobs(({ name }) =>
        Effect.gen(function*() {
          attempts.push((yield* Step.Context).attempt)
          yield* gate.enter(name)
          return NextStep.none
        })
      )
      const ids = yield* Jobs.enqueueAll(["dead", "without", "alive"].map((name) => new Job({ name })))
      const [dead, without, alive] = [ids[0]!, ids[1]!, ids[2]!]
      yield* run("update pg_task set tried = 2")
      yield* orphan(dead, -1)
      yield* orphan(without, null)
      yield* orphan(alive, 3_600_000)
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs], lease: "900 millis" }), logs.layer)
      assert.deepStrictEqual([yield* gate.next, yield* gate.next].sort(), ["dead", "without"])
      assert.deepStrictEqual(attempts, [3, 3])
      for (const id of [dead, without]) {
        assert.deepInclude(yield* row(id), { status: "running", tried: 2, crashes: 1 })
      }
      const lines = logs.find("Rescued: the lease had expired")
      assert.sameMembers(lines.map(({ annotations }) => annotations["id"]), [dead, without])
      assert.deepInclude(lines[0], { level: "Warn" })
      assert.deepInclude(lines[0]!.annotations, { task: "Jobs" })
      yield* gate.open
      yield* gone(dead)
      yield* gone(without)
      assert.deepInclude(yield* row(alive), { status: "running", tried: 2, crashes: 0 })
    })
  )

  test(
    "are taken over when they end by a worker that has long been idle, however rarely it polls",
    Effect.gen(function*() {
      const Jobs = jobs(() => none)
      yield* start({ tasks: [Jobs], lease: "900 millis", pollInterval: "1 hour" })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      // Claimed by another worker, so that this one hears nothing of it.
      const [claimed] = yield* run<{ id: string }>(`insert into pg_task (step, is_running, lease_token, lease_until)
        values ('{"Jobs":{"Job":{"name":"b"}}}', true, gen_random_uuid(), now() + interval '1 second') returning id::text`)
      yield* gone(claimed!.id)
    })
  )

  test(
    "are taken over when they end, however rarely the worker polls",
    Effect.gen(function*() {
      const Jobs = jobs(() => none)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* orphan(id, 1000)
      yield* start({ tasks: [Jobs], lease: "900 millis", pollInterval: "1 hour" })
      yield* gone(id)
    })
  )
})

type AnyEnd = NextStep.NextStep<Job, SqlError>

/** Every way in which an attempt may end, and the options of its step. */
const endings: Record<string, (job: Job) => Effect.Effect<AnyEnd, string, SqlClient.SqlClient>> = {
  finishes: () => none,
  "moves on": (job) => Effect.succeed(NextStep.now(job)),
  "moves on later": (job) => Effect.succeed(NextStep.delay(job, "1 hour")),
  "moves on at a moment": (job) => Effect.succeed(NextStep.at(job, DateTime.makeUnsafe(0))),
  "fails": () => Effect.fail("again"),
  "fails for good": () => Effect.die("for good"),
  "commits with its end": () =>
    Effect.map(
      SqlClient.SqlClient,
      (sql) => NextStep.noneWith({ commit: sql`insert into pg_task (step) values ('x')` })
    )
}

/** The row's token is still the attempt's; but its step has been stored already, and the one after it, too. */
const goOn = (id: string) => run("update pg_task set transitions = transitions + 2 where id = $1::uuid", [id])

workerTests("an attempt that lost its lease", (test) => {
  const cases = Object.entries(endings).flatMap(([how, end]) => [
    { what: `and ${how} changes nothing`, how, end, takeAway: steal },
    { what: `and ${how} changes nothing, though the same claim has got further`, how, end, takeAway: goOn }
  ])
  for (const { end, how, takeAway, what } of cases) {
    test(
      what,
      Effect.gen(function*() {
        const gate = yield* makeGate
        const Jobs = jobs(
          (job) => Effect.andThen(gate.enter(job.name), Effect.suspend(() => end(new Job({ name: "late" })))),
          { retryLimit: how === "fails" ? 1 : 0, retryDelay: "10 millis" }
        )
        const logs = Logs.capture()
        // A long lease: the write must find out by itself.
        yield* Effect.provide(start({ tasks: [Jobs], lease: "5 minutes" }), logs.layer)
        const id = yield* Jobs.enqueue(new Job({ name: "a" }))
        yield* gate.next
        yield* rowWhere(id, ({ status }) => status === "running")
        yield* takeAway(id)
        const stolen = yield* run("select * from pg_task")
        yield* gate.open
        yield* logs.line("Lease lost: the result of this attempt was not stored")
        assert.deepStrictEqual(yield* run("select * from pg_task"), stolen)
      })
    )
  }

  test(
    "is interrupted, and its slot is free again",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const interrupted = yield* Deferred.make<string>()
      const Jobs = jobs(({ name }) =>
        Effect.as(
          Effect.onInterrupt(gate.enter(name), () => Deferred.succeed(interrupted, name)),
          name === "a" ? NextStep.now(new Job({ name: "late" })) : NextStep.none
        )
      )
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs], lease: "900 millis", concurrency: 1 }), logs.layer)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* rowWhere(id, ({ status }) => status === "running")
      yield* steal(id)
      const stolen = yield* run("select * from pg_task")
      assert.strictEqual(yield* within(Deferred.await(interrupted), "the interruption"), "a")
      const line = yield* logs.line("Lease lost: the step was interrupted")
      assert.deepInclude(line, { level: "Warn", annotations: { ...line.annotations, id, task: "Jobs", step: "Job" } })
      yield* gate.open
      yield* gone(yield* Jobs.enqueue(new Job({ name: "b" })))
      assert.deepStrictEqual(yield* run("select * from pg_task"), stolen)
    })
  )

  test(
    "can't be interrupted: its late result changes nothing, either",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) =>
        Effect.as(Effect.uninterruptible(gate.enter(name)), NextStep.now(new Job({ name: "late" })))
      )
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs], lease: "900 millis" }), logs.layer)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* rowWhere(id, ({ status }) => status === "running")
      yield* steal(id)
      const stolen = yield* run("select * from pg_task")
      yield* logs.line("Lease lost")
      yield* gate.open
      const other = yield* Jobs.enqueue(new Job({ name: "b" }))
      yield* gate.next
      yield* run("delete from pg_task where id = $1::uuid", [other])
      assert.deepStrictEqual(yield* run("select * from pg_task"), stolen)
    })
  )

  test(
    "because its row was deleted is interrupted",
    Effect.gen(function*() {
      const interrupted = yield* Queue.unbounded<string>()
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) =>
        Effect.as(
          Effect.onInterrupt(gate.enter(name), () => Queue.offer(interrupted, name)),
          NextStep.none
        )
      )
      yield* start({ tasks: [Jobs], lease: "900 millis" })
      yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      yield* run("delete from pg_task")
      assert.strictEqual(yield* within(Queue.take(interrupted), "the interruption"), "a")
      yield* gate.open
      yield* gone(yield* Jobs.enqueue(new Job({ name: "b" })))
    })
  )
})
