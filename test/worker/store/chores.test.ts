/** What a poll asks along: played without a database, by a clock of its own. */
import { assert, it } from "@effect/vitest"
import { Chores } from "../../../src/internal/worker/chores.ts"
import { OthersLooks } from "../../../src/internal/worker/othersLooks.ts"

const none = { expired: false, forgotten: false, notes: false, atDoor: false }

const make = () => {
  const clock = { now: 0 }
  const now = () => clock.now
  const othersLooks = new OthersLooks(now)
  return { clock, othersLooks, chores: new Chores({ now, tasks: ["Jobs"], othersLooks }) }
}

it("the first poll asks, and one each 45 seconds", () => {
  const { chores, clock } = make()
  const asked: Array<number> = []
  for (; clock.now < 120_000; clock.now += 1000) if (chores.takeShared() !== undefined) asked.push(clock.now)
  assert.deepStrictEqual(asked, [0, 45_000, 90_000])
})

it("whoever does the work hears of it, and of no other", () => {
  const { chores } = make()
  const heard: Array<string> = []
  for (const chore of ["expired", "forgotten", "notes", "atDoor"] as const) chores.on(chore, () => heard.push(chore))
  chores.answered(none, 1)
  assert.deepStrictEqual(heard, [])
  chores.answered({ ...none, forgotten: true, atDoor: true }, 1)
  assert.deepStrictEqual(heard, ["forgotten", "atDoor"])
})

it("a worker looks by itself if no poll has asked for a while, or if its last poll has failed", () => {
  const { chores, clock } = make()
  chores.takeShared()
  assert.isFalse(chores.isAsked(60_000))
  chores.answered(none, 1)
  assert.isTrue(chores.isAsked(60_000))
  clock.now += 60_000
  assert.isFalse(chores.isAsked(60_000))
})

it("after a slow answer no poll asks for ten minutes", () => {
  const { chores, clock } = make()
  chores.takeShared()
  chores.answered(none, 51)
  clock.now += 599_000
  assert.isUndefined(chores.takeShared())
  clock.now += 1000
  assert.deepStrictEqual(chores.takeShared(), ["Jobs"])
})

it("a worker that leaves these looks to others does not ask", () => {
  const { chores, clock, othersLooks } = make()
  othersLooks.trust(30_000)
  assert.isUndefined(chores.takeShared())
  clock.now += 30_000
  assert.isDefined(chores.takeShared())
})
