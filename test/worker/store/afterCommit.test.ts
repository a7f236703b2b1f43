/** When what follows from outcomes is done: played without a database. */
import { assert, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"
import { TestClock } from "effect/testing"
import type { Entry } from "../../../src/internal/attempt/claimedTask.ts"
import { AfterCommit } from "../../../src/internal/worker/afterCommit.ts"
import { Chores } from "../../../src/internal/worker/chores.ts"
import { OthersLooks } from "../../../src/internal/worker/othersLooks.ts"
import { Database } from "../../../src/internal/worker/database.ts"
import { WorkerMetrics } from "../../../src/internal/worker/metrics.ts"
import { claimedTask } from "../../support/worker/Claimed.ts"

const every = 60_000

const entry = (facts: string | null = "{}"): Entry => ({
  claimed: claimedTask({ facts }),
  outcome: { _tag: "Finished" }
})

/** The database refuses what is sent, with this code; without one, its connection is lost. */
const failure = (code?: string): SqlError => {
  const options = { cause: Object.assign(new Error("no"), { code }), message: "no", operation: "execute" }
  return new SqlError({ reason: code === undefined ? new ConnectionError(options) : new UnknownError(options) })
}

/** The work does what `answer` says, and tells what it was given. */
const make = (answer: (call: number) => Effect.Effect<void, SqlError>) =>
  Effect.gen(function*() {
    const calls: Array<ReadonlyArray<Entry>> = []
    const counts = { told: 0 }
    const database = new Database(new WorkerMetrics(Context.empty()))
    yield* Effect.forkScoped(database.watch)
    const afterCommit = new AfterCommit({
      othersLooks: new OthersLooks(() => 0),
      chores: new Chores({ now: () => 0, tasks: [], othersLooks: new OthersLooks(() => 0) }),
      database,
      followUps: [{
        concerns: () => true,
        every,
        work: (committed) => Effect.suspend(() => answer(calls.push(committed)))
      }],
      tell: Effect.sync(() => counts.told++)
    })
    yield* Effect.forkScoped(afterCommit.run)
    return { afterCommit, calls, counts, database }
  })

/** Lets everybody do what there is to do now. */
const settle = Effect.andThen(TestClock.adjust(1), TestClock.adjust(1))

it.effect("outcomes of tasks with facts are followed at once, and those of others not", () =>
  Effect.gen(function*() {
    const { afterCommit, calls } = yield* make(() => Effect.void)
    const [one, other] = [entry(), entry()]
    afterCommit.committed(entry(null))
    yield* settle
    assert.deepStrictEqual(calls, [])
    for (const committed of [one, entry(null), other]) afterCommit.committed(committed)
    yield* settle
    assert.deepStrictEqual(calls, [[one, other]])
  }))

it.effect("what others have left undone is looked for in time, however many outcomes there are", () =>
  Effect.gen(function*() {
    const { afterCommit, calls } = yield* make(() => Effect.void)
    for (let n = 0; n < 4; n++) {
      afterCommit.committed(entry())
      yield* TestClock.adjust(every / 2)
    }
    assert.deepStrictEqual(calls.map(({ length }) => length), [1, 1, 0, 1, 1, 0])
  }))

it.effect("a task that is left to others is told of, and makes no look for what was left undone", () =>
  Effect.gen(function*() {
    const { afterCommit, calls, counts } = yield* make(() => Effect.void)
    afterCommit.left()
    yield* settle
    assert.strictEqual(counts.told, 1)
    assert.deepStrictEqual(calls, [])
    yield* TestClock.adjust(every)
    assert.deepStrictEqual(calls, [[]])
    assert.strictEqual(counts.told, 1)
  }))

it.effect("work that hangs keeps nobody from telling of tasks that are left to others", () =>
  Effect.gen(function*() {
    const { afterCommit, calls, counts } = yield* make(() => Effect.never)
    afterCommit.committed(entry())
    yield* settle
    assert.strictEqual(calls.length, 1)
    afterCommit.left()
    yield* settle
    assert.strictEqual(counts.told, 1)
  }))

const hanging = {
  "a statement": Effect.onInterrupt(Effect.never, () => Effect.yieldNow),
  "what is interrupted at once, as a wait for a connection is": Effect.never
}

for (const [what, hangs] of Object.entries(hanging)) {
  it.effect(`work that hangs is given up after a while, and done again: ${what}`, () =>
    Effect.gen(function*() {
      const { afterCommit, calls, database } = yield* make((call) => (call === 1 ? hangs : Effect.void))
      const [one, other] = [entry(), entry()]
      afterCommit.committed(one)
      yield* settle
      afterCommit.committed(other)
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(calls, [[one]])
      for (let second = 0; second < 5; second++) yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(calls.slice(1).flat(), [one, other])
      assert.isFalse(database.lost)
    }))
}

it.effect("work that is interrupted from inside is done again soon", () =>
  Effect.gen(function*() {
    const { afterCommit, calls } = yield* make((call) => (call === 1 ? Effect.interrupt : Effect.void))
    const one = entry()
    afterCommit.committed(one)
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(calls, [[one], [one]])
  }))

it.effect("work that meets a lost database is done again, as every statement, and the database is back then", () =>
  Effect.gen(function*() {
    const { afterCommit, calls, database } = yield* make((call) => (call < 3 ? Effect.fail(failure()) : Effect.void))
    const [one, other] = [entry(), entry()]
    afterCommit.committed(one)
    yield* settle
    assert.isTrue(database.lost)
    afterCommit.committed(other)
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(calls, [[one], [one], [one], [other]])
    assert.isFalse(database.lost)
  }))

for (
  const [what, code] of [["that is refused", "23505"], ["that lost against another transaction", "40P01"]] as const
) {
  it.effect(`work ${what} is done again soon, with what has come until then: no lost database`, () =>
    Effect.gen(function*() {
      const { afterCommit, calls, database } = yield* make((call) =>
        call === 1 ? Effect.fail(failure(code)) : Effect.void
      )
      const [one, other] = [entry(), entry()]
      afterCommit.committed(one)
      yield* settle
      assert.isFalse(database.lost)
      afterCommit.committed(other)
      yield* settle
      assert.deepStrictEqual(calls, [[one]])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(calls, [[one], [one, other]])
    }))
}

it.effect("work that fails always is not done without a pause, and what it holds doesn't grow without end", () =>
  Effect.gen(function*() {
    const { afterCommit, calls } = yield* make(() => Effect.fail(failure("23505")))
    for (let second = 0; second < 30; second++) {
      for (let n = 0; n < 1000; n++) afterCommit.committed(entry())
      yield* TestClock.adjust("1 second")
    }
    assert.isAtMost(calls.length, 31)
    assert.isAtMost(Math.max(...calls.map(({ length }) => length)), 20_000)
  }))

it.effect("what is too much to be remembered is looked for as if somebody else had left it", () =>
  Effect.gen(function*() {
    const { afterCommit, calls } = yield* make(() => Effect.void)
    for (let n = 0; n < 10_001; n++) afterCommit.committed(entry())
    yield* settle
    assert.deepStrictEqual(calls.map(({ length }) => length), [0, 10_000])
  }))

it.effect("each follow-up is done apart from the others, with the outcomes that concern it", () =>
  Effect.gen(function*() {
    const calls: Array<readonly [string, number]> = []
    const follow = (name: string, tag: Entry["outcome"]["_tag"], work: Effect.Effect<void>) => ({
      concerns: ({ outcome }: Entry) => outcome._tag === tag,
      every,
      work: (committed: ReadonlyArray<Entry>) =>
        Effect.andThen(Effect.sync(() => calls.push([name, committed.length])), work)
    })
    const afterCommit = new AfterCommit({
      othersLooks: new OthersLooks(() => 0),
      chores: new Chores({ now: () => 0, tasks: [], othersLooks: new OthersLooks(() => 0) }),
      database: new Database(new WorkerMetrics(Context.empty())),
      followUps: [follow("ended", "Finished", Effect.never), follow("parked", "Parked", Effect.void)],
      tell: Effect.void
    })
    yield* Effect.forkScoped(afterCommit.run)
    for (let n = 0; n < 2; n++) {
      afterCommit.committed(entry())
      afterCommit.committed({ ...entry(), outcome: { _tag: "Parked", error: "no" } })
      afterCommit.committed({ ...entry(), outcome: { _tag: "Released" } })
      yield* settle
    }
    assert.deepStrictEqual(calls, [["ended", 1], ["parked", 1], ["parked", 1]])
  }))

it.effect("outcomes of tasks that somebody waits for are followed, too", () =>
  Effect.gen(function*() {
    const { afterCommit, calls } = yield* make(() => Effect.void)
    const watched = entry(null)
    watched.claimed.watched = true
    afterCommit.committed(watched)
    yield* settle
    assert.deepStrictEqual(calls, [[watched]])
  }))
