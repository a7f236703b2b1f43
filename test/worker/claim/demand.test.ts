/** How many rows the pool asks for: played without a database, by a clock of its own. */
import { assert, it } from "@effect/vitest"
import { Context, Deferred, Effect, Queue } from "effect"
import type { Outcome } from "../../../src/internal/attempt/outcome.ts"
import { AfterCommit } from "../../../src/internal/worker/afterCommit.ts"
import { Database } from "../../../src/internal/worker/database.ts"
import { WorkerMetrics } from "../../../src/internal/worker/metrics.ts"
import { Knocks } from "../../../src/internal/worker/knocks.ts"
import { Chores } from "../../../src/internal/worker/chores.ts"
import { OthersLooks } from "../../../src/internal/worker/othersLooks.ts"
import { Pool } from "../../../src/internal/worker/pool.ts"
import { Wakeup } from "../../../src/internal/worker/wakeup.ts"
import { claimedRow } from "../../support/worker/Claimed.ts"

const makePool = Effect.fnUntraced(function*(concurrency: number) {
  const clock = { now: 1000 }
  const now = () => clock.now
  const metrics = new WorkerMetrics(Context.empty())
  const attempts: Array<Deferred.Deferred<Outcome>> = []
  const pool = new Pool({
    concurrency,
    bufferSize: 1000,
    maxUnrenewed: 30_000,
    now,
    metrics,
    wakeup: new Wakeup(now),
    outbox: yield* Queue.unbounded(),
    asyncOutbox: yield* Queue.unbounded(),
    afterCommit: new AfterCommit({
      database: new Database(metrics),
      followUps: [],
      othersLooks: new OthersLooks(now),
      chores: new Chores({ now, tasks: [], othersLooks: new OthersLooks(now) }),
      tell: Effect.void
    }),
    knocks: new Knocks(new Map(), now),
    run: () => {
      const attempt = Deferred.makeUnsafe<Outcome>()
      attempts.push(attempt)
      return Effect.runFork(Deferred.await(attempt))
    }
  })
  return { attempts, clock, pool }
})

const rows = (count: number) => Array.from({ length: count }, () => claimedRow())

const admit = (pool: Pool, count: number, claimedAt: number) =>
  pool.admit(rows(count), "token", { full: true, more: false, claimedAt })

const end = (attempt: Deferred.Deferred<Outcome>) =>
  Effect.andThen(Deferred.succeed(attempt, { _tag: "Finished" }), Effect.yieldNow)

it.effect("a slot that the quarantine asked for and gave back says nothing of the steps", () =>
  Effect.gen(function*() {
    const { attempts, pool } = yield* makePool(5)
    yield* pool.reserveSlot
    assert.strictEqual(pool.demand, 4)
    admit(pool, 4, 1000)
    pool.returnSlot()
    assert.strictEqual(attempts.length, 4)
    assert.strictEqual(pool.demand, 1)
  }))

it.effect("steps that end before the claim's answer are short: the next claim asks for more", () =>
  Effect.gen(function*() {
    const { attempts, clock, pool } = yield* makePool(5)
    admit(pool, 5, 1000)
    const [first] = attempts
    yield* end(first!)
    // The claim asks for one row, and has its answer when one more step has ended.
    assert.isAtLeast(pool.demand, 1)
    const claimedAt = clock.now
    clock.now += 5
    yield* end(attempts[1]!)
    admit(pool, 1, claimedAt)
    assert.isAbove(pool.demand, 1)
    yield* Effect.forEach(attempts, end)
  }))

it.effect("long steps leave no room but for themselves", () =>
  Effect.gen(function*() {
    const { attempts, clock, pool } = yield* makePool(5)
    admit(pool, 5, clock.now)
    clock.now += 60_000
    yield* end(attempts[0]!)
    assert.strictEqual(pool.demand, 1)
    assert.strictEqual(pool.counts.running, 4)
    yield* Effect.forEach(attempts, end)
  }))
