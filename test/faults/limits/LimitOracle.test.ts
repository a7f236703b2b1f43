/** The oracle of limited tasks finds what is wrong. */
import { assert, describe, it } from "@effect/vitest"
import { judgeLimits, mostAtOnce, type NotedRun } from "./LimitOracle.ts"
import type { LimitPlan } from "./LimitPlan.ts"

const plans: ReadonlyArray<LimitPlan> = [{
  id: "l1",
  key: "1-a",
  how: "together",
  ops: [{ kind: "own", millis: 0, failures: 0, backsOff: 0, onward: "now" }]
}]

const run = (began: number, ended: number | null, more: Partial<NotedRun> = {}): NotedRun => ({
  plan: "l1",
  seq: 0,
  key: "own:1-a",
  slotless: false,
  young: false,
  task: "t1",
  transitions: 0,
  attempt: 1,
  started: began,
  began,
  ended,
  ...more
})

const strict = {
  interruptions: new Map(),
  interrupters: new Set<string>(),
  losses: 0,
  boundAgain: false,
  ownFailures: false,
  forgets: false,
  stalled: false
}

const judge = (runs: ReadonlyArray<NotedRun>, more: Partial<Parameters<typeof judgeLimits>[0]> = {}) =>
  judgeLimits({ plans, evidence: { runs, gone: new Set(), touched: new Set() }, strict, ...more })

describe("the oracle of limited tasks", () => {
  it("counts how many steps were at work at the same time", () => {
    assert.strictEqual(mostAtOnce([run(0, 2), run(2, 4), run(4, 6)]), 1)
    assert.strictEqual(mostAtOnce([run(0, 3), run(2, 5), run(4, 6)]), 2)
    assert.strictEqual(mostAtOnce([run(0, null), run(2, 5)]), 1)
  })

  it("is content with steps one after the other", () => assert.deepStrictEqual(judge([run(0, 2), run(2, 4)]), []))

  it("finds steps at work at the same time, unless workers have crashed", () => {
    const runs = [run(0, 3), run(2, 5)]
    assert.deepStrictEqual(judge(runs), ["2 steps of own:1-a were at work at the same time"])
    assert.deepStrictEqual(judge(runs, { strict: undefined }), [])
  })

  it("finds a step that began without its slot, unless the server had just started, or a hand was there", () => {
    const slotless = run(0, 2, { slotless: true })
    assert.lengthOf(judge([slotless], { strict: undefined }), 1)
    assert.lengthOf(judge([{ ...slotless, young: true }], { strict: undefined }), 0)
    const evidence = { runs: [slotless], gone: new Set<string>(), touched: new Set(["l1"]) }
    assert.lengthOf(judge([], { evidence }), 0)
  })

  it("finds a step that was never run, unless its task was deleted", () => {
    assert.deepStrictEqual(judge([]), ["step 0 of l1 was never run"])
    assert.deepStrictEqual(judge([], { evidence: { runs: [], gone: new Set(["l1"]), touched: new Set() } }), [])
  })
})
