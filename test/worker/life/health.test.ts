import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Option, Redacted } from "effect"
import { NextStep, type Worker } from "../../../src/index.ts"
import { client } from "../../support/database/Database.ts"
import { closed, Job, jobs, makeGate, start, startApart, workerTests } from "../../support/worker/Fixture.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { gone, run, stopAll } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

const Idle = jobs(() => Effect.succeed(NextStep.none))

const urlOfTest = Effect.map(PgClient.PgClient, ({ config }) => Redacted.value(config.url!))

/** Waits until a worker's health is as expected. */
const healthWhere = (worker: Worker.Worker["Service"], holds: (health: Worker.Health) => boolean) =>
  eventually(worker.health, holds)

/** In milliseconds. */
const lastClaim = ({ lastClaim }: Worker.Health) => Duration.toMillis(Option.getOrThrow(lastClaim))

workerTests("a worker's health", (test) => {
  test(
    "is good when it has nothing to do: it listens, and asks again at each poll",
    Effect.gen(function*() {
      const worker = yield* start({ tasks: [Idle], pollInterval: "100 millis" })
      const health = yield* healthWhere(
        worker,
        ({ lastClaim, listening, running }) => listening && running === 0 && Option.isSome(lastClaim)
      )
      assert.deepInclude(health, { alive: true, buffered: 0, lag: Duration.zero })
      for (let claims = 0; claims < 3; claims++) {
        const seenAt = performance.now()
        // A claim that came after that.
        yield* healthWhere(worker, (now) => lastClaim(now) < performance.now() - seenAt)
      }
    })
  )

  test(
    "says what it has in hand, and how late it took it",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* run("update pg_task set wakeup_at = now() - interval '1 minute'")
      const worker = yield* start({ tasks: [Jobs], concurrency: 1 })
      yield* gate.next
      const late = yield* worker.health
      assert.deepInclude(late, { alive: true, running: 1, buffered: 0 })
      assert.isAtLeast(Duration.toSeconds(late.lag), 60)
      assert.isBelow(Duration.toSeconds(late.lag), 120)
      yield* gate.open
      yield* gone(id)
      const { lag } = yield* healthWhere(worker, ({ lag, running }) => running === 0 && Duration.toMillis(lag) === 0)
      assert.deepStrictEqual(lag, Duration.zero)
    })
  )

  test(
    "is alive without notifications, and says so",
    Effect.gen(function*() {
      const single = yield* Layer.build(client(yield* urlOfTest, { maxConnections: 1 }))
      const worker = yield* Effect.provide(start({ tasks: [Idle] }), single)
      assert.deepInclude(yield* worker.health, { alive: true, listening: false })
    })
  )

  test(
    "is bad while the database is away, and good again when it is back",
    Effect.gen(function*() {
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const through = yield* Layer.build(client(network.url))
      const worker = yield* Effect.provide(start({ tasks: [Idle], pollInterval: "100 millis" }), through)
      for (let times = 0; times < 2; times++) {
        yield* healthWhere(worker, ({ alive, lastClaim, listening }) => alive && listening && Option.isSome(lastClaim))
        yield* network.cut
        const away = yield* healthWhere(worker, ({ alive, listening }) => !alive && !listening)
        // The database stays away, and the last claim gets older.
        const later = yield* healthWhere(worker, (now) => lastClaim(now) > lastClaim(away) + 200)
        assert.deepInclude(later, { alive: false, listening: false, running: 0 })
        yield* network.mend
      }
      yield* healthWhere(worker, ({ alive, listening }) => alive && listening)
    })
  )

  for (const how of ["stop", "stop_worker"] as const) {
    test(
      `is bad as soon as it is asked to stop (by ${how}), while its steps run on`,
      Effect.gen(function*() {
        const gate = yield* makeGate
        const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
        const worker = yield* start({ tasks: [Jobs] })
        yield* Jobs.enqueue(new Job({ name: "a" }))
        yield* gate.next
        // A busy machine may start the worker before it listens.
        assert.deepInclude(yield* healthWhere(worker, ({ listening }) => listening), { alive: true })
        const stopping = yield* Effect.forkChild(
          how === "stop" ? worker.stop : stopAll
        )
        const draining = yield* healthWhere(worker, ({ alive, running }) => !alive && running === 1)
        assert.strictEqual(draining.buffered, 0)
        yield* gate.open
        yield* worker.stopped
        yield* Fiber.join(stopping)
        assert.deepInclude(yield* worker.health, { alive: false, running: 0, buffered: 0 })
      })
    )
  }

  test(
    "is bad when its scope is closed",
    Effect.gen(function*() {
      const apart = yield* startApart({ tasks: [Idle] })
      assert.deepInclude(yield* apart.worker.health, { alive: true })
      yield* closed(apart)
      assert.deepInclude(yield* apart.worker.health, { alive: false, running: 0, buffered: 0 })
    })
  )
})
