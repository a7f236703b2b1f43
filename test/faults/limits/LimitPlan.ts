/** What the limited tasks of a round do: chains of steps, most of which need a slot of a key that others want, too. */
import * as Schema from "effect/Schema"
import type { Random } from "../Random.ts"

export const LimitOp = Schema.Struct({
  /** Which slot it needs: one of its key, the same in a transaction, one that all keys share, or none. */
  kind: Schema.Literals(["own", "bound", "shared", "free"]),
  /** How long it takes. */
  millis: Schema.Number,
  /** How often it fails before. */
  failures: Schema.Number,
  onward: Schema.Literals(["now", "delay"])
})
export type LimitOp = typeof LimitOp.Type

export interface LimitPlan {
  readonly id: string
  /** It begins with how many of it may run. */
  readonly key: string
  readonly ops: ReadonlyArray<LimitOp>
  /** How it is enqueued. The last three are stored without their limit. */
  readonly how: "together" | "batch" | "delayed" | "keyed" | "by hand"
}

export const keys = ["1-a", "1-b", "2-a", "3-a"] as const

export const ownRunning = (key: string): number => Number(key[0])
export const sharedRunning = 2

/** How many rows of a `limit_key` may hold a slot. */
export const runningOf = (limitKey: string): number =>
  limitKey === "shared" ? sharedRunning : ownRunning(limitKey.slice("own:".length))

const makeOp = (random: Random, slow: number): LimitOp => ({
  kind: random.weighted({ own: 5, bound: 2, shared: 3, free: 1 }),
  millis: random.chance(0.05) ? slow : random.int(0, 150),
  failures: random.chance(0.1) ? random.int(1, 2) : 0,
  onward: random.weighted({ now: 4, delay: 1 })
})

/** `slow`: what a few steps take, in milliseconds. */
export const makeLimitPlans = (random: Random, count: number, slow: number): ReadonlyArray<LimitPlan> =>
  Array.from({ length: count }, (_, n) => ({
    id: `l${n}`,
    key: random.pick(keys),
    ops: Array.from({ length: random.int(1, 4) }, () => makeOp(random, slow)),
    how: random.weighted({ together: 5, batch: 3, delayed: 1, keyed: 1, "by hand": 2 })
  }))
