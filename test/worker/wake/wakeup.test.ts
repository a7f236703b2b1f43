/** Where the dispatcher sleeps: played without a database, by a clock of its own. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Wakeup } from "../../../src/internal/worker/wakeup.ts"

/** A dispatcher that has taken what there was at its start, and has nothing to do. */
const make = Effect.sync(() => {
  const clock = { now: 1000 }
  const wakeup = new Wakeup(() => clock.now)
  wakeup.take()
  return {
    wakeup,
    /** Lets time pass, for sleepers and for the local clock. */
    pass: (millis: number) =>
      Effect.suspend(() => {
        clock.now += millis
        return TestClock.adjust(millis)
      }),
    sleepFor: (millis: number) =>
      sleeping(wakeup.sleepUntil({ due: clock.now + millis, again: Infinity, poll: Infinity })),
    restFor: (millis: number) => sleeping(wakeup.restUntil(clock.now + millis)),
    wait: sleeping(wakeup.waitForRoom())
  }
})

/** Falls asleep beside the test, which can look whether it has ended. */
const sleeping = (sleep: Effect.Effect<unknown>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(sleep)
    // The fiber runs until it sleeps.
    yield* TestClock.adjust(0)
    return {
      hasEnded: Effect.andThen(TestClock.adjust(0), Effect.sync(() => fiber.pollUnsafe() !== undefined)),
      ended: Fiber.join(fiber)
    }
  })

it.effect("it begins awake: there may be tasks from before", () =>
  Effect.gen(function*() {
    const wakeup = new Wakeup(() => 1000)
    yield* wakeup.sleepUntil({ due: Infinity, again: Infinity, poll: Infinity })
    assert.isTrue(wakeup.isWoken)
    assert.isTrue(wakeup.take())
    assert.isFalse(wakeup.isWoken)
    assert.isFalse(wakeup.take())
  }))

it.effect("a sleep ends at its time, and not before", () =>
  Effect.gen(function*() {
    const { pass, sleepFor, wakeup } = yield* make
    const { ended, hasEnded } = yield* sleepFor(1000)
    yield* pass(999)
    assert.isFalse(yield* hasEnded)
    yield* pass(1)
    yield* ended
    assert.isFalse(wakeup.isWoken)
  }))

it.effect("a sleep without end ends when something becomes ready", () =>
  Effect.gen(function*() {
    const { pass, sleepFor, wakeup } = yield* make
    const { ended, hasEnded } = yield* sleepFor(Infinity)
    yield* pass(86_400_000)
    assert.isFalse(yield* hasEnded)
    wakeup.wake()
    yield* ended
    assert.isTrue(wakeup.take())
  }))

it.effect("what becomes ready while it works is not lost: the next sleep ends at once", () =>
  Effect.gen(function*() {
    const { pass, sleepFor, wakeup } = yield* make
    wakeup.wake()
    yield* (yield* sleepFor(1000)).ended
    assert.isTrue(wakeup.take())
    // And it is told once.
    const next = yield* sleepFor(1000)
    yield* pass(999)
    assert.isFalse(yield* next.hasEnded)
    yield* pass(1)
    yield* next.ended
  }))

it.effect("nor is it lost if another sleep has ended by it: it counts until it is taken", () =>
  Effect.gen(function*() {
    const { sleepFor, wait, wakeup } = yield* make
    const waiting = yield* wait
    wakeup.wake()
    yield* waiting.ended
    yield* (yield* sleepFor(1000)).ended
    assert.isTrue(wakeup.take())
  }))

it.effect("what becomes due earlier ends a sleep then, whether it was told before or meanwhile", () =>
  Effect.gen(function*() {
    const { pass, sleepFor, wakeup } = yield* make
    wakeup.dueIn(500)
    const { ended, hasEnded } = yield* sleepFor(1000)
    yield* pass(100)
    wakeup.dueIn(200)
    yield* pass(199)
    assert.isFalse(yield* hasEnded)
    yield* pass(1)
    yield* ended
    wakeup.forgetDue()
    wakeup.dueIn(500)
    const next = yield* sleepFor(1000)
    yield* pass(499)
    assert.isFalse(yield* next.hasEnded)
    yield* pass(1)
    yield* next.ended
  }))

