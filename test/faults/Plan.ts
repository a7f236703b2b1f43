/** What the tasks of a run do: each carries its own plan, drawn at random, and the oracle knows what must come of it. */
import * as Schema from "effect/Schema"
import { PlanKey } from "./keys/PlanKey.ts"
import type { Random } from "./Random.ts"

/** What a step does before it goes on. */
export const Kind = Schema.Literals([
  "plain",
  /** Takes `millis`: longer than a lease. */
  "slow",
  /** Fails, or throws, `failures` times. */
  "flaky",
  /** Fails until the world is fixed: it parks until then. */
  "stubborn",
  /** Fails for good. */
  "broken",
  /** Kills its process, `failures` times. */
  "poison",
  /** The first time, somebody takes the row away from it, and it goes on all the same. */
  "robbed",
  /** The same, but it would never end: it has to be interrupted. */
  "hung",
  /** A state that older workers don't know. */
  "novel"
])
export type Kind = typeof Kind.Type

/**
 * Where its effects in the database are: nowhere, in the transaction of the whole step, or in that of its `commit`.
 * "async" is "free" with `asyncCommit`: a crash of the server may undo its moves to other such steps.
 */
export const Mode = Schema.Literals(["free", "async", "bound", "commit"])
export type Mode = typeof Mode.Type

/** Whether such a step has effects in the database. */
export const writes = (mode: Mode): boolean => mode === "bound" || mode === "commit"

const fields = {
  kind: Kind,
  mode: Mode,
  /** How often it is done before the next one. */
  rounds: Schema.Number,
  failures: Schema.Number,
  millis: Schema.Number,
  /** Moves money from one account to another, unless it is free. An amount of 0 writes nothing. */
  from: Schema.Number,
  to: Schema.Number,
  amount: Schema.Number,
  /** At this isolation level, and not the usual one. */
  strict: Schema.Boolean,
  /** "final": at the end of its plan it goes on to a final state, else as "now" does. */
  onward: Schema.Literals(["now", "delay", "at", "final"]),
  /** In milliseconds, for `delay` and `at`. */
  wait: Schema.Number
}

const ChildOp = Schema.Struct(fields)
type ChildOp = typeof ChildOp.Type

export const Op = Schema.Struct({
  ...fields,
  /** The plan of a task that it enqueues, in the same transaction. Empty: none. */
  child: Schema.Array(ChildOp)
})
export type Op = typeof Op.Type

/** How the producer enqueues it. */
export const How = Schema.Literals([
  /** In a transaction together with a note of it. */
  "together",
  /** The same, with a second one of it inside a savepoint that is rolled back. */
  "savepoint",
  "delayed",
  "scheduled",
  /** In a transaction that is rolled back: it must not exist. */
  "rolled back",
  /** Without a transaction: it may exist if the answer was lost. */
  "direct",
  /** Many with one statement. */
  "batch",
  /** As text. */
  "by hand"
])
export type How = typeof How.Type

export const Plan = Schema.Struct({
  /** Begins with "c" if it may be cancelled. */
  id: Schema.String,
  /** "Keyed" has the plans with a key. */
  task: Schema.Literals(["Journey", "Errand", "Keyed"]),
  how: How,
  ops: Schema.Array(Op),
  key: Schema.optionalKey(PlanKey)
})
export type Plan = typeof Plan.Type

export const accounts = 12

/** What may kill workers comes from a task that the longest-lived worker doesn't know. */
export const forever = 1000

const childOp = (random: Random, given: Partial<ChildOp>): ChildOp => {
  const mode = given.mode ?? random.weighted({ free: 3, async: 2, bound: 3, commit: 3 })
  const from = random.int(1, accounts)
  return {
    kind: "plain",
    mode,
    rounds: 1,
    failures: writes(mode) && random.chance(0.15) ? random.int(1, 3) : 0,
    millis: 0,
    from,
    to: 1 + (from % accounts),
    amount: random.int(1, 100),
    strict: random.chance(0.2),
    onward: random.weighted({ now: 6, delay: 2, at: 1 }),
    wait: random.int(0, 1500),
    ...given
  }
}

