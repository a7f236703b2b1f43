/**
 * `npm run shards`: two databases, and in one program a worker for each. An account's name decides in which database its
 * tasks are. Then one database crashes: the accounts of the other one don't notice.
 */
import { Console, Effect, Fiber, Layer, Schedule, Schema } from "effect"
import { NextStep, Step, Task, Worker } from "effect-pg-task"
import { runToEnd } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"
import { untilDone } from "./support/rows.ts"
import { type Shard, ShardName, shardOf, startShard } from "./support/shards.ts"

class Credit extends Schema.TaggedClass<Credit>()("Credit", { account: Schema.String, amount: Schema.Number }) {}

const Accounts = Task.make("Accounts", [
  Step.make(Credit, {
    handler: Effect.fnUntraced(function*({ account, amount }) {
      yield* Console.log(`Shard ${yield* ShardName}: credits ${account} with ${amount}`)
      return NextStep.none
    })
  })
])

/** The worker of a shard: its client comes from there. */
const workerOf = (shard: Shard) =>
  Layer.effectDiscard(Worker.make({ tasks: [Accounts] })).pipe(
    Layer.provide(Layer.succeed(ShardName, shard.name)),
    Layer.provide(Layer.succeedContext(shard.client))
  )

const program = Effect.gen(function*() {
  const shards = yield* Effect.all([startShard("A"), startShard("B")], { concurrency: "unbounded" })
  const [a, b] = shards
  yield* Layer.build(Layer.mergeAll(workerOf(a), workerOf(b)))

  const credit = (account: string, amount: number) =>
    Accounts.enqueue(new Credit({ account, amount })).pipe(Effect.provide(shardOf(shards, account).client))
  const done = (shard: Shard) => Effect.provide(untilDone(Accounts.name), shard.client)
  const accounts = ["Ada", "Grace", "Edsger", "Barbara"]

  yield* Effect.forEach(accounts, (account) => credit(account, 1))
  yield* Effect.forEach(shards, done)
  yield* Console.log("Shard B crashes")
  const crash = yield* Effect.forkScoped(b.server.restart("immediate"))
  const [ofA, ofB] = [a, b].map((shard) => accounts.filter((account) => shardOf(shards, account) === shard))
  yield* Effect.forEach(ofA!, (account) => credit(account, 2))
  yield* done(a)
  yield* Console.log("Shard A went on")
  yield* Fiber.join(crash)
  // The client may not yet know of all connections that are lost.
  yield* Effect.forEach(ofB!, (account) => Effect.retry(credit(account, 2), Schedule.spaced("100 millis")))
  yield* done(b)
  yield* Console.log("Shard B is back")
})

runToEnd(Effect.scoped(program).pipe(Effect.provide(LinesLive)))
