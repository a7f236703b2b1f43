/** How tasks of several priorities share a worker's slots: played without a database, by a clock of its own. */
import { assert, describe, it } from "@effect/vitest"
import type { ClaimedTask } from "../../../src/internal/attempt/claimedTask.ts"
import { Lanes } from "../../../src/internal/worker/lanes.ts"
import { Wakeup } from "../../../src/internal/worker/wakeup.ts"
import { claimedTask } from "../../support/worker/Claimed.ts"

/** Lanes whose tasks have names: `0a`, `0b`, … are in the first lane, `1a`, … in the second. */
const make = (count: number, concurrency = 10) => {
  const clock = { now: 1000 }
  const now = () => clock.now
  const wakeup = new Wakeup(now)
  const lanes = new Lanes({ concurrency, bufferSize: 1000, now, wakeup, lanes: { count, of: () => 0 } })
  const names = new Map<ClaimedTask, string>()
  const addTo = (lane: number, many: number, kind: "new" | "chain" = "new"): void => {
    for (let n = 0; n < many; n++) {
      const claimed = Object.assign(claimedTask({}, clock.now), { lane })
      names.set(claimed, `${lane}`)
      if (kind === "new") lanes.addNew(claimed)
      else lanes.addChain(claimed)
    }
  }
  const take = (): string => {
    const claimed = lanes.take()
    return claimed === undefined ? "-" : names.get(claimed)!
  }
  /** Whether somebody who waits for room is woken. */
  const rest = (lane: number) => {
    let changed = false
    wakeup.roomChanged = () => void (changed = true)
    lanes.rest(lane)
    return changed
  }
  return { addTo, clock, lanes, rest, takeMany: (many: number) => Array.from({ length: many }, take).join("") }
}

describe("of the tasks that wait for a slot", () => {
  it("those of a higher lane come first, whenever they came", () => {
    const { addTo, takeMany } = make(3)
    addTo(2, 2)
    addTo(1, 2)
    addTo(0, 2)
    assert.strictEqual(takeMany(7), "001122-")
  })

  it("chains of a lower lane don't come before new ones of a higher lane", () => {
    const { addTo, takeMany } = make(2)
    addTo(1, 30, "chain")
    addTo(0, 3)
    assert.strictEqual(takeMany(4), "0001")
  })

  it("one of eight is of a lower lane", () => {
    const { addTo, takeMany } = make(2)
    addTo(0, 100)
    addTo(1, 100)
    assert.strictEqual(takeMany(24), "000000010000000100000001")
  })

  it("one of eight is of the lower ones together, and of these one of eight is of the last", () => {
    const { addTo, takeMany } = make(3)
    addTo(0, 1000)
    addTo(1, 1000)
    addTo(2, 1000)
    const counts = [0, 0, 0]
    for (const lane of takeMany(640)) counts[Number(lane)]!++
    assert.deepStrictEqual(counts, [560, 70, 10])
  })

  it("a lower one that comes when its turn is over due comes at once, and once", () => {
    const { addTo, takeMany } = make(2)
    addTo(0, 100)
    assert.strictEqual(takeMany(50), "0".repeat(50))
    addTo(1, 5)
    assert.strictEqual(takeMany(9), "100000001")
  })
})

describe("the free slots", () => {
  it("are all for the lane that seeks alone", () => {
    const { lanes } = make(3)
    assert.strictEqual(lanes.seek(2, 10), 10)
    lanes.rest(2)
    assert.strictEqual(lanes.seek(0, 10), 10)
  })

  it("are for the highest lane that seeks, but an eighth is left to those below", () => {
    const { lanes } = make(2)
    lanes.seek(1, 0)
    assert.strictEqual(lanes.seek(0, 10), 9)
    assert.strictEqual(lanes.seek(1, 10), 1)
  })

  it("are for the highest lane also if a lower one asks first", () => {
    const { lanes } = make(2)
    lanes.seek(0, 0)
    assert.strictEqual(lanes.seek(1, 4), 0)
    assert.strictEqual(lanes.seek(0, 4), 4)
  })

  it("are for a lower lane when its turn has come, also if there is only one", () => {
    const { addTo, lanes, rest, takeMany } = make(2, 1)
    addTo(0, 7)
    takeMany(7)
    lanes.seek(1, 0)
    assert.strictEqual(lanes.seek(0, 1), 0)
    assert.strictEqual(lanes.seek(1, 1), 1)
    // It has found nothing.
    assert.isTrue(rest(1))
    assert.strictEqual(lanes.seek(0, 1), 1)
  })

  it("are not for a lane whose own tasks wait for them", () => {
    const { addTo, lanes } = make(2)
    addTo(0, 3)
    assert.strictEqual(lanes.demand(1, 10), 7)
    assert.strictEqual(lanes.demand(0, 10), 7)
  })

  it("are kept free for the claim of a higher lane, but not if it takes very long", () => {
    const { clock, lanes } = make(2)
    assert.strictEqual(lanes.seek(0, 10), 10)
    assert.strictEqual(lanes.seek(1, 10), 0)
    const { now } = clock
    assert.strictEqual(lanes.roomAt(1), now + 1000)
    clock.now += 1000
    assert.strictEqual(lanes.demand(1, 10), 10)
    assert.strictEqual(lanes.roomAt(1), Infinity)
  })

  it("are kept free for the claim of a lower lane, whose turn it is, for a moment only", () => {
    const { addTo, clock, lanes, takeMany } = make(2, 1)
    addTo(0, 7)
    takeMany(7)
    assert.strictEqual(lanes.seek(1, 1), 1)
    assert.strictEqual(lanes.seek(0, 1), 0)
    assert.strictEqual(lanes.roomAt(0), clock.now + 50)
    clock.now += 50
    assert.strictEqual(lanes.seek(0, 1), 1)
  })

  it("are not waited for by a worker with one lane", () => {
    const { lanes, rest } = make(1)
    assert.strictEqual(lanes.seek(0, 10), 10)
    assert.strictEqual(lanes.roomAt(0), Infinity)
    assert.isFalse(rest(0))
  })
})

describe("while every slot is taken", () => {
  it("a higher lane may claim what will overtake the rows that wait", () => {
    const { addTo, lanes } = make(2)
    assert.strictEqual(lanes.demand(0, 0), 0)
    addTo(1, 500)
    assert.strictEqual(lanes.demand(0, 0), 10)
  })

  it("a lower lane may claim a few, so that they are here when it is their turn", () => {
    const { addTo, lanes } = make(2)
    assert.strictEqual(lanes.demand(1, 0), 0)
    addTo(0, 500)
    assert.strictEqual(lanes.demand(1, 0), 2)
  })

  it("what has waited for too long leaves every lane", () => {
    const { addTo, clock, lanes } = make(2)
    addTo(0, 2)
    addTo(1, 3)
    clock.now += 1000
    assert.deepStrictEqual(lanes.takeWaiting(1000).map(({ fresh }) => fresh.length), [2, 3])
    assert.strictEqual(lanes.size, 0)
  })
})
