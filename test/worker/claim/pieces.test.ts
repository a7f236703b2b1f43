/** A look at everything in pieces, played without a database. */
import { assert, it } from "@effect/vitest"
import { Pieces } from "../../../src/internal/worker/pieces.ts"

const start = 1_700_000_000_000

it("goes back from the newest rows, and takes longer spans while they are quick", () => {
  const pieces = new Pieces(start, 1000)
  assert.deepStrictEqual(pieces.window, { from: start - 1000, to: start })
  pieces.succeeded(10, undefined)
  assert.deepStrictEqual(pieces.window, { from: start - 1000 - 4000, to: start - 1000 })
  pieces.succeeded(900, undefined)
  assert.strictEqual(pieces.window.to! - pieces.window.from!, 4000)
})

it("goes on in a span behind what it has claimed there", () => {
  const pieces = new Pieces(start, 1000)
  pieces.succeeded(10, start - 500)
  assert.deepStrictEqual(pieces.window, { from: start - 500, to: start })
})

it("makes a span shorter that is cut off, and leaves out one that can't be divided", () => {
  const pieces = new Pieces(start, 1000)
  pieces.cutOff(1000)
  assert.deepStrictEqual(pieces.window, { from: start - 250, to: start })
  for (let n = 0; n < 4; n++) pieces.cutOff(1000)
  assert.isBelow(pieces.window.to!, start)
})

it("ends with all that is older, and says whether one look would do again", () => {
  const pieces = new Pieces(start, 1000)
  let n = 0
  for (; !pieces.isDone && n < 100; n++) pieces.succeeded(1, undefined)
  assert.isTrue(pieces.isDone)
  assert.isBelow(n, 20)
  assert.isTrue(pieces.isNeedless)
})
