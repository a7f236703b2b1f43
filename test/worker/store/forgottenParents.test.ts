/**
 * How a parent learns that its last child has ended: from the worker that ended it, at once. The look once a minute is
 * for crashes between the two, and for nothing else. So no worker here has it, unless a test says so.
 */
import { assert } from "@effect/vitest"
import { Effect, Latch } from "effect"
import { SqlClient } from "effect/sql"
import { parentOf } from "../../../src/internal/attempt/children.ts"
import { findForgotten } from "../../../src/internal/sql/children.ts"
import { ExtraFollowUps, type FollowUp } from "../../../src/internal/worker/afterCommit.ts"
import { ParentsLook } from "../../../src/internal/worker/followUps.ts"
import { Begin, childrenOf, gathers, makeChild, makeParent, Parent, Together } from "../../support/worker/Family.ts"
import { start, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const never = Effect.provideService(ParentsLook, Infinity)
const quick = Effect.provideService(ParentsLook, 20)
/** No look of its own while a test runs. */
const rare = Effect.provideService(ParentsLook, 3_600_000)

/** Neither the look nor the poll comes while a test runs. */
const silent = { pollInterval: "1 hour", shutdownTimeout: 0 } as const

const forgotten = Effect.gen(function*() {
  return (yield* findForgotten(yield* SqlClient.SqlClient)).map(({ id }) => id)
})

/** Called in the turn in which a worker learns that the end of a child is committed. */
const onEndOfChild = (f: () => void): ReadonlyArray<FollowUp> => [{
  concerns: ({ claimed, outcome }) => {
    if (outcome._tag === "Finished" && parentOf(claimed) !== undefined) f()
    return false
  },
  work: () => Effect.void,
  every: Infinity
}]

const familyOf = (names: ReadonlyArray<string>) =>
  Effect.flatMap(Parent.enqueue(new Begin({ names })), (id) => within(Parent.await(id), "the parent's end"))

workerTests("parents", (test) => {
  test(
    "go on once and at once, whichever worker ends their last child, though nobody looks for them",
    Effect.gen(function*() {
      const url = yield* urlOfTest
      const gate = yield* Latch.make()
      for (let n = 0; n < 2; n++) {
        yield* never(startWith(url, { ...silent, tasks: [makeChild(gate.await), makeParent()], concurrency: 100 }))
      }
      const names = ["a", "b", "c"]
      const ids = yield* Parent.enqueueAll(Array.from({ length: 30 }, () => new Begin({ names })))
      yield* Effect.forEach(ids, gathers)
      yield* gate.open
      for (const id of ids) {
        assert.deepStrictEqual(yield* within(Parent.await(id), "the result"), new Together({ seen: names }))
      }
      assert.deepStrictEqual(yield* run("select distinct transitions from pg_task where task = 'Parent'"), [
        { transitions: 2 }
      ])
    })
  )

  for (const [name, look] of [["a look", quick], ["a poll that asks along", rare]] as const) {
    test(
      `whose worker crashes between the commit of their last child and what follows it are found by ${name}, and by it alone`,
      Effect.gen(function*() {
        const network = yield* makeNetwork(yield* urlOfTest)
        yield* network.mend
        const gate = yield* Latch.make()
        yield* never(startWith(network.url, { ...silent, tasks: [makeChild(gate.await), makeParent()] })).pipe(
          Effect.provideService(ExtraFollowUps, onEndOfChild(() => Effect.runFork(network.cut)))
        )
        const id = yield* Parent.enqueue(new Begin({ names: ["last"] }))
        yield* gathers(id)
        const [child] = yield* childrenOf(id)
        yield* gate.open
        yield* eventually(
          run("select from pg_task where id = $1::uuid and ended_at is not null", [child]),
          (found) => found.length === 1
        )
        // Another worker is at work, with families of its own, and polls.
        yield* never(start({ tasks: [makeChild(), makeParent()], pollInterval: "20 millis" }))
        for (let n = 0; n < 3; n++) yield* familyOf(["other"])
        assert.deepStrictEqual<ReadonlyArray<string>>(yield* forgotten, [id])
        yield* look(start({ ...silent, tasks: [makeChild(), makeParent()] }))
        assert.deepStrictEqual(yield* within(Parent.await(id), "the result"), new Together({ seen: ["last"] }))
        // Should the first worker come back after all, it does again what was done.
        yield* network.mend
        yield* familyOf(["other"])
        assert.deepStrictEqual(yield* run("select transitions from pg_task where id = $1::uuid", [id]), [
          { transitions: 2 }
        ])
      })
    )
  }
})
