/**
 * Where claims look while looks at everything are dear, or are cut off. Played without a database: what a look costs is
 * then the same on every machine.
 */
import { assert, it } from "@effect/vitest"
import type { Window } from "../../../src/internal/sql/claim.ts"
import { ClaimCursor } from "../../../src/internal/worker/claimCursor.ts"

const day = 86_400_000

/** When the look begins, in milliseconds since 1970. */
const start = 20_000 * day

/** A statement that takes longer is cut off, in milliseconds. */
const timeout = 300

interface Row {
  readonly due: number
  readonly dead: boolean
}

/** A table whose rows take a millisecond each to read, and a worker that claims one row after the other. */
const makeTable = (rows: ReadonlyArray<Row>) => {
  const left = new Set(rows)
  const cursor = new ClaimCursor(() => 10_000)
  const worker = { now: 0, cut: 0, looks: 0 }
  const readIn = ({ from = -Infinity, to = Infinity }: Window) =>
    [...left].filter(({ due }) => due >= from && due < to && due <= start + worker.now).sort((a, b) => a.due - b.due)

  const look = (): void => {
    const window = cursor.begin(worker.now, true)
    const read = readIn(window)
    const first = read.find(({ dead }) => !dead)
    const cost = first === undefined ? read.length : read.indexOf(first) + 1
    worker.looks++
    if (cost > timeout) {
      worker.now += timeout
      worker.cut++
      return cursor.failed({
        window,
        took: timeout,
        cancelled: true,
        now: worker.now,
        serverTime: start + worker.now
      })
    }
    worker.now += cost
    if (first !== undefined) left.delete(first)
    cursor.end({ window, full: first !== undefined, last: first?.due, now: worker.now, took: cost })
    // It sleeps until it must look at everything again.
    if (first === undefined && !cursor.goesOn(worker.now)) {
      worker.now = Math.max(worker.now, Math.min(cursor.nextScan, worker.now + 10_000))
    }
  }
  return {
    worker,
    look,
    add: (row: Row) => left.add(row),
    hasLive: () => [...left].some(({ dead }) => !dead),
    has: (row: Row) => left.has(row)
  }
}

/** Dead rows, spread over a day, and live ones among the newest of them. */
const wade = (dead: number): ReadonlyArray<Row> => [
  ...Array.from({ length: dead }, (_, n) => ({ due: start - (day * (n + 1)) / dead, dead: true })),
  ...Array.from({ length: 5 }, (_, n) => ({ due: start - (day * (n + 0.5)) / 10, dead: false }))
]

it("a new task is claimed at once, after the first look was cut off", () => {
  const { add, has, look, worker } = makeTable(wade(20_000))
  look()
  assert.strictEqual(worker.cut, 1)
  const fresh = { due: start + worker.now, dead: false }
  add(fresh)
  look()
  assert.isFalse(has(fresh))
})

for (const dead of [400, 20_000]) {
  it(`what is old is claimed in parts: ${dead} dead rows`, () => {
    const { hasLive, look, worker } = makeTable(wade(dead))
    while (hasLive() && worker.looks < 5000) look()
    assert.isFalse(hasLive())
    // It learns how much it can read: hardly any part is cut off.
    assert.isAtMost(worker.cut, 20)
  })
}

it("a moment with too many dead rows keeps the worker from that moment alone", () => {
  const { hasLive, look, worker } = makeTable([
    ...Array.from({ length: 1000 }, () => ({ due: start - 5000, dead: true })),
    { due: start - 1000, dead: false },
    { due: start - day, dead: false }
  ])
  while (hasLive() && worker.looks < 1000) look()
  assert.isFalse(hasLive())
})

it("a claim that was held up does not make looks at everything seem cheap", () => {
  const cursor = new ClaimCursor(() => 10_000)
  let now = 0
  const claim = (took: number, window: Window = cursor.begin(now, false)) => {
    now += took
    cursor.end({ window, full: false, last: start, now, took })
  }
  const looks = () => {
    now = cursor.nextScan
    const window = cursor.begin(now, true)
    assert.isUndefined(window.from)
    claim(100, window)
  }
  claim(100)
  for (const heldUp of [2, 100, 2, 500, 2]) {
    claim(heldUp)
    looks()
    assert.isFalse(cursor.isCheap)
  }
})
