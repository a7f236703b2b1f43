/**
 * A worker process that does chores until it is told to stop.
 *
 * Its argument is JSON: a name for the worker, its options, and by how much its clock is wrong, in milliseconds.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Redacted from "effect/Redacted"
import * as NextStep from "../../../../src/NextStep.ts"
import * as Worker from "../../../../src/Worker.ts"
import { type Chore, chore, makeChores, nextRound } from "../Chores.ts"

/** What a test passes. */
export interface Arguments {
  readonly name: string
  readonly options: {
    readonly concurrency?: number
    readonly lease?: "2 seconds" | "5 seconds"
    readonly shutdownTimeout?: "2 seconds"
  }
  readonly clockOffset?: number
  /** Others run beside a poisonous chore. */
  readonly hasNeighbours?: boolean
}

const { clockOffset = 0, hasNeighbours = false, name: worker, options } = JSON.parse(process.argv[2]!) as Arguments

const realNow = Date.now
Date.now = () => realNow() + clockOffset

let busy = 0

/** Opened by SIGTERM. */
const terminated = Latch.makeUnsafe()

const keepEventLoop = Effect.sync(() => {
  const end = performance.now() + 6000
  while (performance.now() < end);
})

/** In milliseconds. On a busy machine neighbours may come late. */
const longestWait = hasNeighbours ? 30_000 : 500

const killWithOthers = Effect.gen(function*() {
  const end = performance.now() + longestWait
  while (busy < 3 && performance.now() < end) yield* Effect.sleep(10)
  yield* Effect.sync(() => process.kill(process.pid, "SIGKILL"))
  return yield* Effect.never
})

const perform = (the: Chore): Effect.Effect<NextStep.NextStep<Chore>> => {
  switch (the.kind) {
    case "quick":
      return Effect.succeed(nextRound(the))
    case "slow":
      return Effect.as(Effect.sleep(500), nextRound(the))
    case "until SIGTERM":
      return Effect.as(terminated.await, nextRound(the))
    case "endless":
      return Effect.never
    case "frozen":
      return Effect.as(keepEventLoop, NextStep.now(chore("quick", "too late")))
    case "poison":
      return killWithOthers
  }
}

const Chores = makeChores(worker, (the) =>
  Effect.gen(function*() {
    busy++
    yield* Console.log(`started ${the.name}.`)
    const next = yield* perform(the)
    yield* Console.log(`ended ${the.name}.`)
    return next
  }).pipe(
    Effect.onInterrupt(() => Console.log(`interrupted ${the.name}.`)),
    Effect.ensuring(Effect.sync(() => busy--))
  ))

const program = Worker.run({ tasks: [Chores], ...options }).pipe(
  Effect.andThen(Console.log("the end")),
  Effect.provide(PgClient.layer({ url: Redacted.make(process.env["DATABASE_URL"]!) }))
)

NodeRuntime.runMain(program)

// After the worker's own listener, and before any step has begun: a step that ends at SIGTERM ends while the worker drains.
process.on("SIGTERM", () => terminated.openUnsafe())
