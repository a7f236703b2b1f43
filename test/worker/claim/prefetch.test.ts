/** How many rows a worker claims ahead: played without a database, by a clock of its own. */
import { assert, it } from "@effect/vitest"
import { Prefetch } from "../../../src/internal/worker/prefetch.ts"

const make = (options: { readonly bufferSize?: number; readonly concurrency?: number } = {}) =>
  new Prefetch({ bufferSize: 1000, concurrency: 4, ...options })

/** A claim fills the slots at `now`; the buffer is empty again after `millis`. Returns when that is. */
const emptiedAfter = (prefetch: Prefetch, now: number, millis: number): number => {
  prefetch.claimed(now, { buffered: true, full: true })
  prefetch.emptied(now + millis)
  return now + millis
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

it("a free slot without a row deepens it after a full claim, and only then", () => {
  const full = make()
  full.claimed(0, { buffered: false, full: true })
  full.starved(10)
  assert.strictEqual(full.target(10), 1)
  const partial = make()
  partial.claimed(0, { buffered: false, full: false })
  partial.starved(10)
  assert.strictEqual(partial.target(10), 0)
})

it("a second without tasks is forgotten: the next ones may be long", () => {
  const prefetch = make()
  const now = emptiedAfter(prefetch, 0, 10)
  assert.strictEqual(prefetch.target(now + 900), 1)
  assert.strictEqual(prefetch.target(now + 1100), 0)
})

it("a row that waited too long for a slot empties it", () => {
  const prefetch = make()
  const now = emptiedAfter(prefetch, 0, 10)
  prefetch.reset()
  assert.strictEqual(prefetch.target(now), 0)
})
