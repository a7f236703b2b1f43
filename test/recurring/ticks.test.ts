// Which ticks are due, by the clocks of a zone: against Effect's own sequence.
import { assert, describe, it } from "@effect/vitest"
import { Cron } from "effect"
import { dueTicks } from "../../src/internal/definition/schedule.ts"

/** All ticks of a year, worked through in looks at any moments. */
const walk = (cron: Cron.Cron, from: number, to: number, step: number): ReadonlyArray<number> => {
  const ticks: Array<number> = []
  let first = Cron.next(cron, new Date(from)).getTime()
  for (let now = from; now < to; now += step) {
    while (first <= now) {
      const { next, run } = dueTicks(cron, { first, now, jitter: 0, missed: "all" })
      ticks.push(...run)
      first = next
    }
  }
  return ticks
}

const expected = (cron: Cron.Cron, from: number, count: number): ReadonlyArray<number> => {
  const ticks: Array<number> = []
  for (const tick of Cron.sequence(cron, new Date(from))) {
    if (ticks.push(tick.getTime()) === count) return ticks
  }
  return ticks
}

const year = Date.parse("2026-01-01T00:00:00Z")
const day = 86_400_000

describe("the ticks of a year", () => {
  const zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]
  const crons = ["30 2 * * *", "*/30 * * * *", "15 1,2 * * 0", "0 0 31 * *"]
  for (const zone of zones) {
    for (const expression of crons) {
      it(`${expression} in ${zone}: none is missing, none comes twice`, () => {
        const cron = Cron.parseUnsafe(expression, zone)
        const ticks = walk(cron, year, year + 365 * day, 7.3 * day)
        assert.deepStrictEqual(ticks, expected(cron, year, ticks.length))
        assert.strictEqual(new Set(ticks).size, ticks.length)
      })
    }
  }
})

describe("ticks that were missed", () => {
  const hourly = Cron.parseUnsafe("0 * * * *")
  const at = (hours: number) => year + hours * 3_600_000
  const policies = { first: at(1), jitter: 0 }

  it("are one with `once`, however late", () => {
    const due = dueTicks(hourly, { ...policies, now: at(72) - 1, missed: "once" })
    assert.deepStrictEqual(due, { run: [at(71)], missed: 70, next: at(72) })
  })

  it("are none with `skip`, unless the newest is not late", () => {
    assert.deepStrictEqual(dueTicks(hourly, { ...policies, now: at(3) + 60_001, missed: "skip" }), {
      run: [],
      missed: 3,
      next: at(4)
    })
    assert.deepStrictEqual(dueTicks(hourly, { ...policies, now: at(3) + 60_000, missed: "skip" }), {
      run: [at(3)],
      missed: 2,
      next: at(4)
    })
  })
})
