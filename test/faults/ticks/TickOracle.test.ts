/** The oracle sees each tick that is missing, doubled, or none. */
import { assert, describe, it } from "@effect/vitest"
import type { ScheduleRow, Ticking } from "./TickLedger.ts"
import { judgeTicking } from "./TickOracle.ts"

const start = Date.parse("2026-01-01T00:00:00Z")

const judge = (ticks: ReadonlyArray<number>, row: Partial<ScheduleRow> = {}, rest: Partial<Ticking> = {}): string => {
  const complaints: Array<string> = []
  const key = row.key ?? "each second"
  judgeTicking({
    clockworks: [{ key, cron: "* * * * * *", zone: "UTC", first: start }],
    schedules: [{ key, next: start + 4000, missed: 0, overlapped: 0, error: null, ...row }],
    ticks: ticks.map((second) => ({ key, tick: start + second * 1000 })),
    turnedBack: [],
    ...rest
  }, (what) => void complaints.push(what))
  return complaints.join("\n")
}

describe("the ticks of a schedule", () => {
  it("are fine: each once, or accounted for", () => {
    assert.strictEqual(judge([0, 1, 2, 3]), "")
    assert.strictEqual(judge([3, 0], { key: "once", missed: 1, overlapped: 1 }), "")
  })

  it("are wrong if one is missing, comes twice, or is none", () => {
    assert.include(judge([0, 1, 3]), "did not tick at 2026-01-01T00:00:02.000Z")
    assert.include(judge([0, 1, 3], { missed: 1 }), "did not tick")
    assert.include(judge([0, 1, 3], { key: "once" }), "did not tick")
    assert.include(judge([0, 1, 2, 3], { key: "once", missed: 1 }), "did not tick")
    assert.include(judge([0, 1, 1, 2, 3]), "ticked twice at 2026-01-01T00:00:01.000Z")
    assert.include(judge([0, 1, 1.5, 2, 3]), "which is none of its ticks")
    assert.include(judge([0, 1, 2, 3, 4]), "which is none of its ticks")
  })

  it("are wrong if the schedule is parked, gone, doubled or turned back", () => {
    assert.include(judge([0, 1, 2, 3], { error: "why" }), "is parked: why")
    assert.include(judge([0, 1, 2, 3], {}, { schedules: [] }), "has 0 rows")
    assert.include(judge([0, 1, 2, 3], {}, { turnedBack: ["versioned"] }), "got the spec of an older build")
  })
})
