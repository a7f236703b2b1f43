/** How much text a worker holds: counted without a database. */
import { assert, it } from "@effect/vitest"
import { Memory } from "../../../src/internal/worker/memory.ts"
import { claimedTask } from "../../support/worker/Claimed.ts"

const most = 32_000_000

const text = (length: number) => "x".repeat(length)

it("has room for 32 megabytes, and says how much is left", () => {
  const memory = new Memory()
  assert.strictEqual(memory.left, most)
  memory.hold(claimedTask({ step: text(most - 1) }))
  assert.strictEqual(memory.left, 1)
  assert.isFalse(memory.isFull)
  memory.hold(claimedTask({ step: text(1) }))
  assert.strictEqual(memory.left, 0)
  assert.isTrue(memory.isFull)
})

it("may hold more, as one row may be larger than what is left: then nothing is left", () => {
  const memory = new Memory()
  const claimed = claimedTask({ step: text(most + 5) })
  memory.hold(claimed)
  assert.strictEqual(memory.left, 0)
  memory.release(claimed)
  assert.strictEqual(memory.left, most)
})

it("counts a row once, with its new text, and what is being stored in place of it", () => {
  const memory = new Memory()
  const claimed = claimedTask({ step: text(100) })
  memory.hold(claimed)
  memory.hold(claimed, text(30))
  assert.strictEqual(memory.left, most - 130)
  claimed.advance(text(30))
  memory.hold(claimed)
  assert.strictEqual(memory.left, most - 30)
})

it("gets back all of a row, and only once", () => {
  const memory = new Memory()
  const [one, other] = [claimedTask({ step: text(100) }), claimedTask({ step: text(10) })]
  memory.hold(one)
  memory.hold(other)
  memory.hold(one, text(50))
  memory.release(one)
  assert.strictEqual(memory.left, most - 10)
  memory.release(one)
  assert.strictEqual(memory.left, most - 10)
})

it("counts nothing for a row that is too long to be read", () => {
  const memory = new Memory()
  memory.hold(claimedTask({ step: null }))
  assert.strictEqual(memory.left, most)
})
