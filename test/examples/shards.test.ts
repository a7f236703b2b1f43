/** Two databases as shards, one of which dies. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Logger, Queue, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import { NextStep, Step, Task, Worker } from "../../src/index.ts"
import { type Shard, shardOf, startShard } from "../../examples/support/shards.ts"
import * as Script from "../support/process/Script.ts"
import { eventually, within } from "../support/worker/Wait.ts"

class Credit extends Schema.TaggedClass<Credit>()("Credit", { account: Schema.String }) {}

/** A crash of the server: it does not come back by itself. */
const kill = Effect.fnUntraced(function*(shard: Shard) {
  const found = yield* Effect.provide(
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ data_directory: string }>`show data_directory`),
    shard.client
  )
  const pid = Number(fs.readFileSync(`${found[0]!.data_directory}/postmaster.pid`, "utf8").split("\n")[0])
  process.kill(pid, "SIGQUIT")
  const isGone = Effect.sync(() => {
    try {
      return !process.kill(pid, 0)
    } catch {
      return true
    }
  })
  yield* eventually(isGone, (gone) => gone)
})

describe("a key's shard", () => {
  it("is always the same, and each shard has some", () => {
    const shards = ["A", "B", "C"].map((name) => ({ name }) as Shard)
    const names = Array.from({ length: 300 }, (_, n) => shardOf(shards, `account ${n}`).name)
    for (const { name } of shards) assert.isAbove(names.filter((each) => each === name).length, 70)
    // Programs of today and of next year must agree.
    assert.deepStrictEqual(["Ada", "Grace", "Edsger", "Barbara"].map((key) => shardOf(shards, key).name), [
      "C",
      "B",
      "A",
      "C"
    ])
  })
})

describe("while one of two shards is dead", () => {
  it.live(
    "the other one goes on, and what the dead one had goes on once it is back",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const shards = yield* Effect.all([startShard("A"), startShard("B")], { concurrency: "unbounded" })
        const [a, b] = shards
        const accounts = Array.from({ length: 20 }, (_, n) => `account ${n}`)
        const [ofA, ofB] = shards.map((shard) => accounts.filter((account) => shardOf(shards, account) === shard))
        const ran = yield* Queue.unbounded<string>()
        const begun = yield* Deferred.make<void>()
        const mayEnd = yield* Deferred.make<void>()
        const Accounts = Task.make("Accounts", [
          Step.make(Credit, {
            handler: Effect.fnUntraced(function*({ account }) {
              if (account === ofB![0]) {
                yield* Deferred.succeed(begun, undefined)
                yield* Deferred.await(mayEnd)
              }
              yield* Queue.offer(ran, account)
              return NextStep.none
            })
          })
        ])
        const worker = (shard: Shard) =>
          Layer.effectDiscard(Worker.make({ tasks: [Accounts], concurrency: 1 })).pipe(
            Layer.provide(Layer.succeedContext(shard.client))
          )
        yield* Layer.build(Layer.mergeAll(worker(a), worker(b)))
        const enqueue = (account: string) =>
          Effect.provide(Accounts.enqueue(new Credit({ account })), shardOf(shards, account).client)
        const take = (count: number) => Effect.replicateEffect(within(Queue.take(ran), "a task"), count)

        // One step runs on the shard that dies, and others wait behind it.
        yield* Effect.forEach(ofB!, enqueue)
        yield* within(Deferred.await(begun), "the step on B")
        // The crash must not forget the claim, whose commit did not wait for the disk: a later commit that does is after it.
        yield* Effect.provide(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`create table flushed ()`), b.client)
        yield* kill(b)
        yield* Effect.forEach(ofA!, enqueue)
        assert.sameMembers(yield* take(ofA!.length), ofA!)
        const refused = yield* Effect.flip(enqueue(ofB![1]!))
        assert.strictEqual(refused._tag, "SqlError")

        // The step on B ends while its database is away: its outcome is stored later.
        yield* Deferred.succeed(mayEnd, undefined)
        yield* b.server.restart("immediate")
        assert.sameMembers(yield* take(ofB!.length), ofB!)
        for (const shard of shards) {
          yield* eventually(
            Effect.provide(Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1 from pg_task`), shard.client),
            (rows) => rows.length === 0
          )
        }
        assert.strictEqual(yield* Queue.size(ran), 0)
      })).pipe(Effect.provide(Logger.layer([])))
  )
})

describe("npm run shards", () => {
  it.live("credits accounts on two databases, on one while the other crashes", () =>
    Effect.gen(function*() {
      const script = yield* Script.run("examples/shards.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const lines = script.lines().filter((line) => line.startsWith("Shard"))
      const credits = (amount: number) => [
        `Shard A: credits Barbara with ${amount}`,
        ...["Ada", "Grace", "Edsger"].map((account) => `Shard B: credits ${account} with ${amount}`)
      ]
      assert.sameMembers(lines.slice(0, 4), credits(1))
      assert.deepStrictEqual(lines.slice(4, 7), ["Shard B crashes", credits(2)[0], "Shard A went on"])
      assert.sameMembers(lines.slice(7, 10), credits(2).slice(1))
      assert.deepStrictEqual(lines.slice(10), ["Shard B is back"])
    }))
})