export const makeOp = (random: Random, given: Partial<Op>): Op => ({
  ...childOp(random, given),
  child: given.child ?? []
})

/** One that moves money first: a second one would be noticed. */
const childOf = (random: Random): ReadonlyArray<ChildOp> =>
  Array.from({ length: random.int(1, 3) }, (_, n) => childOp(random, n === 0 ? { mode: "bound" } : {}))

/** How long slow steps take, and whether a run may hurt. */
export interface Style {
  readonly slow: number
  readonly faults: boolean
}

const shapes = {
  chain: (random: Random) => Array.from({ length: random.int(1, 8) }, () => makeOp(random, {})),
  loop: (random: Random) => [makeOp(random, { rounds: random.int(2, 12) }), makeOp(random, {})],
  "long loop": (random: Random) => [
    makeOp(random, { mode: random.pick(["free", "async"] as const), rounds: 60, onward: "now" }),
    makeOp(random, {})
  ],
  slow: (random: Random, { slow }: Style) => [
    makeOp(random, {}),
    makeOp(random, { kind: "slow", failures: 0, millis: random.int(slow, slow * 1.5) }),
    makeOp(random, {})
  ],
  flaky: (
    random: Random
  ) => [makeOp(random, { kind: "flaky", mode: "free", failures: random.int(1, 5) }), makeOp(random, {})],
  stubborn: (
    random: Random
  ) => [makeOp(random, {}), makeOp(random, { kind: "stubborn", mode: "free" }), makeOp(random, {})],
  broken: (random: Random) => [makeOp(random, {}), makeOp(random, { kind: "broken", mode: "free" })],
  parent: (random: Random) => [
    makeOp(random, {
      mode: random.pick(["bound", "commit"] as const),
      child: childOf(random),
      rounds: random.int(1, 2)
    }),
    makeOp(random, {})
  ],
  robbed: (
    random: Random
  ) => [makeOp(random, {}), makeOp(random, { kind: "robbed" }), makeOp(random, { mode: "bound" })],
  hung: (random: Random) => [makeOp(random, { kind: "hung" }), makeOp(random, { mode: "bound" })],
  novel: (random: Random) => [makeOp(random, { kind: "novel", mode: "free" }), makeOp(random, {})],
  poison: (random: Random) => [
    makeOp(random, { kind: "poison", mode: "free", failures: random.pick([1, 2, forever]) }),
    makeOp(random, {})
  ]
} satisfies Record<string, (random: Random, style: Style) => ReadonlyArray<Op>>

const weights: Record<keyof typeof shapes, number> = {
  chain: 30,
  loop: 10,
  "long loop": 2,
  slow: 4,
  flaky: 8,
  stubborn: 4,
  broken: 3,
  parent: 12,
  robbed: 6,
  hung: 2,
  novel: 4,
  poison: 2
}

const ways: Record<How, number> = {
  together: 8,
  savepoint: 3,
  delayed: 3,
  scheduled: 2,
  "rolled back": 4,
  direct: 4,
  batch: 6,
  "by hand": 2
}

/** Two of each shape, and the rest as the weights say. */
const shapeOf = (random: Random, n: number, { faults }: Style): keyof typeof shapes => {
  const possible = { ...weights, poison: faults ? weights.poison : 0 }
  const drawn = random.weighted(possible)
  const names = (Object.keys(possible) as Array<keyof typeof shapes>).filter((name) => possible[name] > 0)
  return n < names.length * 2 ? names[n % names.length]! : drawn
}

export const makePlans = (random: Random, count: number, style: Style): ReadonlyArray<Plan> =>
  Array.from({ length: count }, (_, n) => {
    const shape = shapeOf(random, n, style)
    const ops = shapes[shape](random, style)
    const cancellable = style.faults && shape !== "parent" && random.chance(0.2)
    const how = random.weighted(ways)
    return {
      id: `${cancellable ? "c" : "p"}${n}`,
      task: shape === "poison" || random.chance(0.3) ? "Errand" : "Journey",
      // Calm rounds wait for a slow one.
      how: shape === "slow" ? "together" : how,
      ops
    }
  })
