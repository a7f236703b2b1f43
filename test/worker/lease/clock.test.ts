import { assert } from "@effect/vitest"
import { Clock, DateTime, Effect } from "effect"
import { NextStep } from "../../../src/index.ts"
import { makeWrongClock } from "../../support/worker/Clocks.ts"
import { Job, jobs, makeGate, start, workerTests } from "../../support/worker/Fixture.ts"
import { gone, insert, row, rowWhere, run } from "../../support/worker/Table.ts"

const hour = 3_600_000

for (const [name, offset] of [["ahead", hour], ["behind", -hour]] as const) {
  workerTests(`a worker whose clock is an hour ${name}`, (test) => {
    const withClock = Effect.provideServiceEffect(Clock.Clock, makeWrongClock(offset))

    test(
      "runs what is due, and nothing else",
      Effect.gen(function*() {
        const Jobs = jobs(() => Effect.succeed(NextStep.none))
        const later = yield* Jobs.delay(new Job({ name: "later" }), "30 minutes")
        const now = yield* Jobs.enqueue(new Job({ name: "now" }))
        yield* withClock(start({ tasks: [Jobs], pollInterval: "50 millis" }))
        yield* gone(now)
        yield* gone(yield* Jobs.delay(new Job({ name: "soon" }), "200 millis"))
        assert.deepInclude(yield* row(later), { status: "scheduled", transitions: 0 })
      })
    )

    test(
      "puts off by Postgres's clock",
      Effect.gen(function*() {
        const Jobs = jobs(
          (job) =>
            job.name === "retry"
              ? Effect.fail("again")
              : Effect.succeed(NextStep.delay(new Job({ name: "put off" }), "1 hour")),
          { retryLimit: 1, retryDelay: "1 hour" }
        )
        yield* withClock(start({ tasks: [Jobs] }))
        const [delay, retry] = yield* Jobs.enqueueAll([new Job({ name: "delay" }), new Job({ name: "retry" })])
        assert.strictEqual((yield* rowWhere(delay!, ({ status }) => status === "scheduled")).delay, hour)
        assert.strictEqual((yield* rowWhere(retry!, ({ status }) => status === "scheduled")).delay, hour)
        const fromNow = yield* withClock(Jobs.delay(new Job({ name: "delayed" }), "1 hour"))
        assert.approximately((yield* row(fromNow))!.dueIn, hour, 60_000)
      })
    )

    test(
      "leases by Postgres's clock, and takes over by it",
      Effect.gen(function*() {
        const gate = yield* makeGate
        const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
        const job = (name: string) => insert(`{"Jobs":{"Job":{"name":"${name}"}}}`)
        const [alive, dead] = [yield* job("alive"), yield* job("dead")]
        const lease = "update pg_task set is_running = true, lease_token = gen_random_uuid(), lease_until = now() + "
        yield* run(`${lease} interval '59 minutes' where id = $1`, [alive])
        yield* run(`${lease} interval '-1 second' where id = $1`, [dead])
        yield* withClock(start({ tasks: [Jobs], lease: "900 millis", pollInterval: "50 millis" }))
        assert.strictEqual(yield* gate.next, "dead")
        const taken = yield* row(dead)
        assert.isAtMost(taken!.leaseIn!, 900)
        assert.deepInclude(yield* row(alive), { status: "running", crashes: 0 })
        // Renewed, again by Postgres's clock.
        const renewed = yield* rowWhere(dead, ({ leaseUntil }) => leaseUntil! > taken!.leaseUntil!)
        assert.isAtMost(renewed.leaseIn!, 900)
        yield* gate.open
        yield* gone(dead)
      })
    )
  })
}

workerTests("a worker whose clock jumps", (test) => {
  for (const [name, jump] of [["ahead", hour], ["back", -hour]] as const) {
    test(
      `${name} while it runs a step: keeps its lease and goes on`,
      Effect.gen(function*() {
        const clock = yield* makeWrongClock(0)
        const gate = yield* makeGate
        const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
        yield* start({ tasks: [Jobs], lease: "4 seconds" }).pipe(Effect.provideService(Clock.Clock, clock))
        const id = yield* Jobs.enqueue(new Job({ name: "a" }))
        yield* gate.next
        yield* start({ tasks: [Jobs], lease: "4 seconds" })
        clock.offset = jump
        const before = yield* row(id)
        yield* rowWhere(id, ({ leaseUntil }) => leaseUntil! > before!.leaseUntil! + 6000)
        assert.deepInclude(yield* row(id), { status: "running", crashes: 0, tried: 0 })
        assert.strictEqual(yield* gate.unseen, 0)
        yield* gate.open
        yield* gone(id)
      })
    )
  }

  test(
    "schedules by the moment that its caller names",
    Effect.gen(function*() {
      const moment = DateTime.makeUnsafe("2031-02-03T04:05:06.789Z")
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* Jobs.schedule(new Job({ name: "a" }), moment).pipe(
        Effect.provideServiceEffect(Clock.Clock, makeWrongClock(hour))
      )
      const [found] = yield* run("select wakeup_at = '2031-02-03T04:05:06.789Z' as same from pg_task")
      assert.isTrue(found!["same"])
    })
  )
})
