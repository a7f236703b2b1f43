/** Plans for rounds in which the database is hard to reach and no worker crashes: many steps outlast a lease. */
import { accounts, makeOp, type Op, type Plan } from "./Plan.ts"
import type { Random } from "./Random.ts"

export interface SpellStyle {
  /** Of the workers, in milliseconds. */
  readonly lease: number
  /** Whether steps write in their transactions: what the database refuses them is their own failure. */
  readonly writes: boolean
  /** Only transactional steps that outlast a lease, and hold their connection for as long. */
  readonly longTransactions: boolean
}

/**
 * No deadlock, no serialization failure: all accounts are locked in the same order, at the usual isolation level. So
 * every try that is counted is one that the plan asks for.
 */
export const opOf = (random: Random, { writes }: SpellStyle, given: Partial<Op> = {}): Op => {
  const from = random.int(1, accounts - 1)
  const amount = writes ? random.int(1, 100) : 0
  return makeOp(random, { strict: false, from, to: from + 1, amount, wait: random.int(0, 3000), ...given })
}

const slow = (random: Random, style: SpellStyle, given: Partial<Op> = {}): Op => {
  const millis = Math.round(style.lease * (0.3 + 2 * random.next()))
  return opOf(random, style, { kind: "slow", failures: 0, millis, ...given })
}

const shapes = {
  slow: (random: Random, style: SpellStyle) => [opOf(random, style), slow(random, style), opOf(random, style)],
  "slow chain": (random: Random, style: SpellStyle) => [
    slow(random, style, { onward: "now" }),
    slow(random, style, { onward: "now" })
  ],
  chain: (random: Random, style: SpellStyle) => Array.from({ length: random.int(2, 8) }, () => opOf(random, style)),
  loop: (random: Random, style: SpellStyle) => [opOf(random, style, { rounds: random.int(5, 20), onward: "now" })],
  "fast loop": (random: Random, style: SpellStyle) => [
    opOf(random, style, { mode: "async", rounds: random.int(10, 40), onward: "now" }),
    opOf(random, style, { mode: "free" }),
    opOf(random, style, { mode: "async", rounds: random.int(2, 10) })
  ],
  flaky: (random: Random, style: SpellStyle) => [
    opOf(random, style, { kind: "flaky", mode: "free", failures: random.int(1, 3) }),
    slow(random, style)
  ],
  parent: (random: Random, style: SpellStyle) => [
    opOf(random, style, {
      mode: random.pick(["bound", "commit"] as const),
      child: style.writes ? Array.from({ length: 2 }, () => opOf(random, style, { mode: "bound" })) : []
    })
  ]
} satisfies Record<string, (random: Random, style: SpellStyle) => ReadonlyArray<Op>>

const weights: Record<keyof typeof shapes, number> = {
  slow: 8,
  "slow chain": 4,
  chain: 4,
  loop: 2,
  "fast loop": 3,
  flaky: 2,
  parent: 2
}

const longTransaction = (random: Random, style: SpellStyle): ReadonlyArray<Op> => {
  const millis = Math.round(style.lease * (1.2 + 1.3 * random.next()))
  return [opOf(random, style, { kind: "slow", mode: "bound", failures: 0, millis }), opOf(random, style)]
}

const ways = { together: 6, delayed: 2, scheduled: 1, direct: 2, batch: 4, "by hand": 1, "rolled back": 1 } as const

export const makeSpellPlans = (random: Random, count: number, style: SpellStyle): ReadonlyArray<Plan> =>
  Array.from({ length: count }, (_, n) => ({
    id: `p${n}`,
    task: random.chance(0.3) ? "Errand" : "Journey",
    how: random.weighted(ways),
    ops: style.longTransactions ? longTransaction(random, style) : shapes[random.weighted(weights)](random, style)
  }))
