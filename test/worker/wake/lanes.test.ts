/** What wakes the dispatchers of several lanes: played without a database, by a clock of its own. */
import { assert, it } from "@effect/vitest"
import { Crowd } from "../../../src/internal/worker/crowd.ts"
import { Wakeup } from "../../../src/internal/worker/wakeup.ts"
import { Wakeups } from "../../../src/internal/worker/wakeups.ts"

const make = () => {
  const clock = { now: 1000 }
  const now = () => clock.now
  const lanes = [new Wakeup(now), new Wakeup(now)]
  // A dispatcher begins awake.
  for (const lane of lanes) lane.take()
  const wakeups = new Wakeups(lanes, now)
  const crowd = new Crowd(now, () => 0.99)
  for (const peer of ["a", "b", "c", "d"]) crowd.heard({ workerId: peer, within: 60_000, size: 1 })
  return {
    clock,
    crowd,
    wakeups,
    answers: lanes.map((_, lane) => wakeups.answersOf(lane, crowd)),
    /** Which lanes were woken since the last time. */
    woken: () => lanes.map((lane) => lane.take())
  }
}

it("a notification wakes every lane", () => {
  const { wakeups, woken } = make()
  wakeups.wake()
  assert.deepStrictEqual(woken(), [true, true])
})

it("a lane whose last answer was in vain answers again a little later, the others at once", () => {
  const { answers, clock, wakeups, woken } = make()
  wakeups.wake()
  woken()
  answers[0]!.answered(false)
  answers[1]!.answered(true)
  clock.now += 1
  wakeups.wake()
  assert.deepStrictEqual(woken(), [false, true])
  clock.now += 15
  wakeups.wake()
  assert.deepStrictEqual(woken(), [true, true])
})

it("a worker answers at once in a crowd while one of its lanes finds tasks", () => {
  const { answers, crowd } = make()
  assert.isAbove(crowd.answer().delay, 0)
  answers[0]!.answered(true)
  answers[1]!.answered(false)
  assert.strictEqual(crowd.answer().delay, 0)
  answers[0]!.answered(false)
  assert.isAbove(crowd.answer().delay, 0)
})
