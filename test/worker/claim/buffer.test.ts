/** Which claimed task is next, and how many more the worker asks for: played without a database, by a clock of its own. */
import { assert, describe, it } from "@effect/vitest"
import type { ClaimedTask } from "../../../src/internal/attempt/claimedTask.ts"
import { Buffer } from "../../../src/internal/worker/buffer.ts"
import { claimedTask } from "../../support/worker/Claimed.ts"

/** A buffer whose tasks have names: `n1`, `n2`, … are new, and `c1`, `c2`, … are chains. */
const make = (options: { readonly concurrency?: number; readonly bufferSize?: number } = {}) => {
  const clock = { now: 1000 }
  const buffer = new Buffer({ concurrency: 4, bufferSize: 1000, ...options, now: () => clock.now })
  const names = new Map<ClaimedTask, string>()
  const counts = { n: 0, c: 0 }
  const add = (kind: "n" | "c", count: number): void => {
    for (let n = 0; n < count; n++) {
      const claimed = claimedTask({}, clock.now)
      names.set(claimed, `${kind}${++counts[kind]}`)
      if (kind === "n") buffer.addNew(claimed)
      else buffer.addChain(claimed)
    }
  }
  const nameOf = (claimed: ClaimedTask) => names.get(claimed)!
  const take = (): string | undefined => {
    const claimed = buffer.take()
    return claimed && nameOf(claimed)
  }
  return {
    buffer,
    clock,
    addNew: (count: number) => add("n", count),
    addChains: (count: number) => add("c", count),
    take,
    takeMany: (count: number) => Array.from({ length: count }, take),
    takeWaiting: (age: number) => {
      const { chains, fresh } = buffer.takeWaiting(age)
      return { fresh: fresh.map(nameOf), chains: chains.map(nameOf) }
    },
    /** Holds as much text as a worker may. */
    fillMemory: () => buffer.memory.hold(claimedTask({ step: "x".repeat(32_000_000) })),
    /** What a worker learns from short steps, until it claims so many ahead. */
    learn: (target: number) => {
      for (let n = 0; n < 20 && buffer.demand(0) < target; n++) {
        buffer.claimed({ rows: 4, buffered: false, full: true })
        buffer.take()
      }
    }
  }
}

describe("new tasks and chains", () => {
  it("come by turns, each queue in its order", () => {
    const { addChains, addNew, takeMany } = make()
    addNew(3)
    addChains(3)
    assert.deepStrictEqual(takeMany(7), ["c1", "n1", "c2", "n2", "c3", "n3", undefined])
  })

  it("come at once while the other queue is empty", () => {
    const { addChains, addNew, take, takeMany } = make()
    addNew(3)
    assert.deepStrictEqual(takeMany(3), ["n1", "n2", "n3"])
    addChains(3)
    assert.deepStrictEqual(takeMany(3), ["c1", "c2", "c3"])
    addNew(1)
    assert.strictEqual(take(), "n4")
  })

  it("still come by turns while no more chains wait than there are slots", () => {
    const { addChains, addNew, take, takeMany } = make({ concurrency: 4 })
    addNew(3)
    assert.strictEqual(take(), "n1")
    addChains(4)
    assert.deepStrictEqual(takeMany(4), ["n2", "c1", "n3", "c2"])
  })
})

describe("while more chains wait than there are slots", () => {
  it("a new task begins every 250 milliseconds", () => {
    const { addChains, addNew, clock, takeMany } = make({ concurrency: 4 })
    addNew(10)
    addChains(100)
    assert.deepStrictEqual(takeMany(4), ["c1", "n1", "c2", "c3"])
    clock.now += 249
    assert.deepStrictEqual(takeMany(2), ["c4", "c5"])
    clock.now += 1
    assert.deepStrictEqual(takeMany(3), ["n2", "c6", "c7"])
  })

  it("chains run though a new one may begin, if there is none", () => {
    const { addChains, takeMany } = make({ concurrency: 4 })
    addChains(6)
    assert.deepStrictEqual(takeMany(2), ["c1", "c2"])
  })
})

