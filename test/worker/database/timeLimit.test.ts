/** How long a worker waits for an answer: played without a database, by a clock of its own. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Database } from "../../../src/internal/worker/database.ts"
import { WorkerMetrics } from "../../../src/internal/worker/metrics.ts"

it.effect("a statement that still waits for a connection is given up with an error, not with an interruption", () =>
  Effect.gen(function*() {
    const database = new Database(new WorkerMetrics(Context.empty()))
    yield* Effect.forkScoped(database.watch)
    const waiting = yield* Effect.forkChild(Effect.flip(database.withTimeout(Effect.never)))
    yield* TestClock.adjust("20 seconds")
    assert.strictEqual((yield* Fiber.join(waiting)).message, "The database did not answer")
  }))
