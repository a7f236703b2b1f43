/** The oracle of rates, back-offs and pauses finds what is wrong. */
import { assert, describe, it } from "@effect/vitest"
import type { Given } from "./DoorLog.ts"
import type { NotedRun } from "./LimitOracle.ts"
import { countLong, judgeRates, mostInWindow, type RateEvidence } from "./RateOracle.ts"
import type { Still } from "./Still.ts"

const key = "rated:1-a"

const run = (started: number, more: Partial<NotedRun> = {}): NotedRun => ({
  plan: "r1",
  seq: 0,
  key,
  slotless: false,
  young: false,
  task: "t1",
  transitions: 0,
  attempt: 1,
  started,
  began: started,
  ended: null,
  ...more
})

const given = (began: number, more: Partial<Given> = {}): Given => ({
  what: "moment",
  task: "t1",
  transitions: 0,
  attempt: 1,
  key,
  began,
  ended: began + 1,
  next: began + 10_000,
  ...more
})

const still = (name: string, more: Partial<Still> = {}): Still => ({
  what: "pause",
  name,
  since: 1000,
  until: 9000,
  ...more
})

const judge = (evidence: Partial<RateEvidence>, { exact = true, forgets = false } = {}) =>
  judgeRates({ runs: [], given: [], stills: [], looks: [], ...evidence }, { exact, forgets })

describe("the oracle of rates", () => {
  it("counts what was certainly given in a window", () => {
    assert.strictEqual(mostInWindow([given(0), given(50), given(100)], 100), 2)
    assert.strictEqual(mostInWindow([given(0), given(50, { ended: 200 })], 100), 1)
    assert.strictEqual(mostInWindow([], 100), 0)
  })

  it("finds more moments than the rate allows: those of one second on top, and none if there are fewer than one", () => {
    const every = (millis: number, count: number, key: string) =>
      Array.from({ length: count }, (_, n) => given(n * millis, { key }))
    assert.lengthOf(judge({ given: every(100, 7, key) }), 0)
    assert.lengthOf(judge({ given: every(100, 8, key) }), 1)
    assert.lengthOf(judge({ given: every(1000, 3, "paced") }), 0)
    assert.lengthOf(judge({ given: every(1000, 4, "paced") }), 1)
  })

  it("finds a moment that was not taken from the rate, however long the next one was in coming", () => {
    assert.lengthOf(judge({ given: [given(0, { next: 400 })] }), 0)
    assert.lengthOf(judge({ given: [given(0, { next: 390 })] }), 1)
    assert.lengthOf(judge({ given: [given(0, { next: null })] }), 1)
    assert.lengthOf(judge({ given: [given(0, { next: 700 }), given(0, { next: 700, task: "t2" })] }), 2)
    assert.lengthOf(judge({ given: [given(0, { next: null, key: "own:1-a" })] }), 0)
  })

  it("finds a start without a moment of its own, unless the server had forgotten it", () => {
    assert.lengthOf(judge({ runs: [run(5)], given: [given(0)] }), 0)
    assert.lengthOf(judge({ runs: [run(5), run(6)], given: [given(0)] }), 1)
    assert.lengthOf(judge({ runs: [run(5)], given: [given(0, { attempt: 2 })] }), 1)
    assert.lengthOf(judge({ runs: [run(5)] }, { forgets: true }), 0)
    assert.lengthOf(judge({ runs: [run(5, { young: true })] }), 0)
    assert.lengthOf(judge({ runs: [run(5, { key: "shared" })] }), 0)
  })
})

describe("the oracle of pauses and back-offs", () => {
  it("finds what is given meanwhile, of the key and of its limit", () => {
    for (const name of [key, "rated"]) {
      assert.lengthOf(judge({ given: [given(2000)], stills: [still(name)] }, { exact: false }), 1)
    }
    const slot = given(2000, { what: "slot", key: "own:1-a" })
    assert.lengthOf(judge({ given: [slot], stills: [still("BesideLimited")] }), 1)
    assert.lengthOf(judge({ given: [given(2000)], stills: [still("rated:3-a"), still("own")] }), 0)
    assert.lengthOf(judge({ given: [given(999), given(8999.5)], stills: [still(key)] }), 0)
  })

  it("finds a step that begins when every worker has had the time to hear of it", () => {
    const stills = [still("BesideLimited"), still("shared", { what: "back-off" })]
    const begun = (started: number) => [run(started, { key: "shared" })]
    assert.lengthOf(judge({ runs: begun(4500), stills }), 2)
    assert.lengthOf(judge({ runs: begun(4500), stills }, { exact: false }), 0)
    assert.lengthOf(judge({ runs: begun(2900), stills }), 0)
    assert.lengthOf(judge({ runs: begun(9500), stills }), 0)
    assert.lengthOf(judge({ runs: begun(4500), stills: [still("shared")] }), 0)
  })

  it("gives the workers more time where looks at the table take long", () => {
    const evidence = { given: [], runs: [run(3500, { key: null })], stills: [still("BesideLimited")] }
    assert.lengthOf(judge({ ...evidence, looks: [{ at: 2000, took: 100 }] }), 0)
    assert.strictEqual(countLong({ ...evidence, looks: [{ at: 2000, took: 100 }] }), 1)
    assert.strictEqual(countLong({ ...evidence, looks: [{ at: 2000, took: 2000 }] }), 0)
  })
})