it.effect("a sleep ends when it is time for a later answer, and tells why it has ended", () =>
  Effect.gen(function*() {
    const { pass, sleepFor, wakeup } = yield* make
    wakeup.wake(5)
    const { ended, hasEnded } = yield* sleepFor(1000)
    wakeup.wake(9)
    yield* pass(4)
    assert.isFalse(yield* hasEnded)
    yield* pass(1)
    assert.strictEqual(yield* ended, "Due")
    assert.isTrue(wakeup.take())
    assert.isFalse(wakeup.take())
    const until = { due: Infinity, again: 1010, poll: 1020 }
    const again = yield* sleeping(wakeup.sleepUntil(until))
    yield* pass(5)
    assert.strictEqual(yield* again.ended, "Again")
    const poll = yield* sleeping(wakeup.sleepUntil({ ...until, again: Infinity }))
    yield* pass(10)
    assert.strictEqual(yield* poll.ended, "Poll")
    wakeup.lookIn(5)
    const look = yield* sleeping(wakeup.sleepUntil({ due: Infinity, again: 1100, poll: 1200 }))
    yield* pass(5)
    assert.strictEqual(yield* look.ended, "Look")
  }))

it.effect("a claim or a look takes the place of a later answer", () =>
  Effect.gen(function*() {
    const { pass, sleepFor, wakeup } = yield* make
    wakeup.wake(5)
    wakeup.wake()
    assert.isTrue(wakeup.take())
    wakeup.wake(5)
    wakeup.forgetDue()
    yield* pass(10)
    assert.isFalse(wakeup.take())
    const { hasEnded } = yield* sleepFor(1000)
    assert.isFalse(yield* hasEnded)
  }))

it.effect("what becomes due later changes nothing", () =>
  Effect.gen(function*() {
    const { pass, sleepFor, wakeup } = yield* make
    wakeup.dueIn(300)
    wakeup.dueIn(500)
    const { ended, hasEnded } = yield* sleepFor(400)
    wakeup.dueIn(2000)
    yield* pass(299)
    assert.isFalse(yield* hasEnded)
    yield* pass(1)
    yield* ended
  }))

it.effect("what was due before a look for the next is forgotten", () =>
  Effect.gen(function*() {
    const { pass, sleepFor, wakeup } = yield* make
    wakeup.dueIn(100)
    yield* pass(200)
    wakeup.forgetDue()
    const { ended, hasEnded } = yield* sleepFor(1000)
    yield* pass(999)
    assert.isFalse(yield* hasEnded)
    yield* pass(1)
    yield* ended
  }))

it.effect("a rest goes on to its end, whatever becomes ready or due, and doesn't lose it", () =>
  Effect.gen(function*() {
    const { pass, restFor, sleepFor, wakeup } = yield* make
    const { ended, hasEnded } = yield* restFor(1000)
    wakeup.wake()
    assert.isFalse(yield* hasEnded)
    wakeup.dueIn(10)
    wakeup.roomChanged()
    yield* pass(999)
    assert.isFalse(yield* hasEnded)
    yield* pass(1)
    yield* ended
    yield* (yield* sleepFor(1000)).ended
    assert.isTrue(wakeup.take())
  }))

it.effect("a change in the pool ends the wait for room, also if nothing became ready", () =>
  Effect.gen(function*() {
    const { pass, wait, wakeup } = yield* make
    const { ended, hasEnded } = yield* wait
    yield* pass(86_400_000)
    assert.isFalse(yield* hasEnded)
    wakeup.roomChanged()
    yield* ended
    assert.isFalse(wakeup.isWoken)
  }))

it.effect("a change in the pool is nothing while it waits for something else", () =>
  Effect.gen(function*() {
    const { pass, sleepFor, wait, wakeup } = yield* make
    const sleep = yield* sleepFor(1000)
    wakeup.roomChanged()
    assert.isFalse(yield* sleep.hasEnded)
    yield* pass(1000)
    yield* sleep.ended
    // Between two sleeps, and after a wait that has ended otherwise.
    wakeup.roomChanged()
    const first = yield* wait
    assert.isFalse(yield* first.hasEnded)
    wakeup.wake()
    yield* first.ended
    wakeup.roomChanged()
    const second = yield* wait
    assert.isFalse(yield* second.hasEnded)
    wakeup.roomChanged()
    yield* second.ended
  }))

it.effect("a stop ends every sleep, and those that begin later", () =>
  Effect.gen(function*() {
    for (const sleep of ["sleepFor", "restFor"] as const) {
      const made = yield* make
      const { ended, hasEnded } = yield* made[sleep](Infinity)
      assert.isFalse(yield* hasEnded)
      made.wakeup.stop()
      yield* ended
      assert.isTrue(made.wakeup.stopped)
      yield* (yield* made[sleep](Infinity)).ended
    }
    const { wait, wakeup } = yield* make
    const { ended, hasEnded } = yield* wait
    assert.isFalse(yield* hasEnded)
    assert.isFalse(wakeup.stopped)
    wakeup.stop()
    yield* ended
    assert.isTrue(wakeup.stopped)
  }))

it.effect("a stop that comes while it works ends the wait for room", () =>
  Effect.gen(function*() {
    const { wait, wakeup } = yield* make
    wakeup.stop()
    yield* (yield* wait).ended
  }))
