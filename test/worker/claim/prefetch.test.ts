/** How many rows a worker claims ahead: played without a database, by a clock of its own. */
import { assert, it } from "@effect/vitest"
import { Prefetch } from "../../../src/internal/worker/prefetch.ts"

const make = (options: { readonly bufferSize?: number; readonly concurrency?: number } = {}) =>
  new Prefetch({ bufferSize: 1000, concurrency: 4, ...options })

/** A claim fills the slots at `now`; the buffer is empty again after `millis`. Returns when that is. */
const emptiedAfter = (prefetch: Prefetch, now: number, millis: number): number => {
  prefetch.claimed(now, { rows: 10, buffered: true, full: true })
  prefetch.emptied(now + millis)
  return now + millis
}

/** The target after the next claim, of so many rows, which were all that it asked for. */
const afterFull = (prefetch: Prefetch, now: number, rows = 10): number => {
  prefetch.claimed(now, { rows, buffered: false, full: true })
  return prefetch.target(now)
}

it("a worker that has seen no step claims nothing ahead", () => {
  assert.strictEqual(make().target(0), 0)
})

it("short steps deepen the buffer, from a quarter of the slots on, up to its size", () => {
  const prefetch = make({ bufferSize: 20, concurrency: 10 })
  const targets: Array<number> = []
  let now = 0
  for (let n = 0; n < 5; n++) {
    now = emptiedAfter(prefetch, now, 10)
    targets.push(prefetch.target(now))
  }
  assert.deepStrictEqual(targets, [3, 6, 12, 20, 20])
})

it("long steps shrink it to nothing", () => {
  const prefetch = make()
  let now = 0
  for (let n = 0; n < 3; n++) now = emptiedAfter(prefetch, now, 10)
  assert.strictEqual(prefetch.target(now), 4)
  const targets: Array<number> = []
  for (let n = 0; n < 3; n++) {
    now = emptiedAfter(prefetch, now, 500)
    targets.push(prefetch.target(now))
  }
  assert.deepStrictEqual(targets, [2, 1, 0])
})

it("steps between short and long change nothing", () => {
  const prefetch = make()
  const now = emptiedAfter(prefetch, emptiedAfter(prefetch, 0, 10), 250)
  assert.strictEqual(prefetch.target(now), 1)
})

it("a free slot without a row deepens it after a full claim of several rows, or two of a single one, and only then", () => {
  const full = make()
  full.claimed(0, { rows: 4, buffered: false, full: true })
  full.starved(10)
  assert.strictEqual(full.target(10), 1)
  const single = make()
  single.claimed(0, { rows: 1, buffered: false, full: true })
  single.starved(10)
  assert.strictEqual(single.target(10), 0)
  assert.strictEqual(afterFull(single, 10, 1), 1)
  const partial = make()
  partial.claimed(0, { rows: 3, buffered: false, full: false })
  partial.starved(10)
  assert.strictEqual(afterFull(partial, 10), 0)
})

it("a claim that brings less than it asked for shrinks it: the rest is on its way, and others may be idle", () => {
  const prefetch = make()
  let now = 0
  for (let n = 0; n < 3; n++) now = emptiedAfter(prefetch, now, 10)
  assert.strictEqual(prefetch.target(now), 4)
  prefetch.claimed(now, { rows: 3, buffered: true, full: false })
  assert.strictEqual(prefetch.target(now), 2)
})

it("a row that was claimed at the end of a long step, and did not wait for long, does not deepen it", () => {
  const prefetch = make({ concurrency: 1 })
  prefetch.claimed(0, { rows: 1, buffered: false, full: true })
  let now = 0
  for (let n = 0; n < 3; n++) {
    prefetch.emptied(now)
    prefetch.claimed(now + 90, { rows: 1, buffered: true, full: true })
    now += 100
  }
  assert.strictEqual(prefetch.target(now), 0)
})

it("one row after the other makes no large buffer: it shows that one row was due, not that many are", () => {
  const prefetch = make({ concurrency: 1 })
  for (let now = 0; now < 100; now += 10) {
    prefetch.claimed(now, { rows: 1, buffered: false, full: true })
    prefetch.starved(now + 5)
  }
  assert.strictEqual(prefetch.target(100), 1)
})

it("a second without tasks is forgotten: the next ones may be long", () => {
  const prefetch = make()
  const now = emptiedAfter(prefetch, 0, 10)
  assert.strictEqual(prefetch.target(now), 1)
  assert.strictEqual(prefetch.target(now + 900), 1)
  assert.strictEqual(prefetch.target(now + 1100), 0)
  emptiedAfter(prefetch, now + 1100, 10)
  prefetch.claimed(now + 2200, { rows: 4, buffered: false, full: true })
  assert.strictEqual(prefetch.target(now + 2200), 0)
})

it("a row that waited too long for a slot empties it", () => {
  const prefetch = make()
  const now = emptiedAfter(prefetch, 0, 10)
  assert.strictEqual(prefetch.target(now), 1)
  prefetch.reset()
  assert.strictEqual(prefetch.target(now), 0)
})
