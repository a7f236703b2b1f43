/** Plans with keys: groups of calls with the same key, which follow each other closely, from all producers. */
import { type How, makeOp, type Op, type Plan } from "../Plan.ts"
import type { Random } from "../Random.ts"
import type { PlanKey } from "./PlanKey.ts"

export interface KeyStyle {
  /** How long slow steps take, in milliseconds. */
  readonly slow: number
  /** Whether a run may hurt. */
  readonly faults: boolean
  /** Makes a step of it. Default: any. */
  readonly opOf?: (random: Random, given: Partial<Op>) => Op
}

/** What calls with one key are like. */
const manners = {
  /** The row is replaced again and again while it runs. */
  storm: { replace: 1 },
  debounced: { debounce: 1 },
  throttled: { throttle: 1 },
  first: { keep: 4, fail: 1 },
  mixed: { keep: 3, fail: 1, replace: 4, debounce: 1, throttle: 1 }
} as const satisfies Record<string, { readonly [K in PlanKey["onConflict"]]?: number }>

type Manner = keyof typeof manners

const ways: { readonly [K in How]?: number } = { together: 10, savepoint: 2, "rolled back": 2, batch: 4 }

const opOf = (random: Random, { faults, opOf = makeOp, slow }: KeyStyle, last: boolean): Op => {
  const kind = random.weighted({ plain: 6, slow: 3, flaky: 2, stubborn: 1, robbed: faults ? 1 : 0 })
  const onward = random.weighted({ now: 4, delay: 2, at: 1, final: last ? 3 : 0 })
  const free = kind === "flaky" || kind === "stubborn"
  const mode = free ? "free" : random.weighted({ free: 2, bound: 2, commit: 1 })
  const millis = random.int(slow / 4, slow)
  return opOf(random, { kind, mode, onward, millis, failures: kind === "flaky" ? random.int(1, 3) : 0, child: [] })
}

const onConflictOf = (random: Random, manner: Manner) =>
  random.weighted<PlanKey["onConflict"]>({ keep: 0, fail: 0, replace: 0, debounce: 0, throttle: 0, ...manners[manner] })

/** Its calls. In a `first`, some are sent without a transaction: then nobody knows in which order they came. */
const group = (random: Random, key: string, manner: Manner, style: KeyStyle): ReadonlyArray<Plan> => {
  const direct = manner === "first" && random.chance(0.7)
  const delayed = manner === "debounced" || manner === "throttled"
  return Array.from({ length: random.int(6, 14) }, (_, n): Plan => {
    const steps = random.int(1, 3)
    const onConflict = onConflictOf(random, manner)
    const how = direct ? "direct" : random.weighted({ ...noWay, ...ways })
    return {
      id: `${key}.${n}`,
      task: "Keyed",
      // A batch in which one key is taken would be none.
      how: how === "batch" && onConflict === "fail" ? "together" : how,
      ops: Array.from({ length: steps }, (_, seq) => opOf(random, style, seq === steps - 1)),
      key: { key, onConflict, delay: delayed || random.chance(0.2) ? 400 : 0, rest: random.int(0, 300) }
    }
  })
}

const noWay = {
  together: 0,
  savepoint: 0,
  delayed: 0,
  scheduled: 0,
  "rolled back": 0,
  direct: 0,
  batch: 0,
  "by hand": 0
} satisfies Record<How, number>

const order: ReadonlyArray<Manner> = ["storm", "mixed", "first", "debounced", "throttled"]

/** The plans, with groups of calls with keys among them. */
export const withKeys = (random: Random, plans: ReadonlyArray<Plan>, style: KeyStyle): ReadonlyArray<Plan> => {
  const groups = Array.from(
    { length: Math.max(order.length, Math.round(plans.length / 20)) },
    (_, n) => group(random.fork(`key ${n}`), `k${n}`, order[n] ?? random.pick(order), style)
  )
  const every = Math.ceil(plans.length / groups.length)
  return groups.flatMap((group, n) => [...group, ...plans.slice(n * every, (n + 1) * every)])
}
