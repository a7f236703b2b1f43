/** How many of many workers answer a notification at once: played without a database, by a clock of its own. */
import { assert, it } from "@effect/vitest"
import { Crowd, longestDelay } from "../../../src/internal/worker/crowd.ts"

/** The same numbers each time. */
const makeRandom = () => {
  let state = 1
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
}

const probe = (peer: number, { size = 1, within = 10_000 } = {}) => ({ workerId: `peer ${peer}`, within, size })

const make = (peers: number) => {
  const clock = { now: 1000 }
  const crowd = new Crowd(() => clock.now, makeRandom())
  for (let n = 0; n < peers; n++) crowd.heard(probe(n, { within: 10_000 }))
  return { crowd, clock }
}

/** When a worker answers notifications that come apart. */
const delays = ({ clock, crowd }: ReturnType<typeof make>, count = 10_000) =>
  Array.from({ length: count }, () => {
    clock.now += 0.5
    return crowd.answer().delay
  })

const share = (all: ReadonlyArray<number>, most: number) => all.filter((delay) => delay <= most).length / all.length

it("a worker with one peer or none answers each notification at once", () => {
  for (const peers of [0, 1]) assert.strictEqual(Math.max(...delays(make(peers))), 0)
})

it("of a hundred workers one answers at once on average, one more claims within 6 ms, and all look within 3 seconds", () => {
  const crowded = make(99)
  const all = delays(crowded)
  assert.closeTo(share(all, 0) * 100, 1, 0.3)
  assert.isAtMost(Math.max(...all), longestDelay)
  const { crowd } = make(99)
  const soon = Array.from({ length: 10_000 }, () => crowd.answer()).filter(({ _tag, delay }) =>
    _tag === "Claim" && delay > 0
  )
  assert.closeTo(soon.length / 100, 1, 0.3)
  assert.isAtMost(Math.max(...soon.map(({ delay }) => delay)), 6)
})

it("the fewer workers there are, the sooner the last of them looks", () => {
  assert.isAtMost(Math.max(...delays(make(9))), 10 * 30)
})

it("a worker that has claimed a row answers at once, until another one was faster", () => {
  const { crowd } = make(99)
  crowd.answered(true)
  assert.deepStrictEqual(crowd.answer(), { _tag: "Claim", delay: 0 })
  crowd.answered(false)
  const later = Array.from({ length: 100 }, () => crowd.answer().delay).filter((delay) => delay > 0)
  assert.isAtLeast(later.length, 90)
})

it("workers answer more often after rows that nobody has claimed at once, and less often after claims in vain", () => {
  const crowded = make(99)
  for (let n = 0; n < 10; n++) crowded.crowd.foundLate()
  assert.closeTo(share(delays(crowded), 0) * 100, 8, 1)
  for (let n = 0; n < 10; n++) crowded.crowd.answered(false)
  assert.closeTo(share(delays(crowded), 0) * 100, 0.7, 0.3)
})

it("a peer counts until its next probe is long overdue", () => {
  const { clock, crowd } = make(9)
  clock.now += 14_000
  assert.strictEqual(crowd.size, 10)
  clock.now += 2000
  assert.strictEqual(crowd.size, 1)
})

it("false probes make no more than a thousand peers, for a quarter of an hour", () => {
  const { clock, crowd } = make(5000)
  assert.strictEqual(crowd.size, 1001)
  crowd.heard(probe(1, { within: Infinity, size: Infinity }))
  crowd.heard(probe(2, { within: NaN, size: NaN }))
  assert.strictEqual(crowd.size, 1001)
  clock.now += 900_001
  assert.strictEqual(crowd.size, 1)
})

it("a worker whose claim was in vain leaves the next look to others, unless there are few, or it had claimed a row", () => {
  const { crowd } = make(99)
  assert.isAbove(crowd.answered(false), 0)
  assert.strictEqual(crowd.answered(true), 0)
  assert.strictEqual(crowd.answered(false), 0)
  assert.isAbove(crowd.answered(false), 0)
  assert.strictEqual(make(1).crowd.answered(false), 0)
})

it("a new worker believes a peer that knows more of them, for as long as that one may be silent", () => {
  const { clock, crowd } = make(2)
  crowd.heard(probe(1, { size: 100, within: 10_000 }))
  crowd.heard(probe(2, { size: 3, within: 10_000 }))
  assert.strictEqual(crowd.size, 100)
  assert.strictEqual(crowd.heardOf, 4)
  clock.now += 14_000
  crowd.heard(probe(2, { size: 3, within: 10_000 }))
  assert.strictEqual(crowd.size, 100)
  clock.now += 2000
  crowd.heard(probe(2, { size: 3, within: 10_000 }))
  assert.strictEqual(crowd.size, 3)
})

it("a new worker is welcomed within a second by its only peer, and by few of many; one that knows enough is not", () => {
  const { crowd } = make(0)
  assert.isAtMost(crowd.heard(probe(1)) ?? Infinity, 1000)
  assert.isUndefined(crowd.heard(probe(1)))
  const crowded = make(99).crowd
  const welcomes = Array.from({ length: 500 }, (_, n) => crowded.heard(probe(1000 + n)))
  // Of 100 to 600 workers: the sum of two of each.
  assert.closeTo(welcomes.filter((delay) => delay !== undefined).length / 500, 2 * Math.log(6) / 500, 0.01)
  assert.isUndefined(make(9).crowd.heard(probe(-1, { size: 10 })))
})