describe("the demand", () => {
  it("is one task for each free slot, at first", () => {
    const { addNew, buffer } = make({ concurrency: 4 })
    assert.strictEqual(buffer.demand(4), 4)
    assert.strictEqual(buffer.demand(0), 0)
    addNew(3)
    assert.strictEqual(buffer.demand(4), 1)
    assert.strictEqual(buffer.demand(3), 0)
  })

  it("leaves the free slots to the chains that wait, and asks for a new task for each slot beside", () => {
    const { addChains, buffer } = make({ concurrency: 4 })
    addChains(3)
    // One slot that no chain takes, and four tasks that have their turn after that.
    assert.strictEqual(buffer.demand(4), 5)
    assert.strictEqual(buffer.demand(0), 4)
    addChains(3)
    assert.strictEqual(buffer.demand(4), 4)
  })

  it("is for half a buffer at a time, once steps are short", () => {
    const { addNew, buffer, learn, takeMany } = make({ concurrency: 4 })
    learn(8)
    assert.strictEqual(buffer.demand(0), 8)
    addNew(5)
    assert.strictEqual(buffer.demand(0), 0)
    takeMany(1)
    assert.strictEqual(buffer.demand(0), 4)
  })

  it("fills free slots at once, however full the buffer is", () => {
    const { addNew, buffer, learn } = make({ concurrency: 4 })
    learn(4)
    addNew(3)
    assert.strictEqual(buffer.demand(3), 0)
    assert.strictEqual(buffer.demand(4), 5)
  })

  it("is for the free slots alone while the memory is full", () => {
    const { addChains, buffer, fillMemory, learn } = make({ concurrency: 4 })
    learn(8)
    fillMemory()
    assert.strictEqual(buffer.demand(0), 0)
    assert.strictEqual(buffer.demand(4), 4)
    addChains(1)
    assert.strictEqual(buffer.demand(4), 3)
  })

  it("grows when the buffer ran empty too soon", () => {
    const { addNew, buffer, clock, takeMany } = make({ concurrency: 4 })
    buffer.claimed({ rows: 5, buffered: true, full: true })
    addNew(2)
    clock.now += 10
    takeMany(1)
    assert.strictEqual(buffer.demand(1), 0)
    takeMany(1)
    buffer.claimed({ rows: 5, buffered: true, full: true })
    assert.strictEqual(buffer.demand(0), 1)
  })
})

describe("tasks that waited for too long", () => {
  it("leave both queues, and the younger ones stay in their order", () => {
    const { addChains, addNew, buffer, clock, takeMany, takeWaiting } = make()
    addNew(2)
    addChains(1)
    clock.now += 500
    addNew(2)
    addChains(2)
    clock.now += 500
    assert.deepStrictEqual(takeWaiting(1001), { fresh: [], chains: [] })
    assert.deepStrictEqual(takeWaiting(1000), { fresh: ["n1", "n2"], chains: ["c1"] })
    assert.strictEqual(buffer.size, 4)
    assert.deepStrictEqual(takeMany(5), ["c2", "n3", "c3", "n4", undefined])
  })

  it("were claimed too early: nothing is claimed ahead until steps are short again", () => {
    const { addNew, buffer, clock, learn, takeWaiting } = make()
    learn(8)
    addNew(1)
    clock.now += 500
    takeWaiting(500)
    assert.strictEqual(buffer.demand(0), 0)
  })

  it("say nothing of the claims if they are chains", () => {
    const { addChains, buffer, clock, learn, takeWaiting } = make()
    learn(8)
    addChains(1)
    clock.now += 500
    assert.deepStrictEqual(takeWaiting(500).chains, ["c1"])
    assert.strictEqual(buffer.demand(0), 8)
  })

  it("are all tasks at the age of 0", () => {
    const { addChains, addNew, buffer, takeWaiting } = make()
    addNew(2)
    addChains(2)
    assert.deepStrictEqual(takeWaiting(0), { fresh: ["n1", "n2"], chains: ["c1", "c2"] })
    assert.strictEqual(buffer.size, 0)
  })
})

describe("room for another chain", () => {
  it("is there until the buffer is full of chains, however many new tasks wait", () => {
    const { addChains, addNew, buffer, take } = make({ bufferSize: 2 })
    addNew(5)
    addChains(1)
    assert.isTrue(buffer.hasRoomForChain)
    addChains(1)
    assert.isFalse(buffer.hasRoomForChain)
    assert.strictEqual(take(), "c1")
    assert.isTrue(buffer.hasRoomForChain)
  })

  it("is not there without a buffer, or without memory", () => {
    assert.isFalse(make({ bufferSize: 0 }).buffer.hasRoomForChain)
    const { buffer, fillMemory } = make()
    fillMemory()
    assert.isFalse(buffer.hasRoomForChain)
  })
})
