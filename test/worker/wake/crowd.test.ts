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

const make = (peers: number) => {
  const clock = { now: 1000 }
  const crowd = new Crowd(() => clock.now, makeRandom())
  for (let n = 0; n < peers; n++) crowd.heard(`peer ${n}`, 10_000)
  return { crowd, clock }
}

/** When a worker answers notifications that come apart. */
const delays = ({ clock, crowd }: ReturnType<typeof make>, count = 10_000) =>
  Array.from({ length: count }, () => {
    clock.now += 0.5
    return crowd.delay()
  })

const share = (all: ReadonlyArray<number>, most: number) => all.filter((delay) => delay <= most).length / all.length

it("a worker with one peer or none answers each notification at once", () => {
  for (const peers of [0, 1]) assert.strictEqual(Math.max(...delays(make(peers))), 0)
})

it("of a hundred workers one answers at once on average, one more within 12 ms, and all within 3 seconds", () => {
  const crowded = make(99)
  const all = delays(crowded)
  assert.closeTo(share(all, 0) * 100, 1, 0.3)
  assert.isAtMost(Math.max(...all), longestDelay)
  // A late look that comes near answers later notifications, too: so only the first ones are compared.
  assert.closeTo(share(delays(make(99), 2000), 0) * 100, 1, 0.7)
})

it("the fewer workers there are, the sooner the last of them looks", () => {
  assert.isAtMost(Math.max(...delays(make(9))), 10 * 30)
})

it("a worker that has claimed a row answers at once, until another one was faster", () => {
  const { crowd } = make(99)
  crowd.answered(true)
  assert.strictEqual(crowd.delay(), 0)
  crowd.answered(false)
  const later = Array.from({ length: 100 }, () => crowd.delay()).filter((delay) => delay > 0)
  assert.isAtLeast(later.length, 90)
})

it("workers answer more often after rows that nobody has claimed at once, and less often after claims in vain", () => {
  const crowded = make(99)
  for (let n = 0; n < 10; n++) crowded.crowd.foundLate()
  assert.closeTo(share(delays(crowded), 0) * 100, 8, 1)
  for (let n = 0; n < 10; n++) crowded.crowd.answered(false)
  assert.closeTo(share(delays(crowded), 0) * 100, 1, 0.3)
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
  crowd.heard("peer 1", Infinity)
  crowd.heard("peer 2", NaN)
  clock.now += 900_001
  assert.strictEqual(crowd.size, 1)
})
