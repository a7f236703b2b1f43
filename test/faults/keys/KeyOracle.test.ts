/** The oracle sees each way in which the promise of a key can be broken. */
import { assert, describe, it } from "@effect/vitest"
import type { Evidence } from "../RoundResult.ts"
import type { KeyedPlan } from "./KeyCalls.ts"
import type { Call } from "./KeyLedger.ts"
import { judgeKeyed, keyedFates } from "./KeyOracle.ts"
import type { PlanKey } from "./PlanKey.ts"

const plan = (n: number, onConflict: PlanKey["onConflict"] = "replace", how: KeyedPlan["how"] = "together") => ({
  id: `k0.${n}`,
  task: "Keyed" as const,
  how,
  ops: [],
  key: { key: "k0", onConflict, delay: 0, rest: 0 }
})

const call = (n: number, at: number, told: Partial<Call>): Call => ({
  plan: `k0.${n}`,
  key: "k0",
  created: false,
  status: "ready",
  task: "row",
  began: at,
  at,
  ...told
})

/** What the oracle says of calls, and of transfers at these times. */
const judge = (
  plans: ReadonlyArray<KeyedPlan>,
  calls: ReadonlyArray<Call>,
  transfers: ReadonlyArray<readonly [n: number, at: number]>
) => {
  const found = transfers.map(([n, at], seq) => ({
    plan: `k0.${n}`,
    seq,
    round: 1,
    source: 1,
    target: 2,
    amount: 1,
    at
  }))
  const evidence: Pick<Evidence, "calls" | "runs" | "transfers"> = {
    calls,
    runs: new Map(),
    transfers: new Map(found.map((one) => [`${one.plan} ${one.seq}.1`, [one]]))
  }
  const complaints: Array<string> = []
  judgeKeyed(plans, evidence as Evidence, undefined, (what) => void complaints.push(what))
  const fates = keyedFates(plans, evidence as Evidence, () => false)
  return { complaints: complaints.join("\n"), fates: plans.map(({ id }) => fates.get(id)) }
}

const three = [plan(0), plan(1), plan(2)]
const created = call(0, 10, { created: true })

describe("calls with one key", () => {
  it("are fine: stored, replaced while it ran, and done", () => {
    const calls = [created, call(1, 20, { status: "running" }), call(2, 40, { created: true, task: "other" })]
    const { complaints, fates } = judge(three, calls, [[0, 15], [0, 21], [1, 30], [2, 50]])
    assert.strictEqual(complaints, "")
    assert.deepStrictEqual(fates, ["Replaced", "Done", "Done"])
  })

  it("are Nothing if they only found a row, and must have found one", () => {
    const plans = [plan(0), plan(1, "keep")]
    assert.deepStrictEqual(judge(plans, [created, call(1, 20, {})], []).fates, ["Done", "Nothing"])
    assert.include(judge(plans, [created, call(1, 20, { task: "gone" })], []).complaints, "which nobody has stored")
  })

  const wrong: Record<string, readonly [calls: ReadonlyArray<Call>, ReadonlyArray<readonly [number, number]>, string]> =
    {
      "ran on after another state had its place": [
        [created, call(1, 20, {})],
        [[0, 21], [1, 30]],
        "took the place of what moved money afterwards"
      ],
      "took more than the step that ran": [
        [created, call(1, 20, { status: "running" })],
        [[0, 21], [0, 22], [1, 30]],
        "took the place of what moved money afterwards"
      ],
      "ran beside each other": [
        [created, call(1, 20, { status: "running" })],
        [[0, 15], [1, 21], [0, 22]],
        "ran beside each other"
      ],
      "ran in another order": [[created, call(1, 20, { status: "running" })], [[1, 21], [0, 22]], "not as k0.0, k0.1"],
      "got another row": [[created, call(1, 20, { task: "other" })], [], "got the row other, after row"],
      "stored a row that was there": [[created, call(1, 20, { created: true })], [], "got the row row, after row"]
    }
  for (const [name, [calls, transfers, message]] of Object.entries(wrong)) {
    it(`are wrong if they ${name}`, () => {
      assert.include(judge(three, calls, transfers).complaints, message)
    })
  }

  it("without a transaction are wrong if they ran beside each other", () => {
    const plans = [plan(0, "keep", "direct"), plan(1, "keep", "direct")]
    const calls = [created, call(1, 20, { created: true, task: "other" })]
    assert.strictEqual(judge(plans, calls, [[1, 20], [1, 21], [0, 30]]).complaints, "")
    assert.include(judge(plans, calls, [[1, 20], [0, 21], [1, 30]]).complaints, "ran beside each other")
  })
})
