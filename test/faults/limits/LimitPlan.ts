/** What the limited tasks of a round do: chains of steps, most of which need a slot of a key that others want, too. */
import * as Schema from "effect/Schema"
import type { Random } from "../Random.ts"

export const LimitOp = Schema.Struct({
  /**
   * Which slot it needs: one of its key, the same in a transaction, one that all keys share, or none. Or one of its key
   * and a moment of its rate, or a moment that all keys share.
   */
  kind: Schema.Literals(["own", "bound", "shared", "free", "rated", "paced"]),
  /** How long it takes. */
  millis: Schema.Number,
  /** How often it fails before. */
  failures: Schema.Number,
  /** For how long its first attempt lets its key back off, in milliseconds. */
  backsOff: Schema.Number,
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

export const ratedRunning = 3

/** Starts per so many milliseconds: more, and fewer, than one a second. */
export const rates = { rated: { limit: 5, per: 2000 }, paced: { limit: 3, per: 4000 } } as const

export const limitOf = (limitKey: string): string => limitKey.split(":")[0]!

export const rateOf = (limitKey: string): (typeof rates)[keyof typeof rates] | undefined =>
  rates[limitOf(limitKey) as keyof typeof rates]

/** How many rows of a `limit_key` may hold a slot. */
export const runningOf = (limitKey: string): number => {
  if (limitKey === "paced") return Infinity
  if (limitKey === "shared") return sharedRunning
  return limitOf(limitKey) === "rated" ? ratedRunning : ownRunning(limitKey.slice("own:".length))
}

/** The keys that steps let back off. Nobody pauses and resumes just these: that would end it. */
export const backingOff: ReadonlyArray<string> = ["own:1-b", "rated:3-a"]

const makeOp = (random: Random, slow: number): LimitOp => ({
  kind: random.weighted({ own: 5, bound: 2, shared: 3, free: 1 }),
  millis: random.chance(0.05) ? slow : random.int(0, 150),
  failures: random.chance(0.1) ? random.int(1, 2) : 0,
  backsOff: random.chance(0.1) ? random.int(500, 4000) : 0,
  onward: random.weighted({ now: 4, delay: 1 })
})

const makeRatedOp = (random: Random): LimitOp => ({
  ...makeOp(random, 0),
  kind: random.weighted({ rated: 8, free: 6, paced: 1, own: 2 }),
  millis: random.int(0, 100)
})

const drawHow = (random: Random): LimitPlan["how"] =>
  random.weighted({ together: 5, batch: 3, delayed: 1, keyed: 1, "by hand": 2 })

/** `slow`: what a few steps take, in milliseconds. */
export const makeLimitPlans = (random: Random, count: number, slow: number): ReadonlyArray<LimitPlan> =>
  Array.from({ length: count }, (_, n) => ({
    id: `l${n}`,
    key: random.pick(keys),
    ops: Array.from({ length: random.int(1, 4) }, () => makeOp(random, slow)),
    how: drawHow(random)
  }))

/** Of few keys, so that many want to start at the same time. */
export const makeRatePlans = (random: Random, count: number): ReadonlyArray<LimitPlan> =>
  Array.from({ length: count }, (_, n) => ({
    // All limited plans begin with "l" and a number: the oracle knows them by that.
    id: `l${1000 + n}`,
    key: random.pick(["1-a", "3-a"]),
    ops: Array.from({ length: random.int(1, 4) }, () => makeRatedOp(random)),
    how: drawHow(random)
  }))
